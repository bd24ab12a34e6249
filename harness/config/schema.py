"""The keys of a config, their types and their defaults.

Owns: one class for each section. Does not know: files, YAML, or what a key is used for.

Everything here is strict: an unknown key, or a text where a number belongs, is an error.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from evaluator import is_task_file
from evaluator.settings import JudgeSettings, Policy, SandboxLevel, TimingSettings
from evaluator.tasks import TASKS
from harness.config.knowledge_schema import KnowledgeSection
from harness.config.mix_schema import MixSection
from harness.config.model_schema import ModelSection, Section
from harness.config.rules_schema import (
    AdaptiveSection,
    IslandsSection,
    MapElitesSection,
    PowerLawSection,
    TournamentSection,
    TradeOffsSection,
)
from harness.islands import IslandSettings
from harness.llm.bandit import BanditSettings
from harness.proposers import ProposerOptions, Shares
from harness.select import DEFAULT, SELECTORS

_JUDGE = JudgeSettings()
_TIMING = TimingSettings()
_OPTIONS = ProposerOptions()
_SHARES = Shares()
_BANDIT = BanditSettings()
_ISLANDS = IslandSettings()


class TaskSection(Section):
    """The task and its workloads. Traces are files or folders; the task checks all other options."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(min_length=1)
    """Which task: a name, or a `.py` file of your own."""
    traces: tuple[str, ...] = ()
    """Files of measured loads, or folders of them, which replace generated ones."""
    gate_traces: tuple[str, ...] = ()
    """The same for the held-out loads of the gate."""
    final_traces: tuple[str, ...] = ()
    """The same for those of the final measurement."""

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in TASKS and not is_task_file(name):
            raise ValueError(f"a task of {', '.join(TASKS)}, a .py file of your own, or a .yaml file|{name!r}")
        return name

    @property
    def options(self) -> dict[str, Any]:
        """The options beside the name and the traces, as plain values."""
        return dict(self.model_extra or {})


class SharesSection(Section):
    """The relative frequency of each kind of proposal."""

    patch: float = Field(default=_SHARES.patch, ge=0)
    """A change of one program."""
    rewrite: float = Field(default=_SHARES.rewrite, ge=0)
    """A whole new program."""
    crossover: float = Field(default=_SHARES.crossover, ge=0)
    """One program made of two."""
    repair: float = Field(default=_SHARES.repair, ge=0)
    """Another try at an attempt that was rejected."""

    @model_validator(mode="after")
    def _some_share(self) -> SharesSection:
        if not 0 < (whole := self.patch + self.rewrite + self.crossover + self.repair) < float("inf"):
            raise ValueError("a share above 0|four zeros" if not whole else "shares whose sum is a number|larger ones")
        return self


class BanditSection(Section):
    """How fast `choice: bandit` forgets, and the weight of its prior on a model with few results."""

    discount: float = Field(default=_BANDIT.discount, gt=0, le=1)
    """What an attempt still counts after the next one of its kind."""
    prior: float = Field(default=_BANDIT.prior, gt=0)
    """Average attempts that every model is credited with."""


class ProposerSection(Section):
    """The proposer. Without `kind`: mix if there is a `mix`, llm if there are `models`, else catalogue. A mix or models
    on the command line imply their kind, even if the file gives another.
    """

    kind: Literal["catalogue", "llm", "replay", "ask", "mix"] = "catalogue"
    """A model, the offline catalogue, a recording, you, or several at once."""
    mix: MixSection | None = None
    """mix: several proposers in one search, each with its share of the attempts."""
    patches: tuple[str, ...] | None = None
    """catalogue: files, folders, globs; none is those shipped with the task."""
    shares: SharesSection = SharesSection()
    """llm, ask: how often each kind of proposal is asked for."""
    merges: float = Field(default=_OPTIONS.merges, ge=0, le=1)
    """llm, ask: the share of crossovers that begin with git's merge; a model is asked where it conflicts."""
    repairs: int = Field(default=_OPTIONS.repairs, ge=0)
    """llm: how often a rejected answer is sent back with the error."""
    inspirations: int = Field(default=_OPTIONS.inspirations, ge=0)
    """llm, ask: other programs that a prompt shows, at most."""
    rejections: int = Field(default=_OPTIONS.rejections, ge=0)
    """llm, ask: rejected attempts that a prompt describes, at most."""
    knowledge: KnowledgeSection = KnowledgeSection()
    """llm, ask: what prompts tell of the search as a whole."""
    error_texts: bool = _OPTIONS.error_texts
    """llm, ask: whether prompts show run-time error texts; if not, line numbers."""
    context_tokens: int = Field(default=_OPTIONS.context_tokens, ge=1000)
    """llm, ask: the largest prompt, at three bytes a token."""
    prompts: str | None = Field(default=None, min_length=1)
    """llm, ask: a folder of templates that replace shipped ones by name."""
    choice: Literal["weights", "bandit"] = "weights"
    """llm: how one of several models is chosen."""
    bandit: BanditSection = BanditSection()
    """llm: the settings of `choice: bandit`."""
    from_: str | None = Field(default=None, alias="from", min_length=1)
    """replay: a run's folder, or a folder of replies."""


