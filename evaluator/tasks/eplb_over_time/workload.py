"""The courses that the task is about, from its options.

Owns: the options, their defaults and what goes together, the names of cases, and which course a name means.
Does not know: calls, plans, scores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.splits import HeldOut
from evaluator.tasks.eplb.answers import answer_bytes
from evaluator.tasks.eplb.cases import SIZE_NAMES, EplbCase
from evaluator.tasks.eplb.held_out import SHIFTS, held_out
from evaluator.tasks.eplb.steps import MAX_VALUES
from evaluator.tasks.eplb.task import MAX_ANSWER_BYTES
from evaluator.tasks.eplb_over_time.about import DRIFTS
from evaluator.tasks.eplb_over_time.courses import Course, begun
from evaluator.tasks.eplb_over_time.generated import SAMPLES, generate
from evaluator.tasks.eplb_over_time.pace import COSTS, PACES, STEPS, Costs, Pace
from evaluator.tasks.eplb_over_time.ranks import SCENARIOS, check_missing
from evaluator.tasks.eplb_over_time.recorded import MOST_REBALANCES, Recording, read_recording
from evaluator.tasks.options import check_keys, choice, items, number, whole_number
from evaluator.types import Value, WorkloadError

SIZES = EplbCase(name="ep32", layers=58, experts=256, replicas=288, groups=1, nodes=4, gpus=32)
REBALANCES = 6
RECORDED = "recorded"
"""The case of a recording in which all ranks are there."""
MOST_DRIFT = 0.5
"""The largest drift of held-out loads."""
ELASTIC_DRIFT = "drifting"
"""How generated loads drift where a rank is missing."""
_KEYS = ("traces", "sizes", "pace", "drifts", "rebalances", "elastic", "missing", *STEPS, *COSTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Courses of one size. `drifts`: a case for each, of generated loads. `traces`: files and folders whose recorded
    steps replace the generated ones. `elastic`: a case for each scenario, with `missing` ranks missing. `rebalances`:
    those of a chain; None is 6, or all of a recording. Reading `traces` happens on construction. Raises WorkloadError.
    """

    sizes: EplbCase = SIZES
    pace: Pace = PACES["vllm"]
    costs: Costs = field(default_factory=Costs)
    drifts: tuple[str, ...] = tuple(DRIFTS)
    traces: tuple[Path, ...] = ()
    rebalances: int | None = None
    elastic: tuple[str, ...] = ()
    missing: int = 1
    drifting: float = 1.0
    """A factor of every drift of generated loads."""
    _recording: Recording | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.sizes.groups != 1:
            raise WorkloadError(f"sizes: expected groups 1, for placement is global here, found {self.sizes.groups}")
        if self.rebalances is not None and not 1 <= self.rebalances <= MOST_REBALANCES:
            raise WorkloadError(f"rebalances: expected 1 to {MOST_REBALANCES}, found {self.rebalances}")
        for name, of_one, known in (("drifts", self.drifts, DRIFTS), ("elastic", self.elastic, SCENARIOS)):
            for each in of_one:
                choice(each, known, name)
            if len(set(of_one)) < len(of_one):
                raise WorkloadError(f"{name}: expected different ones, found {list(of_one)}")
        if not (self.drifts or self.traces or self.elastic):
            raise WorkloadError("drifts: expected at least one, unless elastic names a case")
        recording = read_recording(self.traces, self.pace, self.rebalances) if self.traces else None
        object.__setattr__(self, "_recording", recording)
        if recording is not None:
            object.__setattr__(self, "sizes", self._fitted(recording))
        if self.elastic:
            check_missing(self.sizes.sizes, self.missing)
        self._check_room()

    def _check_room(self) -> None:
        """Raises WorkloadError where a course or an answer would not fit into memory."""
        sampled = (self.rebalances or REBALANCES) * SAMPLES * self.sizes.layers * self.sizes.experts
        if not self.traces and sampled > MAX_VALUES:
            raise WorkloadError(
                f"rebalances: expected at most {MAX_VALUES} loads in the sampled steps of a chain, found {sampled}: "
                "ask for fewer rebalances, layers or experts"
            )
        if (size := answer_bytes(self.sizes.sizes)) > MAX_ANSWER_BYTES:
            raise WorkloadError(
                f"sizes: expected answers of at most {MAX_ANSWER_BYTES} bytes, found {size}: use fewer layers or "
                "replicas"
            )

    def _fitted(self, recording: Recording) -> EplbCase:
        """The sizes with the recording's layers; its experts must be theirs."""
        layers, experts = recording.windows_WLE.shape[1:]
        if self.sizes.experts != experts:
            raise WorkloadError(
                f"sizes: expected the {experts} experts of the recording, found {self.sizes.experts}: give sizes "
                "(layers, experts, replicas, groups, nodes, gpus)"
            )
        return self.sizes.with_layers(layers)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Workload:
        """The workload from config values; strict. Raises WorkloadError."""
        check_keys(options, _KEYS, "task eplb_over_time")
        given = {key: value for key, value in options.items() if value is not None}
        pace = PACES[choice(given.get("pace", "vllm"), PACES, "pace")]
        steps = {key: whole_number(given[key], key, least=0) for key in STEPS if key in given}
        costs = {key: number(given[key], key) for key in COSTS if key in given}
        values: dict[str, Any] = {"pace": replace(pace, **steps), "costs": Costs(**costs)}
        for key in ("drifts", "elastic"):
            if key in given:
                values[key] = tuple(items(given[key], key))
        if traces := items(given.get("traces") or (), "traces"):
            if "drifts" in given:
                raise WorkloadError("drifts: is an option of generated loads, which traces replace: leave it out")
            values |= {"traces": tuple(_path(each, at) for at, each in enumerate(traces)), "drifts": ()}
        for key in ("rebalances", "missing"):
            if key in given:
                values[key] = whole_number(given[key], key, least=1)
        if "missing" in given and not values.get("elastic"):
            raise WorkloadError("missing: is an option of elastic, which is not given: leave it out, or say elastic")
        if "sizes" in given:
            values["sizes"] = _sizes(given["sizes"])
        return cls(**values)

    def held_out(self, split: HeldOut) -> Workload:
        """Courses of other sizes, whose loads drift otherwise; those of a recording differ in sizes only."""
        if self._recording is not None:
            return replace(self, sizes=held_out(self.sizes, split, experts_fixed=True))
        most = max(DRIFTS[name] for name in self.drifts or (ELASTIC_DRIFT,))
        drifting = self.drifting * min(SHIFTS[split].drift, MOST_DRIFT / most)
        try:
            return replace(self, sizes=held_out(self.sizes, split), drifting=drifting)
        except WorkloadError:  # half as many slots are too few where ranks are missing
            return replace(self, sizes=held_out(self.sizes, split, experts_fixed=True), drifting=drifting)

    @property
    def notes(self) -> tuple[str, ...]:
        return () if self._recording is None else self._recording.notes

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the cases."""
        return (*(self.drifts if self._recording is None else (RECORDED,)), *self.elastic)

    def course(self, name: str, rng: np.random.Generator) -> Course:
        """The course of a case: the recording's own, or a generated one. Raises WorkloadError."""
        if self._recording is None:
            return self.drawn(name, rng)
        return self._begun(name, self._recording.windows_WLE, self._recording.samples, rng)

    def drawn(self, name: str, rng: np.random.Generator) -> Course:
        """Another course of the same kind. Raises WorkloadError."""
        if self._recording is not None:
            return self._begun(name, *self._recording.draw(rng), rng)
        drift = DRIFTS.get(name, DRIFTS[ELASTIC_DRIFT]) * self.drifting
        return self._begun(name, *generate(self.sizes, self.pace, drift, self.rebalances or REBALANCES, rng), rng)

    def _begun(self, name: str, windows: Any, samples: Any, rng: np.random.Generator) -> Course:
        scenario = name if name in SCENARIOS else ""
        return begun(windows, samples, self.sizes.sizes, scenario, self.missing, rng)

    @property
    def offered(self) -> dict[str, Value]:
        """What a plan has to pay for, in seconds and steps."""
        return {
            "steps_in_window": self.pace.window,
            "steps_in_force": self.pace.interval - self.pace.delay,
            "token_s": self.costs.token_us / 1e6,
            "fetch_s_in_node": self.costs.in_node_s,
            "fetch_s_across": self.costs.across_s,
            "fetch_s_of_backup": self.costs.backup_s,
        }

    def identity(self) -> dict[str, Any]:
        """All that affects scores, as JSON values; a recording by the digest of what is used of it."""
        loads: dict[str, Any] = {"drifts": {name: DRIFTS[name] * self.drifting for name in self.drifts}}
        if self.drifts == () and self.drifting != 1:
            loads["drifting"] = self.drifting
        if self._recording is not None:
            used = hashlib.sha256(self._recording.windows_WLE.tobytes())
            used.update(self._recording.samples.steps_NSLE.tobytes())
            loads = {"trace": used.hexdigest()}
        count = (self.rebalances or REBALANCES) if self._recording is None else self._recording.rebalances
        elastic = {"elastic": list(self.elastic), "missing": self.missing} if self.elastic else {}
        return {
            **loads,
            "rebalances": count,
            **elastic,
            "sizes": dict(self.sizes.sizes),
            "pace": {name: getattr(self.pace, name) for name in STEPS},
            "costs": {name: getattr(self.costs, name) for name in COSTS},
        }


def _path(value: Any, index: int) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise WorkloadError(f"traces[{index}]: expected the path of a trace file or folder, found {value!r}")
    return Path(value)


def _sizes(value: Any) -> EplbCase:
    if not isinstance(value, Mapping):
        raise WorkloadError(f"sizes: expected a mapping of {', '.join(SIZE_NAMES)}, found {value!r}")
    check_keys(value, SIZE_NAMES, "sizes", required=SIZE_NAMES)
    return EplbCase(**value)
