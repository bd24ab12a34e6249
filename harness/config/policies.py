"""The reference of a config where it is an engine's policy, by name, and no file.

Owns: what of such a reference is stored with a run, and where wheels are looked for. Does not know: engines, wheels.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from evaluator import Task, kind_of
from evaluator.types import EvaluatorError
from harness.config.document import ConfigError, Document
from harness.config.files import File
from harness.config.schema import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(File):
    """A policy as a file that a run stores: `name` is the policy's with the engine's version, and `path` only that
    name; `content` is the program.
    """

    content: str

    def text(self) -> str:
        return self.content


def policy_of(settings: Settings, task: Task, folder: Path, document: Document) -> Policy | None:
    """The policy that `judge.reference` names; None where it names a file. Raises ConfigError.

    Wheels are looked for beside the config.
    """
    wheels = tuple(folder / written for written in settings.judge.engine_wheels)
    try:
        named = kind_of(task).policy(settings.judge.reference or "", task, wheels)
    except EvaluatorError as error:
        raise ConfigError(f"{document.where(('judge', 'reference'))}: judge.reference: {error}") from error
    if named is None:
        return None
    digest = hashlib.sha256(named.source.encode()).hexdigest()
    return Policy(name=named.name, path=Path(named.name), sha256=digest, content=named.source)
