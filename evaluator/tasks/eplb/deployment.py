"""Placements on recorded loads, from options to what is asked of a program, and to what its answer is worth.

Owns: what is read for a plan or an assessment and in which order, the calls of a plan, and what a file's provenance
says of loads and sizes. Does not know: the texts of files, the words of figures, how a program is run.

Shapes: W windows, L layers with experts, E experts, R slots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.task_protocol import Appraisal, Deployments
from evaluator.tasks.eplb import answers, placement_files
from evaluator.tasks.eplb.apart import kept_apart
from evaluator.tasks.eplb.appraisal import Named, Site, appraise
from evaluator.tasks.eplb.cases import EplbCase
from evaluator.tasks.eplb.deployment_options import (
    PLAN_EXAMPLES,
    PLAN_OPTIONS,
    SCORE_EXAMPLES,
    SCORE_OPTIONS,
    Options,
    PlanOn,
)
from evaluator.tasks.eplb.dispatch import EVEN, Dispatch
from evaluator.tasks.eplb.engine_dispatch import told
from evaluator.tasks.eplb.layouts import Layout, layout_of, sizes_of, trivial
from evaluator.tasks.eplb.metrics import Floats, Ints
from evaluator.tasks.eplb.model_config import Model, read_model
from evaluator.tasks.eplb.placement_files import Placement, read_placement
from evaluator.tasks.eplb.steps import shortened
from evaluator.tasks.eplb.task import Eplb
from evaluator.tasks.eplb.traces import Trace, read_traces
from evaluator.types import Answer, Call, Case, Plan, WorkloadError

START = "as an engine starts"
PLACED = "this placement"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementProblem:
    """The calls of a plan: one on all loads, and before it, if there are two windows or more, one without the newest
    window, whose plan shows what planning ahead is worth. Both are given the placement in force. `apart`: slots of the
    answers are exchanged where a GPU holds an expert twice. `dispatch` is what a program is told of.
    """

    case: EplbCase
    loads: Floats
    plan_on: PlanOn
    in_force: Ints | None
    apart: bool = False
    dispatch: Dispatch = EVEN
    _task: Eplb = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_task", Eplb(sizes=(self.case,), dispatch=self.dispatch))

    @property
    def entry_point(self) -> str:
        return self._task.entry_point

    def cases(self, seed: int) -> tuple[Case, ...]:
        return (Case(name=self.case.name, sizes=self.case.sizes, data=self.loads),)

    def steps(self, case: Case) -> int:
        return 2 if len(case.data) > 1 else 1

    def call(self, case: Case, step: int, plans: tuple[Plan, ...]) -> Call:
        """`rebalance_experts` on the newest window of the loads up to this step, or on their sum."""
        history = case.data[: len(case.data) - self.steps(case) + step + 1]
        if self.plan_on == "sum":
            history = history.sum(axis=0, keepdims=True)
        known = Case(name=case.name, sizes=case.sizes, data=history)
        newest = len(history) - 1
        # The task gives the plan of the step before as the one in force. There is no such plan here.
        call = self._task.call(known, newest, (history[0],) * newest)
        return Call(args=call.args, offered={**call.offered, "old_phy2log": self.in_force})

    def call_bytes(self, case: Case) -> int:
        """Float32 loads, planned and as history, and the placement in force in int64."""
        window, plan = self.case.layers * self.case.experts, self.case.layers * self.case.replicas
        return 4 * (window + self.loads.size) + 8 * plan

    def answer_bytes(self, case: Case) -> int:
        return answers.answer_bytes(case.sizes)

    def read(self, case: Case, answer: Answer) -> Plan:
        """The plan `[L, R]` of an answer in either form. Raises InvalidAnswer."""
        slots = answers.read_answer(answer, case.sizes, "phy2log" if len(answer) == 1 else "triple")
        return kept_apart(slots, self.loads[-1], case.sizes) if self.apart else slots


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What the options name, as it was read."""

    options: Options
    trace: Trace
    model: Model | None
    layout: Layout

    @classmethod
    def of(cls, options: Options) -> _Read:
        trace = read_traces(options.traces, steps_per_window=options.steps_per_window)
        model = read_model(options.model) if options.model is not None else None
        return cls(options=options, trace=trace, model=model, layout=layout_of(trace, model, options.groups))

    def placement(self, path: Path, wanted: str = "") -> Placement:
        return read_placement(path, self.layout, wanted)

    def site(self, sizes: Mapping[str, int], dispatch: Dispatch) -> Site:
        return Site(loads=self.trace.loads, sizes=sizes, layout=self.layout, model=self.model, dispatch=dispatch)

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self.trace.notes, *self.layout.notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementDeployment:
    """A deployment as `packsmith plan` sees it. `base` is the placement in force, or the one an engine starts with."""

    read: _Read
    case: EplbCase
    base: Named
    problem: PlacementProblem

    @classmethod
    def from_options(cls, values: Mapping[str, Any]) -> PlacementDeployment:
        """Raises WorkloadError, EvaluatorError."""
        options = Options.of(values, PLAN_OPTIONS)
        dispatch = options.dispatch(options.engine)
        if options.gpus is None:
            raise WorkloadError("expected the number of GPUs (--gpus N), found none")
        read = _Read.of(options)
        idle = np.flatnonzero(~read.trace.loads[-1].any(axis=1))
        if options.plan_on == "newest" and idle.size:
            layers = [read.layout.numbers[row] for row in idle]
            raise WorkloadError(
                f"expected load in every layer of the newest window, found none in layer "
                f"{shortened(layers, len(layers))}: leave that window out, or plan on all (--plan-on sum)"
            )
        case = sizes_of(read.layout, gpus=options.gpus, nodes=options.nodes or 1, redundant=options.redundant)
        base = Named(name=START, slots=trivial(case.layers, case.experts, case.replicas))
        old = None
        if options.in_force is not None:
            base = Named(
                name=f"in force, {options.in_force.name}"[:40],
                slots=_on_gpus(read.placement(options.in_force), case.gpus, options.in_force),
            )
            old = base.slots if base.slots.shape[1] == case.replicas else None
        problem = PlacementProblem(
            case=case,
            loads=read.trace.loads,
            plan_on=options.plan_on,
            in_force=old,
            apart=options.engine == "ascend",
            dispatch=dispatch,
        )
        return cls(read=read, case=case, base=base, problem=problem)

    @property
    def notes(self) -> tuple[str, ...]:
        windows = len(self.read.trace.loads)
        if windows == 1:
            on = "planned on the only window of the loads: how well it does on later loads is not known"
        elif self.read.options.plan_on == "sum":
            on = f"planned on the sum of {windows} windows"
        else:
            on = f"planned on the newest of {windows} windows; a program that asks for history gets all"
        engine = {
            "vllm": "vLLM 0.32 reads no placement from a file: this one is for a policy of your own",
            "ascend": "vllm-ascend misreads an expert that is twice on a device: such slots are exchanged",
            "trtllm": "layer_updates_per_iter is 0: TensorRT-LLM keeps the placement",
        }.get(self.read.options.engine, "")
        changed = ""
        if self.problem.in_force is None and self.base.name != START:
            changed = "the placement in force has another number of slots: the program is not given it"
        sent = told(self.problem.dispatch, self.case.nodes)
        return (*self.read.notes, *(note for note in (on, changed, sent, engine) if note))

    @property
    def identity(self) -> Mapping[str, Any]:
        """Sizes, layers, and the digests of the loads and of the files."""
        options, loads = self.read.options, self.read.trace.loads
        return {
            "engine": options.engine,
            "sizes": dict(self.case.sizes),
            "layer_numbers": list(self.read.layout.numbers),
            "model_layers": self.read.layout.total,
            "loads": {
                "sha256": hashlib.sha256(loads.tobytes()).hexdigest(),
                "shape": list(loads.shape),
                "files": [_digest(path) for path in options.traces],
                "planned_on": options.plan_on,
            },
            "model": None if options.model is None else _digest(options.model),
            "from": None if options.in_force is None else _digest(options.in_force),
        }

    def appraise(self, plans: tuple[Plan, ...]) -> Appraisal:
        return appraise(
            self.read.site(self.case.sizes, self.problem.dispatch),
            Named(name=PLACED, slots=plans[-1]),
            self.base,
            earlier_LR=plans[0] if len(plans) > 1 else None,
        )

    def check_name(self, path: Path) -> None:
        placement_files.check_name(path, self.read.options.engine)

    def encode(self, path: Path, plan: Plan, provenance: Mapping[str, Any]) -> bytes:
        return placement_files.encoded(
            path, self.read.options.engine, plan, self.read.layout, self.case.sizes, provenance
        )


