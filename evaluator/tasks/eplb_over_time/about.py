"""How placement over time describes itself to reports and to the command line.

Owns: its columns, its ladder, and its command-line options. Does not know: calls, plans, scores.
"""

from __future__ import annotations

from evaluator.task_protocol import Column, Ladder, TaskOption
from evaluator.tasks.eplb_over_time.pace import PACES
from evaluator.types import WorkloadError

COLUMNS = (
    Column(key="over_keeping", heading="over\nkeeping"),
    Column(key="balance_p99", heading="balance\np99"),
    Column(key="moved_gigabytes", heading="GB\nmoved"),
)

LADDER = Ladder(
    programs=(
        "programs/eplb/random_placement.py",
        "programs/eplb_over_time/greedy.py",
        "programs/eplb_over_time/settled.py",
    ),
    metric="over_keeping",
    step=1e-3,
    note="Where loads hardly drift, no plan is worth much more than the one in force.",
)


def read_delay(text: str) -> int:
    """A number of steps on the command line."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise WorkloadError(f"--delay {text}: expected a whole number of steps")
    return int(text)


OPTIONS = (
    TaskOption(
        key="pace",
        flag="--pace",
        choices=tuple(PACES),
        help="Whose windows and intervals: vllm (1000 and 3000 steps, the default) or sglang (1000 and 1000).",
    ),
    TaskOption(
        key="delay",
        flag="--delay",
        metavar="STEPS",
        parse=read_delay,
        help="Steps from the end of a window until the new placement is in force. Default: 0.",
    ),
)
