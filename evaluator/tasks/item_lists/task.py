"""Packing lists of items into as few bins as possible, as the judge sees it.

Owns: cases, calls, quality and ceiling of every task over lists of items. Does not know: which task it is, and how a
program's function is called: a task says that in its own folder.

A call holds all lists of a case. The quality, `bound_over_bins`, is the sum over the lists of the bound L1 / the sum of
the bins used, so 1 / (1 + excess). Excess, in percent, is what the literature reports.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from evaluator.splits import HeldOut
from evaluator.task_protocol import Column, Ladder
from evaluator.tasks.item_lists import bounds
from evaluator.tasks.item_lists.packings import bins_needed, read_packing
from evaluator.tasks.item_lists.sources import Source
from evaluator.types import Answer, Array, Call, Case, CaseQuality, HardCase, Plan, WorkloadError

EXCESS, FILLED = "excess_percent", "filled_share"
COLUMNS = (Column(key=EXCESS, heading="excess %"), Column(key=FILLED, heading="filled"))

_HARD: tuple[tuple[str, int, tuple[tuple[int, ...], ...]], ...] = (
    ("a single item", 100, ((37,),)),
    ("a single item as large as a bin", 100, ((100,),)),
    ("items as large as a bin among others", 100, ((60, 100, 40, 100, 1, 99),)),
    ("all items are equal, two fill a bin", 100, ((50,) * 9,)),
    ("all items are equal, none fits beside another", 100, ((51,) * 6,)),
    ("all items have size 1", 10, ((1,) * 25,)),
    ("bins of capacity 1", 1, ((1,) * 4,)),
    ("largest first, then what fills the bins", 100, ((90, 80, 70, 60, 40, 30, 20, 10),)),
    ("two lists, of small and of large items", 150, ((20, 21, 22, 23, 24), (150, 149, 75, 76, 100))),
)
_ALIKE: tuple[tuple[str, int, tuple[tuple[int, ...], ...]], ...] = (
    ("equal items", 100, ((30,) * 40,)),
    ("few different sizes, so that many bins are alike", 100, ((20, 35, 45, 20, 35, 55, 65, 10) * 12,)),
    ("two equal lists", 150, ((90, 60, 75, 75, 30, 120, 45, 105) * 4,) * 2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What one task over lists says of itself. `in_order`: bins must be numbered in the order of opening."""

    name: str
    version: int
    entry_point: str
    reference: str
    ladder: Ladder
    in_order: bool


@dataclass(frozen=True, kw_only=True)
class ListTask:
    """A task over the lists of `sources`. Raises WorkloadError."""

    about: About
    sources: tuple[Source, ...]

    quality_name = "bound_over_bins"
    quality_key = "bound_share"
    columns = COLUMNS
    resolution = 0.001
    notes = ()
    plan_axes = ("list", "item")

    def __post_init__(self) -> None:
        if not self.sources:
            raise WorkloadError("cases: expected at least one case, found none")
        names = [source.name for source in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise WorkloadError(f"cases: expected different names, found {name} {names.count(name)} times")

    @property
    def name(self) -> str:
        return self.about.name

    @property
    def version(self) -> int:
        return self.about.version

    @property
    def entry_point(self) -> str:
        return self.about.entry_point

    @property
    def reference(self) -> str:
        return self.about.reference

    @property
    def ladder(self) -> Ladder | None:
        return self.about.ladder

    def identity(self) -> Mapping[str, Any]:
        """Name, version and cases (a file's lists by their digest)."""
        cases: list[dict[str, Any]] = []
        for source in self.sources:
            told: dict[str, Any] = {"name": source.name, "kind": source.kind, **source.sizes}
            if source.kind == "uniform":
                told |= {"low": source.low, "high": source.high}
            if source.recorded is not None:
                told["digest"] = hashlib.sha256(source.recorded.items.tobytes()).hexdigest()
            cases.append(told)
        return {"name": self.name, "version": self.version, "cases": cases}

    def cases(self, seed: int) -> tuple[Case, ...]:
        """The cases with their lists, int64 `[lists, items]`: a file's, or drawn from the seed and the case's name."""
        if seed < 0:
            raise WorkloadError(f"seed: expected a whole number of at least 0, found {seed}")
        return tuple(
            Case(name=source.name, sizes=source.sizes, data=source.given(_generator(seed, source.name)))
            for source in self.sources
        )

    def held_out(self, split: HeldOut) -> Self:
        """Lists of other lengths for bins of another capacity."""
        return replace(self, sources=tuple(source.held_out(split) for source in self.sources))

    def draw(self, case: Case, rng: np.random.Generator) -> Case:
        [source] = (source for source in self.sources if source.name == case.name)
        return Case(name=case.name, sizes=case.sizes, data=source.draw(rng))

    def steps(self, case: Case) -> int:
        return 1

    def call(self, case: Case, step: int, plans: tuple[Plan, ...]) -> Call:
        return Call(args=(case.data.copy(), case.sizes["capacity"]))

    def call_bytes(self, case: Case) -> int:
        return case.data.nbytes

    def answer_bytes(self, case: Case) -> int:
        return case.data.nbytes

    def hard_cases(self, seed: int) -> tuple[HardCase, ...]:
        return tuple(self._small(*each) for each in _HARD)

    def agreement_calls(self, seed: int) -> tuple[HardCase, ...]:
        return tuple(self._small(*each) for each in _ALIKE)

    def _small(self, why: str, capacity: int, lists: tuple[tuple[int, ...], ...]) -> HardCase:
        data = np.array(lists, dtype=np.int64)
        sizes = {"lists": len(data), "items": data.shape[1], "capacity": capacity}
        case = Case(name=why, sizes=sizes, data=data)
        return HardCase(case=case, call=self.call(case, 0, ()), why=why)

    def read(self, case: Case, answer: Answer) -> Plan:
        """The number of each item's bin, in order of opening, int64 `[lists, items]`. Raises InvalidAnswer."""
        return read_packing(answer, case.data, case.sizes["capacity"], in_order=self.about.in_order)

    def step_quality(self, case: Case, step: int, plan: Plan) -> float:
        """The sum of the bound L1 / the sum of the bins."""
        return _bound(bounds.l1, case) / int(bins_needed(plan, case.data, case.sizes["capacity"]).sum())

    pass_quality = step_quality

    def score(self, case: Case, plans: tuple[Plan, ...]) -> CaseQuality:
        """Quality, ceiling (with the bound L2 in the place of the bins), excess over L1, and how full bins are. Where a
        file tells the fewest bins known for all its lists, also the excess over these.
        """
        [plan] = plans
        l1, capacity = _bound(bounds.l1, case), case.sizes["capacity"]
        bins = int(bins_needed(plan, case.data, capacity).sum())
        metrics = {
            EXCESS: 100 * (bins / l1 - 1),
            FILLED: int(case.data.sum()) / (bins * capacity),
            "bins": float(bins),
        }
        known = next((sum(source.known) for source in self.sources if source.name == case.name), 0)
        if known:
            metrics["excess_over_known_percent"] = 100 * (bins / known - 1)
        return CaseQuality(case=case.name, value=l1 / bins, ceiling=l1 / _bound(bounds.l2, case), metrics=metrics)


def _bound(bound: Callable[[Array, int], int], case: Case) -> int:
    return sum(bound(items, case.sizes["capacity"]) for items in case.data)


def _generator(seed: int, name: str) -> np.random.Generator:
    name_seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16])
    return np.random.default_rng([seed, name_seed])
