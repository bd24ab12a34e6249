"""The best attempt of an archive, read without the others, so that the size of the run does not matter.

Owns: when this shortcut is valid. Does not know: error messages for damage: opening the archive gives those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.archive.attempt_table import ATTEMPTS
from harness.archive.commits import ATTEMPT, PROGRAM, ArchiveError, Damaged, Root, read_attempts
from harness.archive.opening import BEST, repository_at, root_of
from harness.archive.records import RecordError, record_from_bytes
from harness.archive.texts import Texts
from harness.git import Repository
from harness.types import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """An attempt, its program, and the config of its run."""

    config: Mapping[str, Any]
    entry: Entry
    source: str


def best(path: Path) -> Glance | None:
    """The attempt that `refs/heads/best` names; None if it names none, if anything about it is damaged, and if its
    verdict was taken over from another attempt: no search makes such an attempt the best.

    Raises ArchiveError if `path` is not an archive.
    """
    repository = repository_at(path)
    try:
        return _best(repository, root_of(repository))
    finally:
        repository.close()


def _best(repository: Repository, root: Root) -> Glance | None:
    commit = repository.ref(BEST)
    if not commit or commit == root.id:
        return None
    try:
        number = record_from_bytes(repository.read(f"{commit}:{ATTEMPT}").data).number
        ref = f"{ATTEMPTS}/{number:06d}"
        if repository.ref(ref) != commit:
            return None
        (attempt,) = read_attempts(repository, {ref: commit})
        if isinstance(attempt, Damaged) or attempt.entry.same_as:
            return None
        source = Texts(repository).program(attempt.entry.program_id, f"{PROGRAM} of {commit[:12]}")
    except (RecordError, ArchiveError):
        return None
    return Glance(config=root.config, entry=attempt.entry, source=source)
