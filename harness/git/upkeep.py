"""Keeping a repository small and quick while it is written to: loose objects into packs, loose refs into one file.

Owns: what is due, the order in which it is done so that a kill or a power cut loses nothing, and that one process does
it at a time. Does not know: what an attempt is; which object belongs together with which it is told (`Group`).

The order. Objects go into a pack that git has checked and synced; only then are the loose ones removed. Refs go into
`packed-refs`, synced; only then are the loose ones removed, each under its lock. A ref that is loose is the mark of
what is still to be done. Nothing is ever dropped: objects that no ref leads to stay as they are.

Eight small packs are merged into one, and what comes of that is left alone: so each object is rewritten twice, there
are few packs, and no single write floods the disk that the writer waits for.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.git.command import run_git
from harness.git.packs import Loose, PackWriter, merge_packs, object_count, read_loose, remove_loose
from harness.git.refs import PackedRefs, prune
from harness.git.store import is_id

PORTION = 1000
"""So many refs, and the objects they lead to, are packed at once."""
_LOCK = "packsmith.upkeep"
_MERGED, _SMALL = 8, 20_000
"""So many packs of fewer than so many objects are merged into one."""
_STRAY_S, _LOCKED_S = 3600.0, 60.0
"""Files that others make are left alone for so long: objects, and `packed-refs.lock`, which nobody needs for a second.
"""
_NAME = re.compile(r"[0-9A-Za-z_-]+")
"""Names of refs that packed are as good as loose: to git, a name it does not allow spoils the whole file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The objects of one commit. `version` is made from an earlier one, `origin`, or has that in common with its
    siblings; `others` are like nothing else.
    """

    version: str
    origin: str
    others: Sequence[str]


Read = Callable[[str], Loose | None]
"""Reads a loose object; None where there is none."""
Grouped = Callable[[Read, str], Group]
"""The objects of a ref's commit; those that are not loose may be among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is done at once, and how long what others left behind is not touched."""

    portion: int
    stray_s: float
    locked_s: float


def usual_pace() -> Pace:
    return Pace(portion=PORTION, stray_s=_STRAY_S, locked_s=_LOCKED_S)


class Upkeep:
    """The upkeep of one folder of refs that never change."""

    def __init__(self, repository: Path, refs: str, grouped: Grouped, pace: Pace | None = None) -> None:
        self._path, self._refs, self._grouped = repository, refs, grouped
        self._packed = PackedRefs(repository)
        self._pace = pace or usual_pace()

    def due(self) -> None:
        """Do what is due, unless somebody is at it. Raises GitError, OSError; then it is as due as before."""
        self._do(portion=self._pace.portion, packs=_MERGED)

    def all(self) -> None:
        """Do all that can be done, once nobody else is at it. Raises GitError, OSError."""
        self._do(portion=1, packs=2, wait=True)

    def loose(self) -> int:
        """How many refs are still to be packed."""
        return len(self._loose_refs())

    def _do(self, portion: int, packs: int, *, wait: bool = False) -> None:
        with self._alone(wait) as lock:
            if lock is not None:
                while self._portion(lock, least=portion):
                    pass
                self._merge(lock, least=packs)

    @contextlib.contextmanager
    def _alone(self, wait: bool) -> Iterator[int | None]:
        """A descriptor that holds the lock, also for the git processes it is passed to; None where another has it, and
        we do not `wait`.
        """
        lock = os.open(self._path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield None
                return
            self._sweep()
            yield lock
        finally:
            os.close(lock)

    def _portion(self, lock: int, least: int) -> bool:
        """Pack the oldest refs and their objects; False where there are fewer than `least`."""
        names = sorted(self._loose_refs())[: self._pace.portion]
        if len(names) < least:
            return False
        refs = {name: found for name in names if is_id(found := _content(self._path / name))}
        if not refs:
            return False
        self._pack_objects(lock, list(refs.values()))
        if not self._packed.add(refs):
            return False
        # A lock that somebody died with keeps its ref: without any progress this would go on for ever.
        return sum(prune(str(self._path / name), found) for name, found in refs.items()) > 0

    def _pack_objects(self, lock: int, commits: Sequence[str]) -> None:
        objects = f"{self._path}/objects"
        writer = PackWriter(self._path / f"objects/pack/tmp_spool_{os.getpid():x}")
        small: dict[str, Loose] = {}

        def read(object_id: str) -> Loose | None:
            """Commits and trees are asked for again: by what is made from them, and to be packed."""
            found = small.get(object_id) or read_loose(objects, object_id)
            if found is not None and found.kind != b"blob":
                small[object_id] = found
            return found

        try:
            added: set[str] = set()
            siblings: dict[str, str] = {}
            latest = ""
            for commit in commits:
                group = self._grouped(read, commit)
                base = group.origin if writer.has(group.origin) else siblings.get(group.origin, latest)
                siblings.setdefault(group.origin, group.version)
                latest = group.version
                self._add(writer, added, read(group.version), base, keep=True)
                for object_id in group.others:
                    self._add(writer, added, read(object_id))
            if writer.ids:
                writer.finish(self._path, lock)
                remove_loose(objects, writer.ids)
        finally:
            writer.close()

    def _add(
        self, writer: PackWriter, added: set[str], found: Loose | None, base: str = "", *, keep: bool = False
    ) -> None:
        if found is not None and found.id not in added:
            added.add(found.id)
            writer.add(found, base, keep=keep)

    def _merge(self, lock: int, least: int) -> None:
        indices = sorted((self._path / "objects/pack").glob("pack-*.idx"))
        small = [index for index in indices if 0 < object_count(index) < _SMALL and not _kept(index)]
        if len(small) >= least:
            merge_packs(self._path, small, lock)

    def _loose_refs(self) -> list[str]:
        try:
            names = os.listdir(self._path / self._refs)  # noqa: PTH208
        except FileNotFoundError:
            return []
        return [f"{self._refs}/{name}" for name in names if _NAME.fullmatch(name)]

    def _sweep(self) -> None:
        """Remove what dead ones left: ours, and in time that of others. A pack without an index gets one: it may hold
        what nothing else does.
        """
        now = time.time()
        for path in (self._path / "objects/pack").iterdir():
            with contextlib.suppress(FileNotFoundError):
                strange = path.name.startswith("tmp_") and now - path.stat().st_mtime > self._pace.stray_s
                if strange or path.name.startswith("tmp_spool_"):
                    path.unlink()
                elif path.suffix == ".pack" and now - path.stat().st_mtime > self._pace.stray_s:
                    self._mend(path)
        with contextlib.suppress(FileNotFoundError):
            lock = self._path / "packed-refs.lock"
            if now - lock.stat().st_mtime > self._pace.locked_s:
                lock.unlink()

    def _mend(self, pack: Path) -> None:
        if not pack.with_suffix(".idx").exists():
            run_git(f"--git-dir={self._path}", "index-pack", str(pack))  # one that is torn stays as it is


def _content(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""


def _kept(index: Path) -> bool:
    return index.with_suffix(".keep").exists()