class BudgetSection(Section):
    """When the search ends; at least one limit must be set."""

    attempts: int | None = Field(default=None, ge=1)
    """Attempts in the whole run, without the seed program."""
    minutes: float | None = Field(default=None, gt=0)
    """Minutes of this invocation."""
    deadline: datetime | None = None
    """When to stop, as `2030-01-31 18:00:00`."""
    usd: float | None = Field(default=None, gt=0)
    """Dollars for models, reserved before each call."""
    tokens: int | None = Field(default=None, ge=1)
    """Tokens of models, input and output together."""
    calls: int | None = Field(default=None, ge=1)
    """Calls of models; every try is one."""
    judge_s: float | None = Field(default=None, gt=0)
    """Seconds spent judging in the whole run."""
    patience: int | None = Field(default=None, ge=1)
    """Attempts in a row without a better champion."""

    @model_validator(mode="after")
    def _some_limit(self) -> BudgetSection:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError(f"at least one of {', '.join(type(self).model_fields)}|no limit")
        return self

    @property
    def ends(self) -> bool:
        """Whether a limit is set that also ends a search without models."""
        return any((self.attempts, self.minutes, self.deadline, self.judge_s, self.patience))


class SearchSection(Section):
    """How parents are chosen, and how many proposals are in flight."""

    rule: str = DEFAULT
    """The selection rule."""
    in_flight: int = Field(default=1, ge=1)
    """Proposals under way at once; with several judges one more than judges, unless it is set."""
    repeats: Literal["keep", "refuse"] = "keep"
    """Programs new in names or layout alone: judged, if need be, or sent back to the model."""
    tournament: TournamentSection = TournamentSection()
    """The options of `rule: tournament`."""
    power_law: PowerLawSection = PowerLawSection()
    """The options of `rule: power_law`, and of the ranks on islands."""
    islands: IslandsSection = IslandsSection()
    """The options of `rule: islands`."""
    map_elites: MapElitesSection = MapElitesSection()
    """The options of `rule: map_elites`."""
    adaptive: AdaptiveSection = AdaptiveSection()
    """The options of `rule: adaptive`."""
    trade_offs: TradeOffsSection = TradeOffsSection()
    """The options of `rule: trade_offs`."""

    @field_validator("rule")
    @classmethod
    def _known(cls, rule: str) -> str:
        if rule not in SELECTORS:
            raise ValueError(f"one of {', '.join(SELECTORS)}|{rule!r}")
        return rule


class ParetoSection(Section):
    """The fastest program above the quality floor is best."""

    kind: Literal["pareto"] = "pareto"
    epsilon: float = Field(default=0.0, ge=0)
    """How far the floor lies below the seed program's quality."""


class ConstrainedSection(Section):
    """A limit on quality or run time; the other one decides."""

    kind: Literal["constrained"]
    limit: Literal["runtime", "quality"]
    """Which of the two numbers has the limit."""
    min_speedup_over_seed: float | None = Field(default=None, gt=0)
    """With `runtime`: times as fast as the seed program."""
    within: float | None = Field(default=None, ge=0)
    """With `quality`: how far below the seed program's."""
    epsilon: float | None = Field(default=None, ge=0)
    """With `runtime`: as for `pareto`."""

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
    """Weight of the quality."""
    speed: float = Field(ge=0)
    """Weight of ln(speedup)."""

    @model_validator(mode="after")
    def _some_weight(self) -> WeightsSection:
        if self.quality == 0 == self.speed:
            raise ValueError("a weight above 0|two zeros")
        return self


class WeightedSection(Section):
    """The largest value of a formula is best."""

    kind: Literal["weighted"]
    weights: WeightsSection
    """The two weights of the formula."""
    epsilon: float = Field(default=0.0, ge=0)
    """As for `pareto`."""


ObjectiveSection = Annotated[ParetoSection | ConstrainedSection | WeightedSection, Field(discriminator="kind")]


