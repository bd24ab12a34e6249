"""Which keys a config has, their types and their defaults.

Owns: one class a section, in the words of the config file. Does not know: files, YAML, or what a key is used for.

Everything here is strict: an unknown key, or a text where a number belongs, is an error.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from evaluator.settings import JudgeSettings, SandboxLevel, TimingSettings
from evaluator.tasks import TASKS
from harness.select import SELECTORS

_JUDGE = JudgeSettings()
_TIMING = TimingSettings()


class Section(BaseModel):
    """A section of the config."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class TaskSection(Section):
    """What is solved, on which workloads. `traces` are files; the other options belong to the task, which checks
    them.
    """

    model_config = ConfigDict(extra="allow")

    name: str = Field(min_length=1)
    traces: tuple[str, ...] = ()

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in TASKS:
            raise ValueError(f"a task of {', '.join(TASKS)}, or a .yaml file that describes one|{name!r}")
        return name

    @property
    def options(self) -> dict[str, Any]:
        """What was set beside the name and the traces, as plain values."""
        return dict(self.model_extra or {})


class ProposerSection(Section):
    """Who proposes, and from what."""

    kind: Literal["catalogue", "llm", "replay", "ask"] = "catalogue"
    patches: tuple[str, ...] | None = None
    """Files, folders and globs; None is the patches shipped with the task."""


class PriceSection(Section):
    """Dollars per million tokens."""

    input: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)
    output: float = Field(ge=0)


class ModelSection(Section):
    """A model behind an endpoint."""

    name: str = Field(min_length=1)
    base_url: str | None = None
    api_key_env: str | None = None
    weight: float = Field(default=1.0, gt=0)
    price: PriceSection | None = None


class BudgetSection(Section):
    """When the search ends; at least one limit of attempts, minutes, deadline, judge_s or patience must be set."""

    attempts: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    deadline: datetime | None = None
    usd: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, ge=1)
    calls: int | None = Field(default=None, ge=1)
    judge_s: float | None = Field(default=None, gt=0)
    patience: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _some_limit(self) -> BudgetSection:
        if all(value is None for value in (self.attempts, self.minutes, self.deadline, self.judge_s, self.patience)):
            raise ValueError("at least one of attempts, minutes, deadline, judge_s or patience|no limit")
        return self


class SearchSection(Section):
    """How parents are chosen."""

    rule: str = "front"
    in_flight: int = Field(default=1, ge=1)

    @field_validator("rule")
    @classmethod
    def _known(cls, rule: str) -> str:
        if rule not in SELECTORS:
            raise ValueError(f"one of {', '.join(SELECTORS)}|{rule!r}")
        return rule


class ParetoSection(Section):
    """The fastest program above the floor is best."""

    kind: Literal["pareto"] = "pareto"
    epsilon: float = Field(default=0.0, ge=0)


class ConstrainedSection(Section):
    """A limit on one of the two numbers, then the other one decides."""

    kind: Literal["constrained"]
    limit: Literal["runtime", "quality"]
    min_speedup_over_seed: float | None = Field(default=None, gt=0)
    within: float | None = Field(default=None, ge=0)
    epsilon: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _matching(self) -> ConstrainedSection:
        if self.limit == "runtime" and (self.min_speedup_over_seed is None or self.within is not None):
            raise ValueError("min_speedup_over_seed (and not within) beside limit: runtime|another set of keys")
        if self.limit == "quality" and (
            self.within is None or self.min_speedup_over_seed is not None or self.epsilon is not None
        ):
            raise ValueError("within (alone) beside limit: quality|another set of keys")
        return self


class WeightsSection(Section):
    """The weights of the formula `quality * quality_weight + ln(speedup) * speed_weight`."""

    quality: float = Field(ge=0)
    speed: float = Field(ge=0)

    @model_validator(mode="after")
    def _some_weight(self) -> WeightsSection:
        if self.quality == 0 == self.speed:
            raise ValueError("a weight above 0|two zeros")
        return self


