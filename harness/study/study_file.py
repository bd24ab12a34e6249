"""A study file: which methods search on which tasks with which seeds, at one budget.

Owns: the keys of the file, the config of each cell, and the order of the cells. Does not know: how a cell is searched,
what came of it.

A cell's config is made in layers, each laid over the one before: the config that the method or else the study names,
the overrides for all cells, the task's, the method's, the budget, the seed. An override of the command line counts as
one for all cells, or, as `budget.attempts`, `seeds` or another key of the study, for that key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from evaluator.shipped import shipped
from harness.config import Config, ConfigError, conflicts, difference, load
from harness.config.document import Assignment, Document, described, is_address, key_path, override, read
from harness.config.model_schema import Section
from harness.config.problems import explained
from harness.config.schema import BudgetSection
from harness.proposers import EXTERNAL_PROPOSER

CONFIG = "config"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}")
_OWN = ("seed", "budget", "run")
"""Keys of a config that the study sets, the same for all methods."""
_SETTABLE = (CONFIG, "runs", "seeds", "budget")
"""Keys of a study that an override of the command line may replace; any other is one for all configs."""
_MAY_DIFFER = "program"
_MOST_CELLS = 10_000


class StudySettings(Section):
    """The whole file."""

    config: str | None = Field(default=None, min_length=1)
    """The config that cells start from, relative to the study file or shipped; a method may name its own."""
    runs: str | None = Field(default=None, min_length=1)
    """The folder of the cells' runs, relative to the working folder; none is `runs/NAME`, by the study's name."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """For all cells: keys of the config as after `-s`, such as `judge.timeout_s`, each with its value."""
    methods: dict[str, dict[str, Any]] = Field(min_length=1)
    """What is compared, by name: overrides, or a `config` of its own; the others are compared against the first."""
    tasks: dict[str, dict[str, Any]] = Field(min_length=1)
    """What is solved, by name: overrides."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**63)], ...] = Field(min_length=1)
    """The seeds; each method searches each task once with each of them."""
    budget: BudgetSection
    """The budget of every cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One search of a study; `folder` is that of its run."""

    method: str
    task: str
    seed: int
    config: Config
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.method} on {self.task}, seed {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A valid study. `budget` is that of each cell as JSON values; the cells are in the order of the searches."""

    name: str
    folder: Path
    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    budget: Mapping[str, Any]
    cells: tuple[Cell, ...]


def read_study(path: Path, folder: Path | None = None, overrides: Sequence[str] = ()) -> Study:
    """Read a study file; `folder` replaces that of its runs, and each override, `key=value`, a key of the study or of
    all configs. Raises ConfigError, naming all problems it finds.
    """
    found = _found(path, None)
    given = [Assignment.parsed(text) for text in overrides]
    document = override(read(found, str(path)), [each for each in given if each.steps[0] in _SETTABLE])
    laid_over = [each for each in given if each.steps[0] not in _SETTABLE]
    settings = _settings(document)
    where = folder if folder is not None else Path(settings.runs or f"runs/{path.stem}")
    problems = [*_problems(settings, document), *map(_owned, laid_over)]
    problems = [problem for problem in problems if problem]
    if problems:
        raise ConfigError("\n".join(problems))
    cells = tuple(_cells(settings, document, found.parent, where, laid_over))
    _check_equal_terms(cells, document)
    return Study(
        name=path.stem,
        folder=where,
        methods=tuple(settings.methods),
        tasks=tuple(settings.tasks),
        seeds=settings.seeds,
        budget=settings.budget.model_dump(mode="json"),
        cells=cells,
    )


def _found(path: Path, beside: Path | None) -> Path:
    """A file as a config finds it: in a folder or the working folder, else the shipped one."""
    there = path if beside is None else beside / path
    if there.exists() or path.is_absolute() or ".." in path.parts:
        return there
    try:
        return shipped(str(path))
    except FileNotFoundError:
        return there


def _settings(document: Document) -> StudySettings:
    try:
        return StudySettings.model_validate_json(json.dumps(document.tree, default=_plain))
    except ValidationError as error:
        raise explained(error, document, StudySettings) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{document.name}: {error}") from error


def _plain(value: object) -> str:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    raise TypeError(f"expected a plain YAML value, found {type(value).__name__}")


def _problems(settings: StudySettings, document: Document) -> Iterator[str]:
    """What the types of the keys do not show, one line a problem."""
    if settings.budget.deadline is not None:
        yield (
            f"{document.where(('budget', 'deadline'))}: budget.deadline: expected a limit that is the same for every "
            f"cell, found a time of day: use minutes"
        )
    if len(set(settings.seeds)) < len(settings.seeds):
        yield f"{document.where(('seeds',))}: seeds: expected different seeds, found one twice"
    count = len(settings.methods) * len(settings.tasks) * len(settings.seeds)
    if count > _MOST_CELLS:
        yield f"{document.name}: expected at most {_MOST_CELLS:,} cells, found {count:,}"
    for key, value in settings.overrides.items():
        yield from _wrong_override(("overrides",), key, value, document)
    for section, held in (("methods", settings.methods), ("tasks", settings.tasks)):
        for name, overrides in held.items():
            where = document.where((section, name))
            if not _NAME.fullmatch(name):
                yield (
                    f"{where}: {section}: expected a name of letters, digits, `_`, `.`, `+` and `-`, found {name!r}, "
                    f"which names no folder"
                )
            for key, value in overrides.items():
                yield from _wrong_override((section, name), key, value, document)
            if section == "methods" and CONFIG not in overrides and settings.config is None:
                yield f"{where}: methods.{name}: expected `config:` here or at the top of the study, found neither"


def _wrong_override(steps: tuple[str, ...], key: str, value: Any, document: Document) -> Iterator[str]:
    place = f"{document.where((*steps, key))}: {'.'.join(steps)}: {key}"
    if steps[0] == "methods" and key == CONFIG:
        if not isinstance(value, str) or not value:
            yield f"{place}: expected the name of a config file, found {described(value)}"
    elif not is_address(key):
        yield f"{place}: expected a key of a config, such as search.rule, found {key!r}"
    elif key.partition(".")[0] in _OWN:
        yield f"{place}: the study sets this key, the same for all cells: leave it out"


def _owned(assignment: Assignment) -> str:
    """What is wrong with an override for all configs of a key that the study sets; "" for any other."""
    if assignment.steps[0] not in _OWN:
        return ""
    return f"{assignment.origin}: a study sets this key by its own `seeds` and `runs`: use -s seeds=[1,2] or --run DIR"


def _cells(
    settings: StudySettings, document: Document, beside: Path, folder: Path, laid_over: Sequence[Assignment]
) -> Iterator[Cell]:
    """Seeds outside and methods inside, so that a machine that changes over the hours does so under all methods alike;
    the method that goes first changes from seed to seed.
    """
    methods = list(settings.methods)
    for at, seed in enumerate(settings.seeds):
        first = at % len(methods)
        for task in settings.tasks:
            for method in methods[first:] + methods[:first]:
                layers = _layers(settings, document, task, method, at)
                config = _config(settings, document, beside, method, [*layers, *laid_over])
                place = folder / task / method / f"seed-{seed}"
                yield Cell(method=method, task=task, seed=seed, config=config, folder=place)


def _layers(settings: StudySettings, document: Document, task: str, method: str, at: int) -> list[Assignment]:
    """What is laid over the config of a method on a task with seed number `at`."""
    own = {key: value for key, value in settings.methods[method].items() if key != CONFIG}
    return [
        *_layer(("overrides",), settings.overrides, document),
        *_layer(("tasks", task), settings.tasks[task], document),
        *_layer(("methods", method), own, document),
        _assignment("budget", document.tree["budget"], document, ("budget",)),
        _assignment("seed", settings.seeds[at], document, ("seeds", at)),
    ]


def _config(
    settings: StudySettings, document: Document, beside: Path, method: str, layers: Sequence[Assignment]
) -> Config:
    """The config of a method with these layers over it. Raises ConfigError."""
    where = f"{document.where(('methods', method))}: methods.{method}"
    written = str(settings.methods[method].get(CONFIG, settings.config))
    path = _found(Path(written), beside)
    if not path.exists():
        raise ConfigError(
            f"{where}: no such config file: {written} (looked beside the study, as {path}, and among the shipped files)"
        )
    config = load(path, layers)
    if config.kind == EXTERNAL_PROPOSER:
        raise ConfigError(f"{where}: expected a proposer that works on its own, found proposer.kind: {config.kind}")
    return config


def _layer(steps: tuple[str, ...], overrides: Mapping[str, Any], document: Document) -> list[Assignment]:
    """Overrides that stand in a section of the study file."""
    return [_assignment(key, value, document, (*steps, key)) for key, value in overrides.items()]


def _assignment(address: str, value: Any, document: Document, steps: tuple[str | int, ...]) -> Assignment:
    """`value` at an address, its origin the place in the study file."""
    return Assignment(address=address, value=value, origin=f"{document.where(steps)}: {key_path(steps)}")


def _check_equal_terms(cells: tuple[Cell, ...], document: Document) -> None:
    """Raises ConfigError where two methods would be judged differently on the same task."""
    for one, other in pairwise(sorted(cells, key=lambda cell: (cell.task, cell.seed))):
        if (one.task, one.seed) != (other.task, other.seed):
            continue
        mine, yours = one.config.resolved(), other.config.resolved()
        lines = [line for line in difference(mine, yours) if not line.startswith(f"{_MAY_DIFFER}: ")]
        lines += conflicts({"objective": mine["objective"]}, {"objective": yours["objective"]}, aside=())
        if lines:
            raise ConfigError(
                f"{document.where(('methods', other.method))}: on {one.task} the methods {one.method} and "
                f"{other.method} would be judged differently, and their results would not compare:\n  "
                + "\n  ".join(_between(line, one.method, other.method) for line in lines)
            )


def _between(line: str, one: str, other: str) -> str:
    """A line of differences, with the methods' names in place of the run and the config."""
    line = line.replace(" in the run, ", f" in {one}, ")
    return re.sub(r" in the (config|study)$", f" in {other}", line)
