"""The config of a run, restored from its archive.

Owns: how a resolved config and the files stored with it become a config again. Does not know: archives, and how a
config is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from pydantic import TypeAdapter

from evaluator.tasks import TASKS
from harness.config.config import Config, load, objective_of
from harness.config.differences import difference
from harness.config.document import ConfigError
from harness.config.schema import ObjectiveSection
from harness.prompt import read_templates
from harness.proposers import EXTERNAL_PROPOSER
from harness.select import Objective

REFERENCE, TASK, PROMPTS = "reference.py", "task.py", "prompts.json"
"""The names under which a run stores its reference program, the file of a task of one's own, and own templates of
prompts, as one JSON object: texts by name.
"""


def stored_files(config: Config) -> dict[str, str]:
    """The texts that a run of this config stores beside its seed program, by name. Raises HarnessError where its folder
    of prompts is missing or has none: a run that began without them could not answer `ask` from what it stores.
    """
    files = {REFERENCE: config.reference.text()}
    if config.task_file is not None:
        files[TASK] = config.task_file.text()
    if config.prompts is not None:
        ships = read_templates()
        own = {name: text for name, text in read_templates(config.prompts).items() if ships.get(name) != text}
        files[PROMPTS] = json.dumps(own, indent=1)
    return files


def stored_objective(resolved: Mapping[str, Any]) -> Objective:
    """The objective of a resolved config."""
    adapter: TypeAdapter[ObjectiveSection] = TypeAdapter(ObjectiveSection)
    return objective_of(adapter.validate_json(json.dumps(resolved["objective"])))


def restored(
    resolved: Mapping[str, Any],
    *,
    program: str,
    reference: str | None,
    task: str | None = None,
    prompts: str | None = None,
    folder: Path,
) -> Config:
    """Rebuild a config from its `resolved()` form, as far as judging and prompts need it.

    Its programs, own templates (`prompts`), and the file of a task of one's own (`task`, which is executed), are
    written into `folder`, which is empty and must exist while the config is used. The proposer and the models are left
    out. Raises ConfigError if the stored data is not enough to judge by, or if this version of packsmith would judge
    differently.
    """
    if traces := resolved["task"]["traces"]:
        names = ", ".join(trace["file"] for trace in traces)
        raise ConfigError(f"the loads of this run ({names}) are not stored with it: add --config with its config file")
    if reference is None:
        name = resolved["judge"]["reference"]["file"]
        raise ConfigError(
            f"the reference program of this run ({name}) is not stored with it, as in runs of earlier versions: add "
            f"--config with its config file"
        )
    tree = json.loads(json.dumps(resolved))
    named = resolved["task"]["name"]
    if task is not None:
        named = _write(folder / "task", resolved["task"]["file"]["file"], task)
    elif named not in TASKS:  # a path, in a run from elsewhere, must not make us execute a file of this machine
        raise ConfigError(f"the task of this run is {named!r}, expected one of {', '.join(TASKS)}, or a stored file")
    tree["task"] = {**resolved["task"]["options"], "name": named}
    tree["judge"].setdefault("held_out", False)  # a run of an earlier version
    tree["program"] = _write(folder / "program", resolved["program"]["file"], program)
    tree["judge"]["reference"] = _write(folder / "reference", resolved["judge"]["reference"]["file"], reference)
    tree["proposer"] |= {"kind": EXTERNAL_PROPOSER, "mix": None, "patches": [], "prompts": None, "from": None}
    if prompts is not None:
        tree["proposer"]["prompts"] = _write_templates(folder / "prompts", prompts)
    tree["models"] = []
    path = folder / "config.yaml"
    path.write_text(json.dumps(tree))
    config = load(path)
    if lines := difference(resolved, config.resolved()):
        raise ConfigError(
            "this version of packsmith would judge the run differently from how it was started:\n  "
            + "\n  ".join(lines)
        )
    return config


def _write_templates(folder: Path, stored: str) -> str:
    """Write templates that a run stores; returns the folder. Raises ConfigError for others."""
    try:
        texts = dict(json.loads(stored))
        for name, text in texts.items():
            path = folder / name
            if not name.endswith(".j2") or not path.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"a template called {name!r}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise ConfigError(f"the prompts that the run stores ({PROMPTS}) cannot be used: {error}") from error
    return str(folder)


def _write(folder: Path, name: str, text: str) -> str:
    """Write a text under the last part of its old name; returns the path."""
    folder.mkdir(parents=True)
    path = folder / PurePath(name).name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return str(path)