def score(path: Path, values: Mapping[str, Any]) -> tuple[Appraisal, tuple[str, ...]]:
    """What a placement file is worth on recorded loads, and notes. Raises WorkloadError, EvaluatorError."""
    options = Options.of(values, SCORE_OPTIONS)
    read = _Read.of(options)
    placement = read.placement(path, options.format)
    gpus = placement.gpus or options.gpus
    if gpus is None:
        raise WorkloadError(f"{path}: the format {placement.format} does not say how many GPUs: give --gpus N")
    if options.gpus not in (None, gpus):
        raise WorkloadError(f"{path}: expected {options.gpus} GPUs (--gpus), found a placement on {gpus}")
    slots = _on_gpus(placement, gpus, path)
    nodes = options.nodes or placement.nodes or 1
    case = sizes_of(read.layout, gpus=gpus, nodes=nodes, redundant=slots.shape[1] - read.layout.experts)
    base = None
    if options.in_force is not None:
        name = f"from {options.in_force.name}"[:40]
        base = Named(name=name, slots=_on_gpus(read.placement(options.in_force), gpus, options.in_force))
    anywhere = {**case.sizes, "groups": 1}  # so that the ceiling holds for every placement
    dispatch = options.dispatch(placement.format)
    appraisal = appraise(read.site(anywhere, dispatch), Named(name=PLACED, slots=slots), base, by_window=True)
    sent, found = told(dispatch, nodes), f"{path}: {placement.format}, {slots.shape[1]} slots on {gpus} GPUs"
    return appraisal, tuple(note for note in (*read.notes, found, sent) if note)


