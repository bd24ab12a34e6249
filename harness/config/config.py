"""A loaded config: its values, the files it names, and the part that is stored with a run.

Owns: the layers (shipped defaults, the file, `-s`), relative paths, the portable form stored with a run, and which
keys affect scores. Does not know: how anything it configures works.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evaluator import HELD_OUT, FileTask, HeldOut, Task, is_task_file, of_split
from evaluator.settings import JudgeSettings, Lane, TimingSettings
from evaluator.shipped import shipped
from harness.config import models as model_settings
from harness.config.document import Assignment, ConfigError, Document, key_path, override, read
from harness.config.files import File, find, find_all
from harness.config.mix_schema import with_kind
from harness.config.policies import policy_of
from harness.config.problems import explained
from harness.config.rules_schema import rule_settings
from harness.config.schema import ObjectiveSection, Settings, unsupported
from harness.config.tasks import TRACES, task_of, with_task
from harness.islands import IslandSettings
from harness.llm.bandit import BanditSettings
from harness.llm.model import Model
from harness.prompt import read_templates
from harness.proposers import EXTERNAL_PROPOSER, LLM_PROPOSER, MIX, PROPOSERS, PatchText, ProposerOptions, Shares
from harness.search.budget import Budget
from harness.select import Objective, Pareto, QualityLimit, RuntimeLimit, Selector, Weighted, build
from harness.text import meant

_FORMER_JUDGE: Mapping[str, float | bool] = {"load_timeout_s": 20.0, "held_out": False}
"""Keys of `judge` with another default now, and the default that runs of earlier versions were started under, which
of `held_out` is also meant where a run does not store it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A valid config: known keys, fitting values, existing files. `name` is the path as the user wrote it."""

    name: str
    raw: Settings
    """The keys and values, as the schema read them."""
    task: Task
    program: File
    reference: File
    patches: tuple[File, ...]
    traces: tuple[File, ...]
    task_file: File | None = None
    """The file of a task of one's own; None for a shipped task."""
    prompts: Path | None = None
    """The folder of prompt templates; None means the shipped ones."""
    recording: Path | None = None
    """The source of `proposer.kind: replay`: a run's folder, or a folder of replies."""

    @property
    def kind(self) -> str:
        """The kind of proposer: a key of `PROPOSERS`, or EXTERNAL_PROPOSER."""
        return self.raw.proposer.kind

    @property
    def mix(self) -> Mapping[str, float]:
        """The share of each proposer of a mix, relative to the others; {} for a proposer alone."""
        return _mix(self.raw)

    @property
    def asks_models(self) -> bool:
        """Whether the search calls models."""
        return LLM_PROPOSER in (self.kind, *self.mix)

    @property
    def device(self) -> str:
        return self.raw.device

    @property
    def seed(self) -> int:
        return self.raw.seed

    @property
    def run(self) -> Path:
        """The archive's folder, relative to the working folder; `runs/<name of the config>` by default."""
        return Path(self.raw.run or f"runs/{Path(self.name).stem}")

    @property
    def judge(self) -> JudgeSettings:
        section = self.raw.judge
        return JudgeSettings(
            timeout_s=section.timeout_s,
            load_timeout_s=section.load_timeout_s,
            memory_gb=section.memory_gb,
            threads=section.threads,
            lanes=tuple(Lane(device=lane.device or "", cpus=lane.cpus) for lane in section.lanes),
            require=section.sandbox.require,
            timing=TimingSettings(**section.timing.model_dump()),
        )

    @property
    def held_out(self) -> Mapping[HeldOut, Task]:
        """The task with the loads of each held-out split; {} if it has none, or the config leaves them aside."""
        if not self.raw.judge.held_out:
            return {}
        found = {split: of_split(self.task, split) for split in HELD_OUT}
        return {split: task for split, task in found.items() if task is not None}

    @property
    def budget(self) -> Budget:
        section = self.raw.budget
        return Budget(
            attempts=section.attempts,
            minutes=section.minutes,
            deadline_s=section.deadline.timestamp() if section.deadline else None,
            judge_s=section.judge_s,
            patience=section.patience,
            usd=section.usd,
            tokens=section.tokens,
            calls=section.calls,
        )

    @property
    def objective(self) -> Objective:
        return objective_of(self.raw.objective)

    def selector(self, source: Callable[[str], str]) -> Selector:
        """A fresh rule that picks parents. `source` gives the text of an entry's program, by the entry's id."""
        return build(self.raw.search.rule, rule_settings(self.raw.search), source)

    @property
    def proposer_options(self) -> ProposerOptions:
        """The options of `PROPOSERS[config.kind]`, without the recording of a replay."""
        section = self.raw.proposer
        bandit = BanditSettings(**section.bandit.model_dump()) if section.choice == "bandit" else None
        return ProposerOptions(
            patches=tuple(PatchText(name=file.name, text=file.text()) for file in self.patches),
            models=model_settings.contenders(self.raw),
            bandit=bandit,
            shares=Shares(**section.shares.model_dump()),
            merges=section.merges,
            repairs=section.repairs,
            inspirations=section.inspirations,
            rejections=section.rejections,
            ideas=section.knowledge.ideas,
            summary_every=section.knowledge.summary_every,
            error_texts=section.error_texts,
            context_tokens=section.context_tokens,
            templates=read_templates(self.prompts) if self.prompts else {},
            task=self.task,
            judge=self.judge,
            mix=self.mix,
        )

    @property
    def models(self) -> tuple[Model, ...]:
        """The models, without addresses from the environment and without keys: see `keyed`."""
        return model_settings.configured(self.raw)

    @property
    def islands(self) -> IslandSettings:
        return IslandSettings(**self.raw.islands.model_dump())

    def continuing(self, stored: Mapping[str, Any]) -> Config:
        """This config for a run that was started under the resolved config `stored`: where a default has changed since,
        a key that the config does not set keeps the run's value.
        """
        section, held = self.raw.judge, stored.get("judge")
        kept = {
            key: former
            for key, former in _FORMER_JUDGE.items()
            if key not in section.model_fields_set and isinstance(held, Mapping) and held.get(key, False) == former
        }
        judge = section.model_copy(update=kept)
        return replace(self, raw=self.raw.model_copy(update={"judge": judge}))

    def resolved(self) -> dict[str, Any]:
        """The whole config, defaults included, as JSON values: files by name and sha256, nothing of this machine."""
        tree: dict[str, Any] = self.raw.model_dump(mode="json", exclude={"run", "islands"}, by_alias=True)
        for key in ("prompts", "from"):
            written = tree["proposer"][key]
            if written is not None and Path(written).is_absolute():
                tree["proposer"][key] = Path(written).name
        del tree["executor"]["address"]
        tree["program"] = self.program.identity()
        tree["judge"]["reference"] = self.reference.identity()
        tree["judge"]["engine_wheels"] = [Path(wheel).name for wheel in self.raw.judge.engine_wheels]
        tree["proposer"]["patches"] = [file.identity() for file in self.patches]
        tree["task"] = {
            "name": self.task.name,
            "options": self.raw.task.options,
            "traces": [file.identity() for file in self.traces],
            "identity": dict(self.task.identity()),
        }
        if self.held_out:
            tree["task"]["held_out"] = {split: dict(held.identity()) for split, held in self.held_out.items()}
        if self.task_file is not None and isinstance(self.task, FileTask):
            tree["task"] |= {"file": self.task_file.identity(), "facts": self.task.facts.stored()}
        return tree


