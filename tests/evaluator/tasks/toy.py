"""A very small task: `balance_items(weights[n], num_bins) -> bin of each item[n]`.

Owns: a task that is not the shipped one, so that what assumes the shipped one fails a test; it is also the example of
`evaluator/tasks/README.md`. Does not know: the judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluator.task_protocol import Column, Ladder, TaskKind, TaskOption
from evaluator.tasks.options import check_keys, choice
from evaluator.types import Answer, Array, Call, Case, CaseQuality, HardCase, InvalidAnswer, Plan

ITEMS, BINS = 40, 5
SPREADS = {"even": 0.5, "uneven": 1.2}


@dataclass(frozen=True)
class Toy:
    """ITEMS weights, log-normal with the spread's deviation, into BINS bins. Quality: mean / largest bin load."""

    spread: str = "even"

    name = "toy"
    version = 1
    entry_point = "balance_items"
    quality_name = "evenness"
    quality_key = "evenness"
    resolution = 0.005
    notes = ()
    columns = (Column(key="lightest_share", heading="lightest\nbin"),)
    reference = "tests/data/toy/greedy.py"
    ladder = Ladder(
        programs=("tests/data/toy/in_turn.py", "tests/data/toy/back_and_forth.py", "tests/data/toy/greedy.py"),
        metric="lightest_share",
        step=1e-3,
        note="With few items a bin there is little to choose.",
    )

    def cases(self, seed: int) -> tuple[Case, ...]:
        return (Case(name=self.spread, sizes={"bins": BINS}, data=self._weights(np.random.default_rng(seed))),)

    def _weights(self, rng: np.random.Generator) -> Array:
        return rng.lognormal(0, SPREADS[self.spread], ITEMS)

    def hard_cases(self, seed: int) -> tuple[HardCase, ...]:
        case = Case(name="weightless", sizes={"bins": 3}, data=np.zeros(4))
        return (HardCase(case=case, call=self.call(case, 0, ()), why="no item weighs anything"),)

    plan_axes = ("item",)

    def agreement_calls(self, seed: int) -> tuple[HardCase, ...]:
        case = Case(name="alike", sizes={"bins": BINS}, data=np.ones(ITEMS))
        return (HardCase(case=case, call=self.call(case, 0, ()), why="all items weigh the same"),)

    def identity(self) -> Mapping[str, Any]:
        return {"name": "toy", "version": 1, "spread": self.spread}

    def steps(self, case: Case) -> int:
        return 1

    def call(self, case: Case, step: int, plans: tuple[Plan, ...]) -> Call:
        return Call(args=(case.data.astype(np.float32), case.sizes["bins"]))

    def draw(self, case: Case, rng: np.random.Generator) -> Case:
        """Other weights with the same spread."""
        return Case(name=case.name, sizes=case.sizes, data=self._weights(rng))

    def call_bytes(self, case: Case) -> int:
        return 4 * len(case.data)

    def answer_bytes(self, case: Case) -> int:
        return 8 * len(case.data)

    def read(self, case: Case, answer: Answer) -> Plan:
        if len(answer) != 1 or answer[0].dtype.kind not in "iu" or answer[0].shape != case.data.shape:
            found = ", ".join(f"{array.dtype} {list(array.shape)}" for array in answer) or "nothing"
            raise InvalidAnswer("form", f"expected one integer array [{len(case.data)}], found {found}")
        plan = answer[0].astype(np.int64)
        if plan.min() < 0 or plan.max() >= case.sizes["bins"]:
            raise InvalidAnswer("range", f"expected bins 0 to {case.sizes['bins'] - 1}, found {plan.max()}")
        return plan

    def _loads(self, case: Case, plan: Plan) -> Array:
        return np.bincount(plan, weights=case.data, minlength=case.sizes["bins"])

    def step_quality(self, case: Case, step: int, plan: Plan) -> float:
        loads = self._loads(case, plan)
        return float(loads.mean() / loads.max()) if loads.max() else 1.0

    pass_quality = step_quality

    def score(self, case: Case, plans: tuple[Plan, ...]) -> CaseQuality:
        loads = self._loads(case, plans[0])
        metrics = {"lightest_share": float(loads.min() / loads.mean())}
        ceiling = min(1.0, float(loads.mean() / case.data.max()))
        return CaseQuality(case=case.name, value=self.step_quality(case, 0, plans[0]), ceiling=ceiling, metrics=metrics)


def build(options: Mapping[str, Any]) -> Toy:
    check_keys(options, ("spread",), "task toy")
    return Toy(spread=choice(options.get("spread", "even"), SPREADS, "spread"))


KIND = TaskKind(
    build=build,
    options=(TaskOption(key="spread", flag="--spread", choices=tuple(SPREADS), help="How unlike the items are."),),
)
