"""Making an archive, and telling what is wrong with a folder that should hold one.

Owns: the order in which an archive comes into being, and the words about folders, disks and rights.
Does not know: attempts, tickets, what becomes of an archive once it is open.
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.archive.attempt_table import ATTEMPTS
from harness.archive.commits import ArchiveError, Root, read_root, write_root
from harness.git import WRITERS_LOCK, GitError, Repository

BEST = "refs/heads/best"
SEED = "refs/heads/seed"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


def exists(path: Path) -> bool:
    """Whether there is a whole archive at `path` (or a damaged one: not a free or an unfinished folder)."""
    packed = path / "packed-refs"
    if (path / SEED).is_file():
        return True
    return packed.is_file() and (_has_packs(path) or f" {SEED}\n".encode() in packed.read_bytes())


def make(path: Path, seed_source: str, config: Mapping[str, Any], files: Mapping[str, str]) -> Repository | None:
    """Make the repository and its root commit; None where another process made them meanwhile."""
    if path.exists() and not path.is_dir():
        raise ArchiveError(f"expected a free folder at {path}, found a file: name another folder")
    with disk_advice(path, "the seed program", "nothing was judged yet"):
        if path.is_dir() and any(path.iterdir()) and not (path / WRITERS_LOCK).exists():
            raise ArchiveError(f"expected a free folder at {path}, found other files in it: name another folder")
        if _has_packs(path):
            raise ArchiveError(_not_an_archive(path, ""))
        repository = Repository.create(path, head=BEST)
        try:
            if made := (repository.ref(SEED) is None):
                with repository.batch() as batch:
                    root_id = write_root(
                        batch, seed_source=seed_source, config=config, files=files, when_s=int(time.time())
                    )
                repository.set_ref(BEST, root_id)
                repository.set_ref(SEED, root_id)
            repository.share()
        except BaseException:
            repository.close()
            raise
        return repository if made else None


def repository_at(path: Path) -> Repository:
    """Raises ArchiveError where there is none that can be read."""
    if not path.is_dir():
        found = "a file" if path.exists() else "no such folder"
        raise ArchiveError(f"expected an archive at {path}, found {found}: `packsmith search` makes one")
    try:
        return Repository(path)
    except (GitError, OSError) as error:
        raise ArchiveError(_not_an_archive(path, str(error))) from error


def root_of(repository: Repository) -> Root:
    """Raises ArchiveError where the repository is no archive, or its root is damaged."""
    try:
        root_id = repository.ref(SEED)
    except OSError as error:
        raise ArchiveError(_not_an_archive(repository.path, str(error))) from error
    if root_id is None:
        raise ArchiveError(_not_an_archive(repository.path, f"it has no {SEED}"))
    if not root_id:
        raise ArchiveError(
            f"{repository.path / SEED} is torn. The attempts are whole: put the id of the root commit in it "
            f"(`git rev-list --max-parents=0 --glob={ATTEMPTS}`) and open the archive again"
        )
    return read_root(repository, root_id)


@contextlib.contextmanager
def disk_advice(path: Path, what: str, safe: str) -> Iterator[None]:
    """What the disk refuses, as an ArchiveError that says what is safe and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            why, do = "no space is left on the disk", "free some and run the same command again to go on"
        elif error.errno in _READ_ONLY:
            why, do = "the folder cannot be written to", "make it writable, or name another folder with --run"
        else:
            why, do = error.strerror or str(error), "mend that and run the same command again to go on"
        raise ArchiveError(f"could not write {what} to {path}: {why}; {safe}. What to do: {do}") from error


def _has_packs(path: Path) -> bool:
    """Whether objects are packed, as those of a run become; a creation that was cut short has none."""
    return any((path / "objects/pack").glob("pack-*.pack"))


def _not_an_archive(path: Path, found: str) -> str:
    if (path / WRITERS_LOCK).exists() and _has_packs(path):
        return (
            f"expected an archive at {path}, found packed objects and no {SEED}: a run whose names are lost. Its "
            f"attempts are whole: put `packed-refs` of a copy, a mirror or a bundle of it there, or name another "
            f"folder with --run"
        )
    if (path / WRITERS_LOCK).exists():
        return f"the archive at {path} was never finished, and nothing was judged: run the search again to make it"
    return f"expected an archive of packsmith at {path}, found none: {found}"