def objective_of(section: ObjectiveSection) -> Objective:
    """The objective of a section."""
    if section.kind == "pareto":
        return Pareto(epsilon=section.epsilon)
    if section.kind == "weighted":
        weights = section.weights
        return Weighted(quality_weight=weights.quality, speed_weight=weights.speed, epsilon=section.epsilon)
    if section.min_speedup_over_seed is not None:
        return RuntimeLimit(
            min_speedup_over_seed=section.min_speedup_over_seed, epsilon=section.epsilon if section.epsilon else 0.0
        )
    return QualityLimit(within=section.within if section.within else 0.0)


def _plain(value: object) -> str:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    raise TypeError(f"expected a plain YAML value, found {type(value).__name__}")


def _mix(settings: Settings) -> dict[str, float]:
    """The shares of a mix of proposers, if the proposer is one."""
    section = settings.proposer
    return section.mix.shares if section.kind == MIX and section.mix is not None else {}


def _settings(document: Document) -> Settings:
    try:
        settings = Settings.model_validate_json(json.dumps(document.tree, default=_plain))
    except ValidationError as error:
        raise explained(error, document, Settings) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{document.name}: {error}") from error
    lines = [
        f"{document.where(steps)}: {key_path(steps)}: not supported in this version; {advice}"
        for steps, advice in unsupported(settings, (*PROPOSERS, EXTERNAL_PROPOSER))
    ]
    kind, kinds = settings.proposer.kind, tuple(_mix(settings)) or (settings.proposer.kind,)
    if kind == MIX and settings.proposer.mix is None:
        lines.append(
            f"{document.where(('proposer',))}: proposer.mix: expected shares, as in {{llm: 6, catalogue: 2}}, beside "
            f"kind: mix, found nothing"
        )
    if any(each not in (LLM_PROPOSER, EXTERNAL_PROPOSER) for each in kinds) and not settings.budget.ends:
        lines.append(
            f"{document.where(('budget',))}: budget: usd, tokens and calls limit calls of models, which a proposer of "
            f"kind {' or '.join(each for each in kinds if each != LLM_PROPOSER)} does not make: add another limit, for "
            f"example attempts: 200"
        )
    if "replay" in kinds and settings.proposer.from_ is None:
        lines.append(
            f"{document.where(('proposer',))}: proposer.from: expected the folder of a run or of replies, from which "
            f"replay answers, found nothing"
        )
    if settings.proposer.knowledge.summary_every and not {LLM_PROPOSER, EXTERNAL_PROPOSER} & set(kinds):
        lines.append(
            f"{document.where(('proposer', 'knowledge'))}: proposer.knowledge.summary_every: expected a proposer that "
            f"shows prompts (kind llm or ask), found kind {settings.proposer.kind}, which asks nobody: remove the key"
        )
    if lines:
        raise ConfigError("\n".join(lines))
    if LLM_PROPOSER in kinds:
        model_settings.check(settings, document)
    return settings


