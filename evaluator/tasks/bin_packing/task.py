"""Online bin packing as the judge sees it: `priority(item, bins) -> scores`, as in FunSearch.

Owns: the name, the programs and the usual cases of the task. Does not know: how the function is asked (`driver`),
lists, bounds and packings (`evaluator.tasks.item_lists`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluator.task_protocol import Ladder
from evaluator.tasks.item_lists.choosing import sources
from evaluator.tasks.item_lists.task import FILLED, About, ListTask
from evaluator.types import WorkloadError

MAX_CAPACITY = 4096
"""So that the levels, of which there are as many, are few."""
USUAL = ("uniform-500", "weibull-5k")
ABOUT = About(
    name="bin_packing",
    version=2,
    entry_point="priority",
    reference="programs/bin_packing/best_fit.py",
    ladder=Ladder(
        programs=tuple(f"programs/bin_packing/{name}.py" for name in ("worst_fit", "first_fit", "best_fit", "no_dust")),
        metric=FILLED,
        step=1e-3,
        note="First fit and best fit differ by less than half a percent of the bins, so a tie there says little.",
    ),
    in_order=True,
)


class BinPacking(ListTask):
    """Online: the driver shows items one by one. Raises WorkloadError."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for source in self.sources:
            if source.capacity > MAX_CAPACITY:
                raise WorkloadError(
                    f"case {source.name}: expected a capacity of at most {MAX_CAPACITY:,}, found {source.capacity:,}: "
                    "measure sizes in a larger unit"
                )

    @property
    def driver(self) -> str:
        return Path(__file__).with_name("driver.py").read_text(encoding="utf-8")


def build(options: Mapping[str, Any]) -> BinPacking:
    """The task from config values; strict. Raises WorkloadError."""
    return BinPacking(about=ABOUT, sources=sources(options, f"task {ABOUT.name}", USUAL))