def _on_gpus(placement: Placement, gpus: int, path: Path) -> Ints:
    """The slots of a placement. Raises WorkloadError unless they fit this number of GPUs."""
    if placement.gpus not in (0, gpus):
        raise WorkloadError(f"{path}: expected a placement on {gpus} GPUs, found one on {placement.gpus}")
    if placement.slots.shape[1] % gpus:
        raise WorkloadError(
            f"{path}: expected slots that are a multiple of {gpus} GPUs, found {placement.slots.shape[1]}"
        )
    return placement.slots


def _digest(path: Path) -> dict[str, str]:
    """The name of a file or folder, and the SHA-256 of its content; of a folder, of its files' in order of their names.

    Raises WorkloadError.
    """
    files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    total = hashlib.sha256()
    try:
        for file in files:
            with file.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256")
            total.update(digest.digest())
            if len(files) == 1 and not path.is_dir():
                return {"name": path.name, "sha256": digest.hexdigest()}
    except OSError as error:
        raise WorkloadError(f"{error.filename or path}: {error.strerror or error}") from None
    return {"name": path.name, "sha256": total.hexdigest()}


DEPLOYMENTS = Deployments(
    options=PLAN_OPTIONS,
    score_options=SCORE_OPTIONS,
    examples=PLAN_EXAMPLES,
    score_examples=SCORE_EXAMPLES,
    open=PlacementDeployment.from_options,
    score=score,
)
