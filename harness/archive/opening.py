"""Creating an archive, and diagnosing a folder that should hold one.

Owns: the order of creation, and the error messages about folders, disks and permissions.
Does not know: attempts, tickets, how an open archive is used.
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
from harness.text import meant

BEST = "refs/heads/best"
SEED = "refs/heads/seed"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


def exists(path: Path) -> bool:
    """Whether `path` holds an archive, whole or damaged, rather than a free folder or an unfinished creation."""
    packed = path / "packed-refs"
    if (path / SEED).is_file():
        return True
    return packed.is_file() and (_has_packs(path) or f" {SEED}\n".encode() in packed.read_bytes())


def make(
    path: Path, seed_source: str, config: Mapping[str, Any], files: Mapping[str, str], *, imported: bool = False
) -> Repository | None:
    """Create the repository and its root commit; None if another process was faster. Raises ArchiveError."""
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
                        batch,
                        seed_source=seed_source,
                        config=config,
                        files=files,
                        when_s=int(time.time()),
                        imported=imported,
                    )
                repository.set_ref(BEST, root_id)
                repository.set_ref(SEED, root_id)
            repository.share()
        except BaseException:
            repository.close()
            raise
        return repository if made else None


def repository_at(path: Path) -> Repository:
    """The repository at `path`. Raises ArchiveError if there is no readable one."""
    if not path.is_dir():
        raise ArchiveError(f"expected a run at {path}, found {_instead(path)}")
    try:
        return Repository(path)
    except (GitError, OSError) as error:
        raise ArchiveError(_not_an_archive(path, str(error))) from error


def _instead(path: Path) -> str:
    """What there is in place of a folder, and what to do."""
    do = "`packsmith search` creates one"
    if path.exists():
        return f"a file: {do}"
    beside = (str(path.parent / each.name) for each in path.parent.glob("*") if each.is_dir() and exists(each))
    with contextlib.suppress(OSError):  # a folder that cannot be read
        if near := meant(str(path), beside):
            return f"no such folder{near}"
    return f"no such folder: {do}"


def root_of(repository: Repository) -> Root:
    """The root of the run. Raises ArchiveError if the repository is not an archive, or its root is damaged."""
    try:
        root_id = repository.ref(SEED)
    except OSError as error:
        raise ArchiveError(_not_an_archive(repository.path, str(error))) from error
    if root_id is None:
        raise ArchiveError(_not_an_archive(repository.path, f"it has no {SEED}"))
    if not root_id:
        raise ArchiveError(
            f"{repository.path / SEED} is torn. The attempts are intact: put the id of the root commit in it "
            f"(`git rev-list --max-parents=0 --glob={ATTEMPTS}`) and open the archive again"
        )
    return read_root(repository, root_id)


@contextlib.contextmanager
def disk_advice(path: Path, what: str, safe: str) -> Iterator[None]:
    """Turns an OSError within the block into an ArchiveError that says what is safe and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            why, do = "no space is left on the disk", "free some and run the same command again to continue"
        elif error.errno in _READ_ONLY:
            why, do = "the folder cannot be written to", "make it writable, or name another folder with --run"
        else:
            why, do = error.strerror or str(error), "fix that and run the same command again to continue"
        raise ArchiveError(f"could not write {what} to {path}: {why}; {safe}. What to do: {do}") from error


def _has_packs(path: Path) -> bool:
    """Whether there are packs: only in a run, never in an interrupted creation."""
    return any((path / "objects/pack").glob("*.pack"))


def _has_refs(path: Path) -> bool:
    """Whether there are refs of attempts, loose or packed: only in a run, never in an interrupted creation."""
    return (path / "packed-refs").exists() or any((path / "refs/attempts").glob("*"))


def _not_an_archive(path: Path, problem: str) -> str:
    if (path / WRITERS_LOCK).exists() and _has_refs(path) and not (path / "HEAD").exists():
        return (
            f"expected a run at {path}, found attempts and no file HEAD, without which git takes it for no repository. "
            f"The attempts are intact: write the line `ref: refs/heads/best` into {path / 'HEAD'}"
        )
    if (path / WRITERS_LOCK).exists() and _has_packs(path):
        return (
            f"expected a run at {path}, found packed objects and no {SEED}: a run whose refs are lost. Its "
            f"attempts are intact: restore `packed-refs` from a copy, a mirror or a bundle of it, or name another "
            f"folder with --run"
        )
    if (path / WRITERS_LOCK).exists():
        return f"the archive at {path} was never finished, and nothing was judged: run the search again to create it"
    if runs := sorted(path.glob(f"*/{WRITERS_LOCK}")):
        return f"expected a run of packsmith at {path}, found a folder of runs: name one, such as {runs[0].parent}"
    return f"expected a run of packsmith at {path}, found none: {problem}"
