"""Balanced packing as the judge sees it: the kernel of expert placement, on its own.

Owns: which calls a solver gets, what its packings are scored on, and the task's options. Does not know: how a solver is
run or timed. Beside it: columns, programs and command-line options in `about`, validation in `answers`, ceilings in
`bounds` and `exact`, small calls in `hard_cases`, weights in `weights`.

A solver packs the n items of each of X rows into P packs of k = n / P. The quality, `mean_tightness`, is the mean over
the rows of a lower bound on the largest pack load / the largest pack load. It is 1 for a row that is proved optimal and
for a row without weight; higher is better. A bound belongs to its row, so rows drawn afresh are as near to 1 as others,
which the mean pack load / the largest is not where single items are heavy; that ratio is shown as `balance`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.splits import HeldOut
from evaluator.task_protocol import Column, Ladder
from evaluator.tasks.balanced_packing import answers
from evaluator.tasks.balanced_packing.about import COLUMNS, LADDER, REFERENCE, TIGHTNESS
from evaluator.tasks.balanced_packing.bounds import largest_load_bound
from evaluator.tasks.balanced_packing.cases import SIZE_NAMES, STANDARD_CASES, PackingCase
from evaluator.tasks.balanced_packing.exact import check_installed, least_largest_load
from evaluator.tasks.balanced_packing.hard_cases import agreement_calls, hard_cases
from evaluator.tasks.balanced_packing.weights import draw_weights
from evaluator.tasks.options import check_keys, choice, items, whole_number
from evaluator.types import Answer, Call, Case, CaseQuality, HardCase, Plan, WorkloadError

Floats = NDArray[np.float64]

OPTIONS = ("cases", "exact")


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancedPacking:
    """The task with its options. `exact`: cases of at most this many items get the proved optimum as their ceiling,
    where it can be proved; None for no case. Raises WorkloadError.
    """

    sizes: tuple[PackingCase, ...] = tuple(STANDARD_CASES.values())
    exact: int | None = None

    def __post_init__(self) -> None:
        if not self.sizes:
            raise WorkloadError("cases: expected at least one case, found none")
        names = [case.name for case in self.sizes]
        for name in names:
            if names.count(name) > 1:
                raise WorkloadError(f"cases: expected different names, found {name} {names.count(name)} times")
        if self.exact is not None:
            check_installed()

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> BalancedPacking:
        """The task from config values; strict. Raises WorkloadError."""
        check_keys(options, OPTIONS, "task balanced_packing")
        values: dict[str, Any] = {}
        if "cases" in options:
            values["sizes"] = tuple(_case(value, index) for index, value in enumerate(items(options["cases"], "cases")))
        if options.get("exact") is not None:
            values["exact"] = whole_number(options["exact"], "exact", least=1)
        return cls(**values)

    @property
    def name(self) -> str:
        return "balanced_packing"

    @property
    def version(self) -> int:
        return 1

    @property
    def entry_point(self) -> str:
        return "balanced_packing"

    @property
    def quality_name(self) -> str:
        return "mean_tightness"

    @property
    def quality_key(self) -> str:
        return TIGHTNESS

    @property
    def columns(self) -> tuple[Column, ...]:
        return COLUMNS

    @property
    def reference(self) -> str:
        """The heaviest item first, to the lightest pack with room, all rows at once."""
        return REFERENCE

    @property
    def ladder(self) -> Ladder | None:
        return LADDER

    @property
    def resolution(self) -> float:
        """A twentieth of a point of tightness."""
        return 0.0005

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    @property
    def plan_axes(self) -> tuple[str, ...]:
        return ("row", "item")

    def identity(self) -> Mapping[str, Any]:
        """Name, version, cases, and whether ceilings are proved optima, if some are."""
        cases = [{"name": case.name, **case.sizes, "weights": case.weights} for case in self.sizes]
        told = {"name": self.name, "version": self.version, "cases": cases}
        return told if self.exact is None else {**told, "exact": self.exact}

    def cases(self, seed: int) -> tuple[Case, ...]:
        """The cases with their weights `[X, n]`, drawn from the seed and the case's name."""
        if seed < 0:
            raise WorkloadError(f"seed: expected a whole number of at least 0, found {seed}")
        return tuple(_drawn(case, _seeded(seed, case.name)) for case in self.sizes)

    def held_out(self, split: HeldOut) -> BalancedPacking:
        """Packs of one more item each (`gate`), and half as many packs (`final`)."""
        return replace(self, sizes=tuple(case.held_out(split) for case in self.sizes))

    def hard_cases(self, seed: int) -> tuple[HardCase, ...]:
        return hard_cases(seed)

    def agreement_calls(self, seed: int) -> tuple[HardCase, ...]:
        return agreement_calls(seed)

    def steps(self, case: Case) -> int:
        return 1

    def call(self, case: Case, step: int, plans: tuple[Plan, ...]) -> Call:
        """`balanced_packing(weight float32 [X, n], packs)`."""
        return Call(args=(case.data.astype(np.float32), case.sizes["packs"]))

    def draw(self, case: Case, rng: np.random.Generator) -> Case:
        """Other weights of the same family."""
        return _drawn(next(each for each in self.sizes if each.name == case.name), rng)

    def call_bytes(self, case: Case) -> int:
        return 8 * case.sizes["rows"] * case.sizes["items"]

    def answer_bytes(self, case: Case) -> int:
        return answers.answer_bytes(case.sizes)

    def read(self, case: Case, answer: Answer) -> Plan:
        """The plan: the slot of each item, int64 `[X, n]`; slot s is place s % k of pack s // k. Raises
        InvalidAnswer.
        """
        return answers.read_answer(answer, case.sizes)

    def step_quality(self, case: Case, step: int, plan: Plan) -> float:
        """The mean over the rows of the bound / the largest pack load."""
        bound_X = largest_load_bound(case.data, case.sizes["packs"])
        return float(_ratio(bound_X, _largest_load(case, plan)).mean())

    def pass_quality(self, case: Case, step: int, plan: Plan) -> float:
        return self.step_quality(case, step, plan)

    def score(self, case: Case, plans: tuple[Plan, ...]) -> CaseQuality:
        """The quality of a packing, its ceiling, and how near the rows come to what is proved possible."""
        if len(plans) != 1:
            raise ValueError(f"case {case.name}: expected 1 plan, found {len(plans)}")
        largest_X = _largest_load(case, plans[0])
        bound_X = largest_load_bound(case.data, case.sizes["packs"])
        least_X, proved_X = self._optimum(case, bound_X)
        tightness_X = _ratio(bound_X, largest_X)
        balance_X = _ratio(case.data.sum(axis=1) / case.sizes["packs"], largest_X)
        value, ceiling = float(tightness_X.mean()), float(_ratio(bound_X, least_X).mean())
        optimal_X = largest_X <= least_X
        return CaseQuality(
            case=case.name,
            value=value,
            ceiling=ceiling,
            metrics={
                TIGHTNESS: value,
                "gap": ceiling - value,
                "worst_tightness": float(tightness_X.min()),
                "balance": float(balance_X.mean()),
                "worst_balance": float(balance_X.min()),
                "proved_optimal_share": float(optimal_X.mean()),
                "known_optimum_share": float((proved_X | optimal_X).mean()),
            },
        )

    def _optimum(self, case: Case, bound_X: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """What the largest load of each row is at least, `[X]`, and whether that is proved to be reached."""
        packs, held = case.sizes["packs"], case.sizes["items"] // case.sizes["packs"]
        if self.exact is None or case.sizes["items"] > self.exact or held <= 2 or packs == 1:
            return bound_X, np.full(len(bound_X), held <= 2 or packs == 1)
        return least_largest_load(case.data, packs, bound_X)


def _drawn(case: PackingCase, rng: np.random.Generator) -> Case:
    return Case(name=case.name, sizes=case.sizes, data=draw_weights(case.weights, case.sizes, rng))


def _seeded(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:16])])


