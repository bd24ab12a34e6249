"""Offline bin packing as the judge sees it: `pack(items, capacity) -> number of each item's bin`.

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

USUAL = ("uniform-500", "triplet-120")
ABOUT = About(
    name="bin_packing_offline",
    version=2,
    entry_point="pack",
    reference="programs/bin_packing_offline/best_fit_decreasing.py",
    ladder=Ladder(
        programs=tuple(
            f"programs/bin_packing_offline/{name}.py"
            for name in ("next_fit_decreasing", "first_fit_decreasing", "least_slack")
        ),
        metric=FILLED,
        step=1e-3,
        note="On small lists all but the first may find the fewest bins there can be.",
    ),
    in_order=False,
)


class BinPackingOffline(ListTask):
    """Offline: the driver hands over list by list. Raises WorkloadError."""

    @property
    def driver(self) -> str:
        return Path(__file__).with_name("driver.py").read_text(encoding="utf-8")


def build(options: Mapping[str, Any]) -> BinPackingOffline:
    """The task from config values; strict. Raises WorkloadError."""
    return BinPackingOffline(about=ABOUT, sources=sources(options, f"task {ABOUT.name}", USUAL))
