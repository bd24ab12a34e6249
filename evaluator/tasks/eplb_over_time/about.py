"""How placement over time describes itself to reports and to the command line.

Owns: its columns, its ladders, and its command-line options. Does not know: calls, plans, scores.
"""

from __future__ import annotations

from dataclasses import dataclass

from evaluator.task_protocol import Column, Ladder, TaskOption
from evaluator.tasks.eplb.cases import SIZE_NAMES
from evaluator.tasks.eplb_over_time.pace import PACES
from evaluator.types import WorkloadError

DRIFTS = {"calm": 0.03, "drifting": 0.1, "shifting": 0.35}
"""How far generated loads drift from interval to interval (the deviation of the log ratio)."""

COLUMNS = (
    Column(key="over_keeping", heading="over\nkeeping"),
    Column(key="paying_share", heading="share\npaying"),
)

_NOTE = "Where loads hardly drift, no plan is worth much more than the one in force."
LADDER = Ladder(
    programs=(
        "programs/eplb/random_placement.py",
        "programs/eplb_over_time/greedy.py",
        "programs/eplb_over_time/settled.py",
    ),
    metric="over_keeping",
    step=1e-3,
    note=_NOTE,
)
ELASTIC_LADDER = Ladder(programs=LADDER.programs[1:], metric=LADDER.metric, step=LADDER.step, note=_NOTE)
"""Of programs that know of missing ranks."""


@dataclass(frozen=True, slots=True)
class ReadWhole:
    """Reads a whole number on the command line, after `flag`."""

    flag: str

    def __call__(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise WorkloadError(f"{self.flag} {text}: expected a whole number")
        return int(text)


def read_sizes(text: str) -> dict[str, int]:
    """Sizes on the command line: `layers=58,experts=256,replicas=288,groups=1,nodes=4,gpus=32`."""
    sizes: dict[str, int] = {}
    for part in text.split(","):
        key, _, value = (each.strip() for each in part.partition("="))
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            names = ", ".join(SIZE_NAMES)
            raise WorkloadError(f"--sizes {text}: expected {names}, each as NAME=NUMBER, found {part!r}")
        sizes[key] = int(value)
    return sizes


OPTIONS = (
    TaskOption(
        key="traces",
        flag="--trace",
        metavar="PATH",
        repeated=True,
        parse=str,
        help="Recorded steps instead of generated ones: a file (ADRS JSON, SGLang JSON or .pt, .npy), or a folder of "
        ".pt files of SGLang's recorder or of TensorRT-LLM's statistics; repeatable: all are one sequence of steps.",
    ),
    TaskOption(
        key="pace",
        flag="--pace",
        choices=tuple(PACES),
        help="Whose windows and intervals: vllm (1000 and 3000 steps, the default) or sglang (1000 and 1000).",
    ),
    TaskOption(
        key="window",
        flag="--window",
        metavar="STEPS",
        parse=ReadWhole("--window"),
        help="Steps that loads are summed over for a rebalance, in place of the pace's.",
    ),
    TaskOption(
        key="interval",
        flag="--interval",
        metavar="STEPS",
        parse=ReadWhole("--interval"),
        help="Steps from one rebalance to the next, in place of the pace's.",
    ),
    TaskOption(
        key="delay",
        flag="--delay",
        metavar="STEPS",
        parse=ReadWhole("--delay"),
        help="Steps from the end of a window until the new placement is in force. Default: 0.",
    ),
    TaskOption(
        key="rebalances",
        flag="--rebalances",
        metavar="COUNT",
        parse=ReadWhole("--rebalances"),
        help="Rebalances in a chain, each from the placement before it. Default: 6; of a recording all, up to 64.",
    ),
    TaskOption(
        key="drifts",
        flag="--drift",
        repeated=True,
        metavar="DRIFT",
        help="How far generated loads drift from interval to interval, a case for each: calm, drifting, shifting; "
        "repeatable. Default: all three.",
    ),
    TaskOption(
        key="elastic",
        flag="--elastic",
        repeated=True,
        metavar="WHAT",
        help="A case with a missing rank beside the others: lost (it fails just before the first rebalance, and stays "
        "away) or back (it was missing until then); repeatable.",
    ),
    TaskOption(
        key="missing",
        flag="--missing",
        metavar="COUNT",
        parse=ReadWhole("--missing"),
        help="With --elastic: how many ranks are missing. Default: 1.",
    ),
    TaskOption(
        key="sizes",
        flag="--sizes",
        metavar="SIZES",
        parse=read_sizes,
        help="Sizes in place of layers=58,experts=256,replicas=288,groups=1,nodes=4,gpus=32. A recording decides the "
        "layers.",
    ),
)
