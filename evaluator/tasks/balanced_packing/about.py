"""How balanced packing describes itself to reports and to the command line.

Owns: its columns, its ladder, its reference program, and its command-line options.
Does not know: calls, plans, scores.
"""

from __future__ import annotations

from evaluator.task_protocol import Column, Ladder, TaskOption
from evaluator.types import WorkloadError

TIGHTNESS = "tightness"
"""A lower bound on the largest pack load divided by that load, as a mean over the rows: 1 is proved optimal."""

COLUMNS = (Column(key="balance", heading="balance"),)

REFERENCE = "programs/balanced_packing/vectorised_lpt.py"

LADDER = Ladder(
    programs=(
        "programs/balanced_packing/random_packing.py",
        "programs/balanced_packing/snake.py",
        "programs/balanced_packing/vectorised_lpt.py",
        "programs/balanced_packing/lpt_swap.py",
    ),
    metric=TIGHTNESS,
    step=5e-4,
    note="With one or two items in a pack, snake and all above it are optimal and tie; elsewhere a tie means that the "
    "case tells little.",
)


def read_case(text: str) -> str | dict[str, int | str]:
    """A case on the command line: a standard name, or sizes such as `rows=64,items=128,packs=16,weights=uniform`.

    Raises WorkloadError.
    """
    if "=" not in text:
        return text
    parts: dict[str, int | str] = {}
    for part in text.split(","):
        key, equals, value = (each.strip() for each in part.partition("="))
        if not equals or not value:
            raise WorkloadError(f"--case {text}: expected KEY=VALUE, found {part.strip()!r}")
        if key in parts:
            raise WorkloadError(f"--case {text}: {key} is given twice")
        parts[key] = int(value) if value.isascii() and value.isdigit() and key != "name" else value
    return parts


def read_items(text: str) -> int:
    """A number of items on the command line. Raises WorkloadError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise WorkloadError(f"--exact {text}: expected a whole number of at least 1")
    return int(text)


OPTIONS = (
    TaskOption(
        key="cases",
        flag="--case",
        metavar="CASE",
        repeated=True,
        parse=read_case,
        help="A standard case such as loads-256x32, or your own by rows, items, packs and weights (loads, uniform, "
        "narrow, normal, skewed, ties or planted), as in rows=64,items=128,packs=16,weights=uniform; repeatable. "
        "Default: all standard cases.",
    ),
    TaskOption(
        key="exact",
        flag="--exact",
        metavar="ITEMS",
        parse=read_items,
        help="Cases of at most this many items get the proved optimum as their ceiling, where it can be proved in "
        "seconds; 24 is a good number. Needs packsmith[exact].",
    ),
)