def _largest_load(case: Case, plan: Plan) -> Floats:
    """The largest pack load of each row, `[X]`: the items are put in the order of their slots, pack by pack."""
    in_slots_Xn = np.empty_like(case.data)
    np.put_along_axis(in_slots_Xn, plan, case.data, axis=1)
    largest_X: Floats = in_slots_Xn.reshape(len(plan), case.sizes["packs"], -1).sum(axis=2).max(axis=1)
    return largest_X


def _ratio(part_X: Floats, whole_X: Floats) -> Floats:
    """part / whole, and 1 where there is no load."""
    return np.divide(part_X, whole_X, out=np.ones_like(part_X), where=whole_X > 0)


def _case(value: Any, index: int) -> PackingCase:
    where = f"cases[{index}]"
    if isinstance(value, PackingCase):
        return value
    if not isinstance(value, Mapping):
        return STANDARD_CASES[choice(value, STANDARD_CASES, where)]
    needed = (*SIZE_NAMES, "weights")
    check_keys(value, ("name", *needed), where, required=needed)
    name, weights = value.get("name") or "", value["weights"]
    for key, text in (("name", name), ("weights", weights)):
        if not isinstance(text, str):
            raise WorkloadError(f"{where}: expected {key} to be a text, found {text!r}")
    return PackingCase(name=name, weights=weights, **{size: value[size] for size in SIZE_NAMES})
