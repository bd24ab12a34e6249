"""Expert-parallel load balancing (EPLB) as the judge sees it.

Owns: which calls a solver gets, what its plans are scored on, and the task's options. Does not know: how a solver
is run or timed. Beside it: columns, programs and command-line options in `about`, validation in `answers`, figures in
`metrics`, what slots carry in `dispatch`, ceilings in `bounds`, hard cases in `hard_cases`, generated loads in
`workloads`, recorded ones in `traces`, fresh windows of recorded ones in `resampling`, held-out cases in `held_out`,
calls for rank agreement in `agreement_calls`.

A case of W windows has W - 1 steps: step i plans on window i and is scored on window i + 1. The quality,
`balance_next`, is the sum over layers and steps of the mean GPU load / the sum over layers and steps of the largest
GPU load: the share of the time that the mean GPU works if all wait for the slowest. With a single window
there is one step, scored on the window it was planned on, and the quality is `balance_same`. Higher is better. What a
GPU carries is decided by the plan and the task's rule of dispatch.

Shapes: W windows, T windows so far, L layers, E experts, R replicas.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from evaluator.splits import HeldOut
from evaluator.task_protocol import Column, Ladder
from evaluator.tasks.eplb import answers, metrics
from evaluator.tasks.eplb.about import COLUMNS, LADDER, REFERENCES, UNEVEN_LADDER
from evaluator.tasks.eplb.agreement_calls import agreement_calls
from evaluator.tasks.eplb.answers import FORMS, Form
from evaluator.tasks.eplb.bounds import largest_load_bound
from evaluator.tasks.eplb.cases import SIZE_NAMES, STANDARD_CASES, EplbCase, placement_blocks
from evaluator.tasks.eplb.dispatch import EVEN, RULES, Dispatch, Rule
from evaluator.tasks.eplb.hard_cases import hard_cases
from evaluator.tasks.eplb.held_out import SHIFTS, held_out
from evaluator.tasks.eplb.resampling import redraw
from evaluator.tasks.eplb.traces import Trace, read_traces
from evaluator.tasks.eplb.workloads import LoadModel, generate_loads
from evaluator.tasks.options import check_keys, choice, items, number, whole_number
from evaluator.types import Answer, Array, Call, Case, CaseQuality, HardCase, Plan, WorkloadError

MAX_ANSWER_BYTES, MOST_DRIFT = 2**30, 0.4
OPTIONS = (
    *("cases", "form", "dispatch", "tokens_per_rank", "steps_per_window"),
    *("traces", "gate_traces", "final_traces"),
    *("windows", "drift", "regime_changes"),
)
_GENERATED = ("windows", "drift", "regime_changes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Eplb:
    """The task with its options. Reading `traces` happens on construction. Raises WorkloadError.

    `form`: what the solver returns, DeepSeek's triple or `phy2log` only. `dispatch`: how the engine sends tokens to
    replicas, on which every balance and the ceiling are taken. `traces`: files and folders whose windows replace the
    generated ones; each case then has as many layers as the trace. `gate_traces` and `final_traces`: those of the
    held-out splits. `windows`, `drift`, `skew` and `regime_changes` describe generated loads.
    """

    sizes: tuple[EplbCase, ...] = tuple(STANDARD_CASES.values())
    form: Form = "triple"
    dispatch: Dispatch = EVEN
    traces: tuple[Path, ...] = ()
    gate_traces: tuple[Path, ...] = ()
    final_traces: tuple[Path, ...] = ()
    steps_per_window: int | None = None
    windows: int = 5
    drift: float = 0.05
    regime_changes: tuple[int, ...] = ()
    skew: float = 1.0
    _trace: Trace | None = field(default=None, repr=False, compare=False)
    """What `traces` hold; a task that is made from one that has read them is given it."""

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise WorkloadError(f"form: expected one of {', '.join(FORMS)}, found {self.form!r}")
        if not self.sizes:
            raise WorkloadError("cases: expected at least one case, found none")
        trace = self._trace
        if trace is None and self.traces:
            trace = read_traces(self.traces, steps_per_window=self.steps_per_window)
        object.__setattr__(self, "_trace", trace)
        if trace is not None:
            object.__setattr__(self, "sizes", tuple(_fitted(case, trace) for case in self.sizes))
        names = [case.name for case in self.sizes]
        for name in names:
            if names.count(name) > 1:
                raise WorkloadError(f"cases: expected different names, found {name} {names.count(name)} times")
        for case in self.sizes:
            self._check_size(case)

    def _check_size(self, case: EplbCase) -> None:
        size = answers.answer_bytes(case.sizes)
        if size > MAX_ANSWER_BYTES:
            raise WorkloadError(
                f"case {case.name}: expected answers of at most {MAX_ANSWER_BYTES} bytes, found {size}: "
                "use fewer layers or replicas, or form: phy2log"
            )
        if self._trace is None:
            self._model(case)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Eplb:
        """The task from config values; strict. Raises WorkloadError."""
        check_keys(options, OPTIONS, "task eplb")
        traces, gate, final = (_paths(options, key) for key in ("traces", "gate_traces", "final_traces"))
        for key in _GENERATED if traces else ("steps_per_window", "gate_traces", "final_traces"):
            if options.get(key) is not None:
                only = "generated loads" if traces else "traces"
                raise WorkloadError(f"{key}: is an option of {only}, which this task does not use: leave it out")
        values: dict[str, Any] = {"traces": traces, "gate_traces": gate, "final_traces": final}
        if "cases" in options:
            values["sizes"] = tuple(_case(value, index) for index, value in enumerate(items(options["cases"], "cases")))
        if "form" in options:
            values["form"] = cast(Form, choice(options["form"], FORMS, "form"))
        values["dispatch"] = _dispatch(options)
        for key in ("windows", "steps_per_window"):
            if options.get(key) is not None:
                values[key] = whole_number(options[key], key, least=1)
        if options.get("drift") is not None:
            values["drift"] = number(options["drift"], "drift")
        if options.get("regime_changes") is not None:
            changes = items(options["regime_changes"], "regime_changes")
            values["regime_changes"] = tuple(whole_number(value, "regime_changes", least=1) for value in changes)
        return cls(**values)

    @property
    def name(self) -> str:
        return "eplb"

    @property
    def version(self) -> int:
        return 2

    @property
    def entry_point(self) -> str:
        return "rebalance_experts"

    @property
    def quality_name(self) -> str:
        windows = self.windows if self._trace is None else len(self._trace.loads)
        return "balance_next" if windows > 1 else "balance_same"

    @property
    def quality_key(self) -> str:
        return "balance"

    @property
    def columns(self) -> tuple[Column, ...]:
        return COLUMNS

    @property
    def reference(self) -> str:
        """Vectorised greedy placement, in the form of this task."""
        return REFERENCES[self.form]

    @property
    def ladder(self) -> Ladder | None:
        if self.form != "triple":
            return None
        return LADDER if self.dispatch == EVEN else UNEVEN_LADDER

    @property
    def resolution(self) -> float:
        """A twentieth of a point of balance: what searches find is a few times that."""
        return 0.0005

    @property
    def notes(self) -> tuple[str, ...]:
        """What reading the traces left out or summed, in sentences for the user."""
        return () if self._trace is None else self._trace.notes

    def cases(self, seed: int) -> tuple[Case, ...]:
        """The cases with their loads `[W, L, E]`: the trace's, or generated from the seed and the case's name."""
        if seed < 0:
            raise WorkloadError(f"seed: expected a whole number of at least 0, found {seed}")
        return tuple(Case(name=case.name, sizes=case.sizes, data=self._loads(case, seed)) for case in self.sizes)

    def _loads(self, case: EplbCase, seed: int) -> Array:
        if self._trace is not None:
            return self._trace.loads
        name_seed = int.from_bytes(hashlib.sha256(case.name.encode()).digest()[:16])
        return generate_loads(self._model(case), np.random.default_rng([seed, name_seed]))

    def _model(self, case: EplbCase) -> LoadModel:
        neighbours = case.experts // case.groups if case.groups > 1 else max(1, min(32, case.experts // 8))
        return LoadModel(
            layers=case.layers,
            experts=case.experts,
            group_size=neighbours,
            windows=self.windows,
            drift=self.drift,
            regime_changes=self.regime_changes,
            skew=self.skew,
        )

    def held_out(self, split: HeldOut) -> Eplb:
        """Other sizes, skews and drifts; or the loads of the split's own files, where the config names some, in the
        sizes of the search. Recorded loads are relabelled in every draw. Raises WorkloadError.
        """
        files = self.gate_traces if split == "gate" else self.final_traces
        if files:
            return replace(self, traces=files, _trace=None)
        sizes = tuple(held_out(case, split, experts_fixed=self._trace is not None) for case in self.sizes)
        if self._trace is not None:
            return replace(self, sizes=sizes)
        shift = SHIFTS[split]
        return replace(self, sizes=sizes, drift=min(self.drift * shift.drift, MOST_DRIFT), skew=self.skew * shift.skew)

    def hard_cases(self, seed: int) -> tuple[HardCase, ...]:
        return hard_cases(seed, self.dispatch)

    def agreement_calls(self, seed: int) -> tuple[HardCase, ...]:
        return agreement_calls(seed, self.dispatch)

    @property
    def plan_axes(self) -> tuple[str, ...]:
        return ("layer", "slot")

    def identity(self) -> Mapping[str, Any]:
        """Name, version, form, cases, where the loads come from (a trace by the digest of its windows), and how tokens
        are sent, unless evenly, as they were before there was a choice.
        """
        loads: dict[str, Any] = {
            "windows": self.windows,
            "drift": self.drift,
            "regime_changes": list(self.regime_changes),
        }
        if self.skew != 1:
            loads["skew"] = self.skew
        if self._trace is not None:
            digest = hashlib.sha256(self._trace.loads.tobytes()).hexdigest()
            loads = {"trace": digest, "shape": list(self._trace.loads.shape)}
        cases = [{"name": case.name, **case.sizes} for case in self.sizes]
        told: dict[str, Any] = {"name": self.name, "version": self.version, "form": self.form}
        if self.dispatch.rule != "even":
            told["dispatch"] = self.dispatch.rule
        if self.dispatch.rule == "vllm_hash":
            told["tokens_per_rank"] = self.dispatch.tokens
        return {**told, "cases": cases, "loads": loads}

    def steps(self, case: Case) -> int:
        return max(1, len(case.data) - 1)

    def call(self, case: Case, step: int, plans: tuple[Plan, ...]) -> Call:
        """`rebalance_experts(weight float32 [L, E], replicas, groups, nodes, gpus)` on window `step`.

        Offered: `old_phy2log` (int64 `[L, R]`, the plan of the step before, None at step 0), `history` (float32
        `[T, L, E]`, the windows so far, the planned one last), `dispatch` (the rule's name), `num_dispatch_nodes`
        (the nodes that the GPUs stand on, also where placement is global) and `tokens_per_rank` (under `vllm_hash`,
        else None).
        """
        history = case.data[: step + 1].astype(np.float32)
        old = plans[step - 1] if step else None
        sizes = tuple(case.sizes[name] for name in ("replicas", "groups", "nodes", "gpus"))
        offered = {"old_phy2log": old, "history": history, **self.dispatch.offered(case.sizes["nodes"])}
        return Call(args=(history[-1].copy(), *sizes), offered=offered)

    def draw(self, case: Case, rng: np.random.Generator) -> Case:
        """Other windows of the model that generated the case's, or windows with the statistics of the trace's."""
        if self._trace is not None:
            data = redraw(self._trace.loads, placement_blocks(case.sizes), rng)
        else:
            data = generate_loads(self._model(EplbCase(name=case.name, **case.sizes)), rng)
        return Case(name=case.name, sizes=case.sizes, data=data)

    def call_bytes(self, case: Case) -> int:
        layers, experts, replicas = (case.sizes[name] for name in ("layers", "experts", "replicas"))
        return 4 * layers * experts * (1 + self.steps(case)) + 8 * layers * replicas

    def answer_bytes(self, case: Case) -> int:
        return answers.answer_bytes(case.sizes)

    def read(self, case: Case, answer: Answer) -> Plan:
        """The plan, `phy2log` in int64 `[L, R]`. Raises InvalidAnswer."""
        return answers.read_answer(answer, case.sizes, self.form)

    def step_quality(self, case: Case, step: int, plan: Plan) -> float:
        """The plan's balance on the window it was made from."""
        return metrics.balance(plan, case.data[step], case.sizes["gpus"], _carried(self.dispatch, case))

    def pass_quality(self, case: Case, step: int, plan: Plan) -> float:
        """The plan's balance on the window after the one it was made from (on that one if it is the only window)."""
        load_LE = case.data[step - self.steps(case)]
        return metrics.balance(plan, load_LE, case.sizes["gpus"], _carried(self.dispatch, case))

    def score(self, case: Case, plans: tuple[Plan, ...]) -> CaseQuality:
        """The quality and ceiling of a pass, its other metrics, and those of a baseline that keeps the first plan."""
        steps, gpus, carried = self.steps(case), case.sizes["gpus"], _carried(self.dispatch, case)
        if len(plans) != steps:
            raise ValueError(f"case {case.name}: expected {steps} plans, found {len(plans)}")
        planned, scored = case.data[:steps], case.data[-steps:]
        windows, layers, experts = case.data.shape
        dividers = self.dispatch.dividers(case.sizes["replicas"] - experts + 1, gpus)
        bound = largest_load_bound(case.data.reshape(-1, experts), case.sizes, dividers)
        bound_WL = bound.reshape(windows, layers)
        quality = metrics.pass_balance(plans, scored, gpus, carried)
        ceiling = metrics.ratio(scored.sum() / gpus, bound_WL[-steps:].sum())
        kept = plans[:1] * steps
        do_nothing = {
            "balance": metrics.pass_balance(kept, scored, gpus, carried),
            **metrics.same_window_figures(kept, planned, gpus, carried),
        }
        return CaseQuality(
            case=case.name,
            value=quality,
            ceiling=ceiling,
            metrics={
                "gap": ceiling - quality,
                **metrics.same_window_figures(plans, planned, gpus, carried),
                "same_window_ceiling": metrics.ratio(planned.sum() / gpus, bound_WL[:steps].sum()),
                **metrics.moved_shares(plans, experts, gpus, case.sizes["nodes"]),
                **{f"do_nothing_{name}": value for name, value in do_nothing.items()},
                **self._under_each_rule(case, plans),
            },
        )

    def _under_each_rule(self, case: Case, plans: tuple[Plan, ...]) -> dict[str, float]:
        """The balance that the plans would be scored with under each rule of dispatch, by `balance_` and its name."""
        scored, gpus = case.data[-len(plans) :], case.sizes["gpus"]
        rules = {rule: self.dispatch if rule == self.dispatch.rule else Dispatch(rule=rule) for rule in RULES}
        return {
            f"balance_{rule}": metrics.pass_balance(plans, scored, gpus, _carried(dispatch, case))
            for rule, dispatch in rules.items()
        }


def _carried(dispatch: Dispatch, case: Case) -> metrics.Carried:
    return dispatch.carried(case.sizes["gpus"], case.sizes["nodes"])


def _dispatch(options: Mapping[str, Any]) -> Dispatch:
    rule, tokens = options.get("dispatch") or "even", options.get("tokens_per_rank")
    return Dispatch(
        rule=cast(Rule, choice(rule, RULES, "dispatch")),
        tokens_per_rank=None if tokens is None else whole_number(tokens, "tokens_per_rank", least=1),
    )


def _fitted(case: EplbCase, trace: Trace) -> EplbCase:
    """The case with the trace's layers; its experts must be the trace's."""
    layers, experts = trace.loads.shape[1:]
    if case.experts != experts:
        raise WorkloadError(
            f"case {case.name}: expected the {experts} experts of the trace, found {case.experts}: "
            "give cases of that size (layers, experts, replicas, groups, nodes, gpus)"
        )
    return case.with_layers(layers)


def _case(value: Any, index: int) -> EplbCase:
    where = f"cases[{index}]"
    if isinstance(value, EplbCase):
        return value
    if not isinstance(value, Mapping):
        return STANDARD_CASES[choice(value, STANDARD_CASES, where)]
    check_keys(value, ("name", *SIZE_NAMES), where, required=SIZE_NAMES)
    name = value.get("name") or ""
    if not isinstance(name, str):
        raise WorkloadError(f"{where}: expected name to be a text, found {name!r}")
    return EplbCase(name=name, **{size: value[size] for size in SIZE_NAMES})


def _paths(options: Mapping[str, Any], key: str) -> tuple[Path, ...]:
    values = items(options.get(key) or (), key)
    for index, value in enumerate(values):
        if not isinstance(value, str | Path) or not str(value):
            raise WorkloadError(f"{key}[{index}]: expected the path of a trace file or folder, found {value!r}")
    return tuple(map(Path, values))