class WeightedSection(Section):
    """The largest value of a formula is best."""

    kind: Literal["weighted"]
    weights: WeightsSection
    epsilon: float = Field(default=0.0, ge=0)


ObjectiveSection = Annotated[ParetoSection | ConstrainedSection | WeightedSection, Field(discriminator="kind")]


class LaneSection(Section):
    """A place to measure: a device, and the cores its programs are pinned to."""

    device: str | None = Field(default=None, pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    cpus: tuple[Annotated[int, Field(ge=0)], ...] = ()

    @field_validator("cpus")
    @classmethod
    def _different(cls, cpus: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(cpus)) != len(cpus):
            raise ValueError(f"different core numbers|{list(cpus)}")
        return cpus


class SandboxSection(Section):
    """The weakest confinement under which programs are run."""

    require: SandboxLevel = _JUDGE.require


class TimingSection(Section):
    """How long each case is measured."""

    budget_s: float = Field(default=_TIMING.budget_s, gt=0)
    warmups: int = Field(default=_TIMING.warmups, ge=1)
    min_pairs: int = Field(default=_TIMING.min_pairs, ge=3)
    max_pairs: int = Field(default=_TIMING.max_pairs, ge=3)
    round_pairs: int = Field(default=_TIMING.round_pairs, ge=1)
    half_width: float = Field(default=_TIMING.half_width, gt=0)
    duel_s: float = Field(default=_TIMING.duel_s, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> TimingSection:
        if self.min_pairs > self.max_pairs:
            raise ValueError(f"min_pairs <= max_pairs|{self.min_pairs} and {self.max_pairs}")
        return self


class JudgeSection(Section):
    """What a program may take, and how it is measured."""

    timeout_s: float = Field(default=_JUDGE.timeout_s, gt=0)
    load_timeout_s: float = Field(default=_JUDGE.load_timeout_s, gt=0)
    memory_gb: float = Field(default=_JUDGE.memory_gb, gt=0)
    threads: int = Field(default=_JUDGE.threads, ge=1)
    lanes: tuple[LaneSection, ...] = ()
    reference: str | None = None
    sandbox: SandboxSection = SandboxSection()
    timing: TimingSection = TimingSection()


class ExecutorSection(Section):
    """Where programs are judged."""

    kind: Literal["local", "ray"] = "local"
    workers: int | None = Field(default=None, ge=1)


class Settings(Section):
    """The whole file."""

    task: TaskSection
    program: str = Field(min_length=1)
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    run: str | None = Field(default=None, min_length=1)
    seed: int = Field(default=0, ge=0, lt=2**63)
    proposer: ProposerSection = ProposerSection()
    models: tuple[ModelSection, ...] = ()
    budget: BudgetSection
    search: SearchSection = SearchSection()
    objective: ObjectiveSection = ParetoSection()
    judge: JudgeSection = JudgeSection()
    executor: ExecutorSection = ExecutorSection()


def unsupported(settings: Settings, proposers: tuple[str, ...]) -> list[tuple[tuple[str | int, ...], str]]:
    """Key paths that are set to something this version cannot do yet, each with what it can do."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    if settings.proposer.kind not in proposers:
        found.append((("proposer", "kind"), f"use {' or '.join(proposers)}"))
    if settings.models:
        found.append((("models",), "remove it; no proposer of this version calls a model"))
    found.extend(
        (("budget", key), "limit attempts, minutes, deadline, judge_s or patience")
        for key in ("usd", "tokens", "calls")
        if getattr(settings.budget, key) is not None
    )
    if settings.search.in_flight > 1:
        found.append((("search", "in_flight"), "use 1"))
    if settings.executor.kind != "local":
        found.append((("executor", "kind"), "use local"))
    if settings.executor.workers not in (None, 1):
        found.append((("executor", "workers"), "use 1"))
    return found
