"""Expert placement over time as the judge sees it: a placement is in force, and a new one has to pay for its moves.

Owns: which calls a solver gets and what its plans are scored on. Does not know: how a solver is run or timed. Beside
it: options in `workload`, engines' windows and the costs in `pace`, moves in `moves`, missing ranks in `ranks`, courses
in `courses`, made by `generated` or `recorded`, and what chains of plans are worth in `chains`. Sizes, validation, hard
cases, bounds and balance are those of the task `eplb`.

A case is a chain of rebalances: windows of loads, the placement in force at the beginning, and the intervals that
follow. Each plan is in force from the end of the delay until that of the next. The quality, `useful_share`, is the time
in which the mean GPU works in these intervals / the time that they take: that of the busiest GPU in every layer and
step, and the moves. So it weighs balance and moves in one unit; leaving a placement alone costs nothing and may be
best.

Shapes: W windows, L layers, E experts, R slots, M GPUs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from evaluator.splits import HeldOut
from evaluator.task_protocol import Column, Ladder
from evaluator.tasks.eplb import answers
from evaluator.tasks.eplb.agreement_calls import agreement_calls
from evaluator.tasks.eplb.dispatch import EVEN
from evaluator.tasks.eplb.hard_cases import hard_cases
from evaluator.tasks.eplb.metrics import balance
from evaluator.tasks.eplb_over_time import ranks
from evaluator.tasks.eplb_over_time.about import COLUMNS, ELASTIC_LADDER, LADDER
from evaluator.tasks.eplb_over_time.chains import Chain
from evaluator.tasks.eplb_over_time.courses import Course
from evaluator.tasks.eplb_over_time.hard_cases import elastic_cases
from evaluator.tasks.eplb_over_time.workload import Workload
from evaluator.types import Answer, Call, Case, CaseQuality, HardCase, Plan, Value, WorkloadError

FEWEST_WINDOWS = 3
"""The windows of a hard case that calls have room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EplbOverTime:
    """The task on a workload: one size, and a case for each kind of course. Raises WorkloadError."""

    workload: Workload = field(default_factory=Workload)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> EplbOverTime:
        """The task from config values; strict. Raises WorkloadError."""
        return cls(workload=Workload.from_options(options))

    @property
    def name(self) -> str:
        return "eplb_over_time"

    @property
    def version(self) -> int:
        return 2

    @property
    def entry_point(self) -> str:
        return "rebalance_experts"

    @property
    def quality_name(self) -> str:
        return "useful_share"

    @property
    def quality_key(self) -> str:
        return "useful"

    @property
    def columns(self) -> tuple[Column, ...]:
        return COLUMNS

    @property
    def reference(self) -> str:
        return "programs/eplb_over_time/greedy.py"

    @property
    def ladder(self) -> Ladder | None:
        return ELASTIC_LADDER if self.workload.elastic else LADDER

    @property
    def resolution(self) -> float:
        return 0.0005

    @property
    def notes(self) -> tuple[str, ...]:
        """What reading a recording left out, in sentences for people."""
        return self.workload.notes

    @property
    def plan_axes(self) -> tuple[str, ...]:
        return ("layer", "slot")

    def cases(self, seed: int) -> tuple[Case, ...]:
        if seed < 0:
            raise WorkloadError(f"seed: expected a whole number of at least 0, found {seed}")
        return tuple(
            self._case(name, self.workload.course(name, np.random.default_rng([seed, _seed(name)])))
            for name in self.workload.names
        )

    def _case(self, name: str, course: Course) -> Case:
        return Case(name=name, sizes=self.workload.sizes.sizes, data=course.packed())

    def draw(self, case: Case, rng: np.random.Generator) -> Case:
        """Another course of the same kind."""
        return self._case(case.name, self.workload.drawn(case.name, rng))

    def held_out(self, split: HeldOut) -> EplbOverTime:
        """Other sizes, and loads that drift otherwise."""
        return replace(self, workload=self.workload.held_out(split))

    def hard_cases(self, seed: int) -> tuple[HardCase, ...]:
        hard = tuple(self._told(each) for each in hard_cases(seed, EVEN))
        return (*hard, *self._elastic(seed)) if self.workload.elastic else hard

    def agreement_calls(self, seed: int) -> tuple[HardCase, ...]:
        calls = tuple(self._told(each) for each in agreement_calls(seed, EVEN))
        return (*calls, *self._elastic(seed)) if self.workload.elastic else calls

    def _elastic(self, seed: int) -> tuple[HardCase, ...]:
        made = []
        for why, case, in_force in elastic_cases(seed):
            call = self.call(case, 0, ())
            old = call.offered["old_phy2log"] if in_force else None
            told = Call(args=call.args, offered={**call.offered, "old_phy2log": old})
            made.append(HardCase(case=case, call=told, why=why))
        return tuple(made)

    def _told(self, hard: HardCase) -> HardCase:
        active_M = np.ones(hard.case.sizes["gpus"], dtype=np.int32)
        offered = {**hard.call.offered, **self.workload.offered, "active_ranks": active_M}
        return HardCase(case=hard.case, call=Call(args=hard.call.args, offered=offered), why=hard.why)

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name, "version": self.version, **self.workload.identity()}

    def steps(self, case: Case) -> int:
        return _course(case).rebalances

    def call(self, case: Case, step: int, plans: tuple[Plan, ...]) -> Call:
        """`rebalance_experts` as the task `eplb` calls it, on the window of this rebalance. Offered beside what that
        offers: steps in a window and in force, seconds a token, seconds in which a GPU fetches an expert, and
        `active_ranks`, int32 `[M]`, 1 and 0. `old_phy2log` has -1 where nothing is held.
        """
        course = _course(case)
        history = course.windows_WLE[: step + 2].astype(np.float32)
        sizes = tuple(case.sizes[name] for name in ("replicas", "groups", "nodes", "gpus"))
        offered: dict[str, Value] = {
            "old_phy2log": plans[step - 1] if step else course.old_LR,
            "history": history,
            **EVEN.offered(case.sizes["nodes"]),
            **self.workload.offered,
            "active_ranks": course.active_M.astype(np.int32),
        }
        return Call(args=(history[-1].copy(), *sizes), offered=offered)

    def call_bytes(self, case: Case) -> int:
        layers, experts, replicas = (case.sizes[name] for name in ("layers", "experts", "replicas"))
        windows = max(FEWEST_WINDOWS, _course(case).rebalances + 1 if case.data.ndim == 1 else 0)
        return 4 * (layers * experts * (1 + windows) + 2 * layers * replicas + case.sizes["gpus"])

    def answer_bytes(self, case: Case) -> int:
        return answers.answer_bytes(case.sizes)

    def read(self, case: Case, answer: Answer) -> Plan:
        """The plan, `phy2log` in int64 `[L, R]`, with -1 on missing ranks. Raises InvalidAnswer."""
        if case.data.ndim > 1:  # a hard case of the task `eplb`, without a course
            return answers.read_answer(answer, case.sizes, "triple")
        return ranks.read(answer, case.sizes, _course(case).active_M)

    def step_quality(self, case: Case, step: int, plan: Plan) -> float:
        """The balance on the window that the plan was made from."""
        course = _course(case)
        sizes = ranks.active_sizes(case.sizes, course.active_M)
        return balance(ranks.on_active(plan, course.active_M), course.windows_WLE[step + 1], sizes["gpus"])

    def pass_quality(self, case: Case, step: int, plan: Plan) -> float:
        """The useful share of the interval, as if the plan had been in force before it."""
        return self._chain(case).served(step, plan, plan).useful_share

    def chain_quality(self, case: Case, step: int, plans: tuple[Plan, ...]) -> float:
        """The useful share of the interval, with the moves from the plan before, which serves during the delay."""
        chain = self._chain(case)
        return chain.served(step, plans[step - 1] if step else chain.course.old_LR, plans[step]).useful_share

    def _chain(self, case: Case) -> Chain:
        return Chain(course=_course(case), sizes=case.sizes, pace=self.workload.pace, costs=self.workload.costs)

    def score(self, case: Case, plans: tuple[Plan, ...]) -> CaseQuality:
        """Beside the quality: balance of steps (p99: what 99 % of them reach), moves, and what keeping is worth."""
        chain = self._chain(case)
        if len(plans) != chain.course.rebalances:
            raise ValueError(f"case {case.name}: expected {chain.course.rebalances} plans, found {len(plans)}")
        value, metrics = chain.figures(plans)
        return CaseQuality(case=case.name, value=value, ceiling=chain.ceiling(), metrics=metrics)


def _course(case: Case) -> Course:
    return Course.unpacked(case.data, case.sizes)


def _seed(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
