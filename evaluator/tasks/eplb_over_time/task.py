"""Expert placement over time as the judge sees it: a placement is in force, and a new one has to pay for its moves.

Owns: which calls a solver gets, what its plans are scored on, and the task's options. Does not know: how a solver is
run or timed. Beside it: engines' windows and the costs in `pace`, moves in `moves`, generated courses in `courses`.
Sizes, validation, hard cases, bounds and balance are those of the task `eplb`.

A case is one rebalance: windows of loads, the placement in force, and the interval that follows. The plan is in force
from the end of the delay, and the old placement until then. The quality, `useful_share`, is the time in which the mean
GPU works in that interval / the time that it takes: that of the busiest GPU in every layer and step, and the moves. So
it weighs balance and moves in one unit; keeping the placement costs nothing and may be best.

Shapes: W windows, S sampled steps, L layers, E experts, R slots.
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
from evaluator.tasks.eplb.bounds import largest_load_bound
from evaluator.tasks.eplb.cases import SIZE_NAMES, EplbCase
from evaluator.tasks.eplb.dispatch import EVEN
from evaluator.tasks.eplb.hard_cases import hard_cases
from evaluator.tasks.eplb.held_out import SHIFTS, held_out
from evaluator.tasks.eplb.metrics import Floats, Ints, gpu_loads
from evaluator.tasks.eplb_over_time.about import COLUMNS, LADDER
from evaluator.tasks.eplb_over_time.courses import WINDOWS, Course, generate, weights_and_times
from evaluator.tasks.eplb_over_time.moves import Moves
from evaluator.tasks.eplb_over_time.pace import PACES, Costs, Pace
from evaluator.tasks.options import check_keys, choice, number, whole_number
from evaluator.types import Answer, Call, Case, CaseQuality, HardCase, Plan, Value, WorkloadError

SIZES = EplbCase(name="ep32", layers=58, experts=256, replicas=288, groups=1, nodes=4, gpus=32)
DRIFTS: Mapping[str, float] = {"calm": 0.03, "drifting": 0.1, "shifting": 0.35}
"""The cases: how far loads drift from interval to interval (the deviation of the log ratio)."""
_COSTS = ("token_us", "expert_mb", "node_gb_s", "network_gb_s")
_STEPS = ("window", "interval", "delay")
OPTIONS = ("sizes", "pace", "drifts", *_STEPS, *_COSTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class EplbOverTime:
    """The task with its options: one size, and a case for each kind of drift. Raises WorkloadError."""

    sizes: EplbCase = SIZES
    pace: Pace = PACES["vllm"]
    costs: Costs = field(default_factory=Costs)
    drifts: tuple[str, ...] = tuple(DRIFTS)
    drifting: float = 1.0
    """A factor of every drift."""

    def __post_init__(self) -> None:
        if self.sizes.groups != 1:
            raise WorkloadError(f"sizes: expected groups 1, for placement is global here, found {self.sizes.groups}")
        if not self.drifts or len(set(self.drifts)) < len(self.drifts):
            raise WorkloadError(f"drifts: expected different ones, at least one, found {list(self.drifts)}")
        for name in self.drifts:
            choice(name, DRIFTS, "drifts")

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> EplbOverTime:
        """The task from config values; strict. Raises WorkloadError."""
        check_keys(options, OPTIONS, "task eplb_over_time")
        given = {key: value for key, value in options.items() if value is not None}
        pace = PACES[choice(given.get("pace", "vllm"), PACES, "pace")]
        steps = {key: whole_number(given[key], key, least=0) for key in _STEPS if key in given}
        costs = {key: number(given[key], key) for key in _COSTS if key in given}
        values: dict[str, Any] = {"pace": replace(pace, **steps), "costs": Costs(**costs)}
        if "sizes" in given:
            values["sizes"] = _sizes(given["sizes"])
        if "drifts" in given:
            if not isinstance(given["drifts"], list | tuple):
                raise WorkloadError(f"drifts: expected a list, found {given['drifts']!r}")
            values["drifts"] = tuple(given["drifts"])
        return cls(**values)

    @property
    def name(self) -> str:
        return "eplb_over_time"

    @property
    def version(self) -> int:
        return 1

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
        return LADDER

    @property
    def resolution(self) -> float:
        return 0.0005

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    @property
    def plan_axes(self) -> tuple[str, ...]:
        return ("layer", "slot")

    def cases(self, seed: int) -> tuple[Case, ...]:
        if seed < 0:
            raise WorkloadError(f"seed: expected a whole number of at least 0, found {seed}")
        return tuple(self._case(name, np.random.default_rng([seed, _seed(name)])) for name in self.drifts)

    def _case(self, name: str, rng: np.random.Generator) -> Case:
        course = generate(self.sizes, self.pace, DRIFTS[name] * self.drifting, rng)
        return Case(name=name, sizes=self.sizes.sizes, data=course.packed())

    def draw(self, case: Case, rng: np.random.Generator) -> Case:
        """Another course with the same drift."""
        return self._case(case.name, rng)

    def held_out(self, split: HeldOut) -> EplbOverTime:
        """Other sizes, and loads that drift otherwise."""
        drifting = min(SHIFTS[split].drift, 0.5 / max(DRIFTS[name] for name in self.drifts))
        return replace(self, sizes=held_out(self.sizes, split), drifting=self.drifting * drifting)

    def hard_cases(self, seed: int) -> tuple[HardCase, ...]:
        return tuple(self._told(hard) for hard in hard_cases(seed, EVEN))

    def agreement_calls(self, seed: int) -> tuple[HardCase, ...]:
        return tuple(self._told(hard) for hard in agreement_calls(seed, EVEN))

    def _told(self, hard: HardCase) -> HardCase:
        call = Call(args=hard.call.args, offered={**hard.call.offered, **self._offered()})
        return HardCase(case=hard.case, call=call, why=hard.why)

    def _offered(self) -> dict[str, Value]:
        """What a plan has to pay for, in seconds and steps."""
        return {
            "steps_in_window": self.pace.window,
            "steps_in_force": self.pace.interval - self.pace.delay,
            "token_s": self.costs.token_us / 1e6,
            "fetch_s_in_node": self.costs.in_node_s,
            "fetch_s_across": self.costs.across_s,
        }

    def identity(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "drifts": {name: DRIFTS[name] * self.drifting for name in self.drifts},
            "sizes": dict(self.sizes.sizes),
            "pace": {name: getattr(self.pace, name) for name in _STEPS},
            "costs": {name: getattr(self.costs, name) for name in _COSTS},
        }

    def steps(self, case: Case) -> int:
        return 1

    def call(self, case: Case, step: int, plans: tuple[Plan, ...]) -> Call:
        """`rebalance_experts` as the task `eplb` calls it, on the last window. Offered beside what that offers: steps
        in a window and in force, seconds a token, and seconds in which a GPU fetches an expert.
        """
        course = self._course(case)
        history = course.windows_WLE.astype(np.float32)
        sizes = tuple(case.sizes[name] for name in ("replicas", "groups", "nodes", "gpus"))
        offered = {
            "old_phy2log": course.old_LR,
            "history": history,
            **EVEN.offered(case.sizes["nodes"]),
            **self._offered(),
        }
        return Call(args=(history[-1].copy(), *sizes), offered=offered)

    def call_bytes(self, case: Case) -> int:
        layers, experts, replicas = (case.sizes[name] for name in ("layers", "experts", "replicas"))
        return 4 * layers * experts * (1 + WINDOWS) + 8 * layers * replicas

    def answer_bytes(self, case: Case) -> int:
        return answers.answer_bytes(case.sizes)

    def read(self, case: Case, answer: Answer) -> Plan:
        """The plan, `phy2log` in int64 `[L, R]`. Raises InvalidAnswer."""
        return answers.read_answer(answer, case.sizes, "triple")

    def _course(self, case: Case) -> Course:
        return Course.unpacked(case.data, case.sizes["experts"])

    def step_quality(self, case: Case, step: int, plan: Plan) -> float:
        return self._share(case, self._course(case), plan)[0]

    def pass_quality(self, case: Case, step: int, plan: Plan) -> float:
        return self.step_quality(case, step, plan)

    def _share(self, case: Case, course: Course, plan_LR: Ints) -> tuple[float, Floats, Moves]:
        """The useful share, the balance of each sampled step `[S]`, and the moves."""
        gpus = case.sizes["gpus"]
        weight_S, time_S = weights_and_times(self.pace)
        mean_S, largest_S = np.zeros(len(time_S)), np.zeros(len(time_S))
        for at, load_LE in enumerate(course.steps_SLE):
            in_force_LR = plan_LR if time_S[at] >= self.pace.delay else course.old_LR
            loads_LM = gpu_loads(in_force_LR, load_LE, gpus)
            mean_S[at], largest_S[at] = loads_LM.mean(axis=1).sum(), loads_LM.max(axis=1).sum()
        moves = Moves.between(course.old_LR, plan_LR, case.sizes["experts"], gpus, case.sizes["nodes"], self.costs)
        token_s = self.costs.token_us / 1e6
        working_s = token_s * float(weight_S @ mean_S)
        return working_s / (token_s * float(weight_S @ largest_S) + moves.seconds), mean_S / largest_S, moves

    def score(self, case: Case, plans: tuple[Plan, ...]) -> CaseQuality:
        """Beside the quality: balance of steps (p99: what 99 % of them reach), moves, and what keeping is worth."""
        [plan] = plans
        course = self._course(case)
        value, balance_S, moves = self._share(case, course, plan)
        kept, kept_balance_S, _ = self._share(case, course, course.old_LR)
        weight_S, _ = weights_and_times(self.pace)
        bound = largest_load_bound(course.steps_SLE.reshape(-1, case.sizes["experts"]), case.sizes)
        least_S = bound.reshape(len(course.steps_SLE), -1).sum(axis=1)
        mean_S = course.steps_SLE.sum(axis=(1, 2)) / case.sizes["gpus"]
        return CaseQuality(
            case=case.name,
            value=value,
            ceiling=float(weight_S @ mean_S / (weight_S @ least_S)),
            metrics={
                "over_keeping": value - kept,
                "pays": float(value > kept),
                "balance_p50": _reached(balance_S, weight_S, 0.5),
                "balance_p99": _reached(balance_S, weight_S, 0.99),
                "moved_in_gpu_share": moves.in_gpu_share,
                "moved_in_node_share": moves.in_node_share,
                "moved_across_nodes_share": moves.across_share,
                "moved_gigabytes": moves.gigabytes,
                "move_seconds": moves.seconds,
                "do_nothing_useful_share": kept,
                "do_nothing_balance_p50": _reached(kept_balance_S, weight_S, 0.5),
                "do_nothing_balance_p99": _reached(kept_balance_S, weight_S, 0.99),
            },
        )


def _reached(balance_S: Floats, weight_S: Floats, share: float) -> float:
    """The balance that this share of the steps reach or exceed."""
    order_S = (-balance_S).argsort(kind="stable")
    upto_S = weight_S[order_S].cumsum() / weight_S.sum()
    return float(balance_S[order_S[np.searchsorted(upto_S, share - 1e-12)]])


def _sizes(value: Any) -> EplbCase:
    if not isinstance(value, Mapping):
        raise WorkloadError(f"sizes: expected a mapping of {', '.join(SIZE_NAMES)}, found {value!r}")
    check_keys(value, SIZE_NAMES, "sizes", required=SIZE_NAMES)
    return EplbCase(**value)


def _seed(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
