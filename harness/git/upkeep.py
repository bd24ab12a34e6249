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
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.git.command import GitError, run_git
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


class Upkeep:
    """The upkeep of one folder of refs that never change. Work is done in a thread, at most one at a time."""

    def __init__(self, repository: Path, refs: str, grouped: Grouped, packed: PackedRefs) -> None:
        self._path, self._refs, self._grouped, self._packed = repository, refs, grouped, packed
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._loose = -1

    def made(self, count: int) -> None:
        """So many refs were made: begin if it is time."""
        if self._loose < 0:
            with contextlib.suppress(OSError):
                self._loose = len(self._loose_refs())
        self._loose += count
        if self._loose >= PORTION and (self._thread is None or not self._thread.is_alive()):
            self._stopping.clear()
            self._thread = threading.Thread(target=self._work, name="upkeep", daemon=True)
            self._thread.start()
            self._loose = 0

    def close(self, *, wait: bool) -> None:
        """End the work: after the portion in hand, or at once."""
        if not wait:
            self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def all(self) -> None:
        """Do all that can be done, now. Raises GitError, OSError."""
        self.close(wait=True)
        self._stopping.clear()
        with self._alone() as lock:
            if lock is not None:
                while self._portion(lock, least=1):
                    pass
                self._merge(lock, least=2)

    def _work(self) -> None:
        # What fails here is tried again with the next portion; nothing depends on it.
        with contextlib.suppress(GitError, OSError), self._alone() as lock:
            if lock is not None:
                while not self._stopping.is_set() and self._portion(lock, least=PORTION):
                    pass
                self._merge(lock, least=_MERGED)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[int | None]:
        """A descriptor that holds the lock, also for the git processes it is passed to; None where another has it."""
        lock = os.open(self._path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            self._sweep()
            yield lock
        finally:
            os.close(lock)

    def _portion(self, lock: int, least: int) -> bool:
        """Pack the oldest refs and their objects; False where there are fewer than `least`."""
        names = sorted(self._loose_refs())[:PORTION]
        if len(names) < least:
            return False
        refs = {name: found for name in names if is_id(found := _content(self._path / name))}
        if not refs or not self._pack_objects(lock, list(refs.values())) or not self._packed.add(refs):
            return False
        # A lock that somebody died with keeps its ref: without any progress this would go on for ever.
        return sum(prune(str(self._path / name), found) for name, found in refs.items()) > 0

    def _pack_objects(self, lock: int, commits: Sequence[str]) -> bool:
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
                if self._stopping.is_set():
                    return False
                group = self._grouped(read, commit)
                base = group.origin if writer.has(group.origin) else siblings.get(group.origin, latest)
                siblings.setdefault(group.origin, group.version)
                latest = group.version
                self._add(writer, added, read(group.version), base, keep=True)
                for object_id in group.others:
                    self._add(writer, added, read(object_id))
            if writer.ids:
                if not writer.finish(self._path, lock, self._stopping.is_set):
                    return False
                remove_loose(objects, writer.ids)
            return True
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
        if len(small) >= least and not self._stopping.is_set():
            merge_packs(self._path, small, lock, self._stopping.is_set)

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
                strange = path.name.startswith("tmp_") and now - path.stat().st_mtime > _STRAY_S
                if strange or path.name.startswith("tmp_spool_"):
                    path.unlink()
                elif path.suffix == ".pack" and now - path.stat().st_mtime > _STRAY_S:
                    self._mend(path)
        with contextlib.suppress(FileNotFoundError):
            lock = self._path / "packed-refs.lock"
            if now - lock.stat().st_mtime > _LOCKED_S:
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