def _open(path: Path) -> Path:
    """The path of the config file: where the user says, else the shipped one of that name. Raises ConfigError."""
    if path.exists():
        return path
    if not path.is_absolute() and ".." not in path.parts:
        try:
            return shipped(str(path))
        except FileNotFoundError:
            pass
    raise ConfigError(f"{path}: no such config file{meant(str(path), _config_files(path))}")


def _config_files(path: Path) -> list[str]:
    """The config files in the folder of a path, and those that are shipped, as a user writes them."""
    beside = (path.parent / each.name for each in path.parent.glob("*.yaml"))
    return [*map(str, beside), *(f"configs/{each.name}" for each in shipped("configs").glob("*.yaml"))]


def _patches(settings: Settings, folder: Path, document: Document) -> tuple[File, ...]:
    where = f"{document.where(('proposer', 'patches'))}: proposer.patches"
    if settings.proposer.patches is not None:
        return find_all(settings.proposer.patches, folder, where)
    own = f"programs/{settings.task.name}/patches"
    try:
        shipped(own)
    except FileNotFoundError:
        return ()
    return find_all((own,), folder, where)


def load(path: str | Path, overrides: Sequence[str | Assignment] = ()) -> Config:
    """Read a config file and apply overrides, in order: `section.key=value`, or values with an origin of their own.

    Raises ConfigError, naming all problems it finds.
    """
    name = str(path)
    file = _open(Path(path))
    folder = file.parent
    document = with_task(read(file, name), folder)
    document = with_kind(with_task(override(document, overrides), folder))
    settings = _settings(document)

    def found(written: str, *steps: str | int, or_folder: bool = False) -> File:
        return find(written, folder, f"{document.where(steps)}: {key_path(steps)}", or_folder=or_folder)

    def traces_of(key: str) -> tuple[File, ...]:
        written: tuple[str, ...] = getattr(settings.task, key)
        return tuple(found(trace, "task", key, at, or_folder=True) for at, trace in enumerate(written))

    traces = {key: traces_of(key) for key in TRACES}
    task_file = found(settings.task.name, "task", "name") if is_task_file(settings.task.name) else None
    task = task_of(settings, task_file, traces, document)
    return Config(
        name=name,
        raw=settings,
        task=task,
        program=found(settings.program, "program"),
        reference=policy_of(settings, task, folder, document)
        or found(settings.judge.reference or task.reference, "judge", "reference"),
        patches=_patches(settings, folder, document),
        traces=tuple(file for files in traces.values() for file in files),
        task_file=task_file,
        prompts=_folder(settings.proposer.prompts, folder),
        recording=_recording(settings.proposer.from_, folder),
    )


def _folder(written: str | None, folder: Path) -> Path | None:
    """A folder that the config names, relative to the config; it is not checked here."""
    return None if written is None else folder / written


def _recording(written: str | None, folder: Path) -> Path | None:
    """The source of a replay: relative to the config, or else, as `run` is, to the working folder."""
    beside = _folder(written, folder)
    return beside if written is None or (beside is not None and beside.exists()) else Path(written)