class LaneSection(Section):
    """A place to measure: a device, and the cores for its programs."""

    device: str | None = Field(default=None, pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """None is the device of the run."""
    cpus: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Numbers of the cores, of which a program gets `judge.threads`; empty: the judge chooses."""

    @field_validator("cpus")
    @classmethod
    def _different(cls, cpus: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(cpus)) != len(cpus):
            raise ValueError(f"different core numbers|{list(cpus)}")
        return cpus


class SandboxSection(Section):
    """The weakest confinement under which programs may run."""

    require: SandboxLevel = _JUDGE.require
    """Refuse to run under weaker confinement."""


class TimingSection(Section):
    """How long each case is measured."""

    budget_s: float = Field(default=_TIMING.budget_s, gt=0)
    """Seconds a case, the start of processes included; more only where programs load slowly."""
    warmups: int = Field(default=_TIMING.warmups, ge=1)
    """Calls of each program before a round's first pair."""
    min_pairs: int = Field(default=_TIMING.min_pairs, ge=3)
    """Pairs a case that are taken whatever the time."""
    max_pairs: int = Field(default=_TIMING.max_pairs, ge=3)
    """Pairs a case at most."""
    round_pairs: int = Field(default=_TIMING.round_pairs, ge=1)
    """Pairs a case in one pair of fresh processes, at most."""
    half_width: float = Field(default=_TIMING.half_width, gt=0)
    """Enough when the 95 % interval is within this share."""
    policy: Policy = _TIMING.policy
    """`race`: an attempt is measured until its fate is decided; `full`: always in full."""
    duel_s: float = Field(default=_TIMING.duel_s, gt=0)
    """Seconds of a duel, at most; more only where programs load slowly."""

    @model_validator(mode="after")
    def _ordered(self) -> TimingSection:
        if self.min_pairs > self.max_pairs:
            raise ValueError(f"min_pairs <= max_pairs|{self.min_pairs} and {self.max_pairs}")
        return self


class JudgeSection(Section):
    """The limits on a program, and how it is measured."""

    timeout_s: float = Field(default=_JUDGE.timeout_s, gt=0)
    """Wall-clock limit of one call, in seconds."""
    load_timeout_s: float = Field(default=_JUDGE.load_timeout_s, gt=0)
    """Wall-clock limit of loading the program, in seconds; what it compiles then counts."""
    memory_gb: float = Field(default=_JUDGE.memory_gb, gt=0)
    """Memory that a program may take."""
    threads: int = Field(default=_JUDGE.threads, ge=1)
    """Cores that a program is pinned to; on a GPU one more."""
    lanes: tuple[LaneSection, ...] = ()
    """Places to measure, each with a judge; empty is one: the device, on cores that the judge chooses."""
    reference: str | None = None
    """The program to time against, a file or an engine's policy (`vllm:default`); none is the task's own."""
    engine_wheels: tuple[str, ...] = ()
    """Wheels to read engines' policies from; empty is the installed engines."""
    held_out: bool = True
    """Whether a new best program must hold on held-out loads, too, where the task has some."""
    sandbox: SandboxSection = SandboxSection()
    """The confinement that programs need."""
    timing: TimingSection = TimingSection()
    """How long a program is measured."""


class ExecutorSection(Section):
    """Where programs are judged."""

    kind: Literal["local", "ray"] = "local"
    """On this machine, or on a Ray cluster (`packsmith[ray]`)."""
    address: str = Field(default="auto", min_length=1)
    """ray: `auto`, HOST:PORT or ray://HOST:PORT, as Ray takes it; `local` starts one on this machine."""
    hardware: str = ""
    """ray: part of the name of the hardware whose times count; none: that of the run's scores, else of most."""
    ship: bool = True
    """ray: whether our code is sent to the nodes; if not, it must be installed there."""
    workers: int | None = Field(default=None, ge=1)
    """Judges at once; none is one for each lane, or a cluster's room. On a CPU without lanes each has its own cores."""


class RemotesSection(Section):
    """Other runs to exchange elites with, by way of git repositories; not stored with the run."""

    remotes: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Addresses or folders (relative to the working folder) of shared bare repositories, or of other runs."""
    minutes: float = Field(default=_ISLANDS.minutes, gt=0)
    """Minutes between two exchanges; the first is made at the start, the last at the end."""
    most: int = Field(default=_ISLANDS.most, ge=1)
    """Programs taken from each remote in an exchange, at most; each is an attempt of the budget."""

    @field_validator("remotes")
    @classmethod
    def _different(cls, remotes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(remotes)) != len(remotes):
            raise ValueError(f"different addresses|{list(remotes)}")
        return remotes


class Settings(Section):
    """The whole file."""

    task: TaskSection
    """What is solved, and on which loads."""
    program: str = Field(min_length=1)
    """The seed program, a file."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    run: str | None = Field(default=None, min_length=1)
    """The archive's folder; none is `runs/NAME`, by the config's name."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Decides generated loads and every choice of the search."""
    proposer: ProposerSection = ProposerSection()
    """What proposes changes."""
    models: tuple[ModelSection, ...] = ()
    """The models to ask."""
    budget: BudgetSection
    """When the search ends."""
    search: SearchSection = SearchSection()
    """How parents are chosen, and how many proposals are in flight."""
    objective: ObjectiveSection = ParetoSection()
    """What counts as best: one of three kinds."""
    judge: JudgeSection = JudgeSection()
    """What a program may use, and how it is measured."""
    executor: ExecutorSection = ExecutorSection()
    """Where programs are judged."""
    islands: RemotesSection = RemotesSection()
    """Other runs to exchange elites with."""


def unsupported(settings: Settings, proposers: tuple[str, ...]) -> list[tuple[tuple[str | int, ...], str]]:
    """Key paths whose value this version does not support, each with what it supports."""
    problems: list[tuple[tuple[str | int, ...], str]] = []
    if settings.proposer.kind not in proposers:
        problems.append((("proposer", "kind"), f"use {' or '.join(proposers)}"))
    return problems
