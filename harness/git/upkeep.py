"""Upkeep of a repository while it is written to: loose objects go into packs, loose refs into one file.

Owns: what is due, an order that loses nothing in a kill or a power cut, and that one process works at a time.
Does not know: what an attempt is; a callback says which objects belong together (`Group`).

The order. Objects go into a pack that git checks and syncs; only then are the loose ones removed. Refs go into
`packed-refs`, synced; only then are the loose ones removed, each under its lock. A loose ref marks work still to do.
Nothing is ever dropped: unreferenced objects stay.

Eight small packs are merged into one, which is then left alone. So each object is rewritten twice, there are few packs,
and no single write floods the disk that the writer waits for.
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
"""Refs that are packed at once, with the objects they reach."""
_LOCK = "packsmith.upkeep"
_MERGED, _SMALL = 8, 20_000
"""How many packs are merged into one, and below how many objects a pack is small."""
_STRAY_S, _LOCKED_S = 3600.0, 60.0
"""Age at which files of other tools are removed: temporary objects, and `packed-refs.lock`, which is held briefly."""
_NAME = re.compile(r"[0-9A-Za-z_-]+")
"""Names of refs that may be packed: git rejects a `packed-refs` file with an invalid name in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The object ids of one commit. `version` is similar to an earlier object, `origin`, and to others with the same
    origin, so they make good deltas; `others` are packed whole.
    """

    version: str
    origin: str
    others: Sequence[str]


Read = Callable[[str], Loose | None]
"""Reads a loose object by id; None if it is not loose."""
Grouped = Callable[[Read, str], Group]
"""The objects of a ref's commit, loose or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many refs are packed at once, and the age in seconds at which leftovers are removed."""

    portion: int
    stray_s: float
    locked_s: float


def usual_pace() -> Pace:
    return Pace(portion=PORTION, stray_s=_STRAY_S, locked_s=_LOCKED_S)


class Upkeep:
    """The upkeep of one folder of immutable refs."""

    def __init__(self, repository: Path, refs: str, grouped: Grouped, pace: Pace | None = None) -> None:
        self._path, self._refs, self._grouped = repository, refs, grouped
        self._packed = PackedRefs(repository)
        self._pace = pace or usual_pace()

    def due(self) -> None:
        """Do what is due, unless another process is at work. Raises GitError, OSError; the work then remains due."""
        self._do(portion=self._pace.portion, packs=_MERGED)

    def all(self) -> None:
        """Do all possible upkeep, after any other process is done. Raises GitError, OSError."""
        self._do(portion=1, packs=2, wait=True)

    def loose(self) -> int:
        """The number of refs that are not packed yet."""
        return len(self._loose_refs())

    def _do(self, portion: int, packs: int, *, wait: bool = False) -> None:
        with self._alone(wait) as lock:
            if lock is not None:
                while self._portion(lock, least=portion):
                    pass
                self._merge(lock, least=packs)

    @contextlib.contextmanager
    def _alone(self, wait: bool) -> Iterator[int | None]:
        """A descriptor that holds the lock, which git processes may inherit; None if another process has the lock and
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
        """Pack the oldest refs and their objects; False if there are fewer than `least`, or no progress is possible."""
        names = sorted(self._loose_refs())[: self._pace.portion]
        if len(names) < least:
            return False
        refs = {name: object_id for name in names if is_id(object_id := _content(self._path / name))}
        if not refs:
            return False
        self._pack_objects(lock, list(refs.values()))
        if not self._packed.add(refs):
            return False
        # A ref with a dead process's lock stays: without this check the loop would not end.
        return sum(prune(str(self._path / name), object_id) for name, object_id in refs.items()) > 0

    def _pack_objects(self, lock: int, commits: Sequence[str]) -> None:
        objects = f"{self._path}/objects"
        writer = PackWriter(self._path / f"objects/pack/tmp_spool_{os.getpid():x}")
        small: dict[str, Loose] = {}

        def read(object_id: str) -> Loose | None:
            """Commits and trees are cached: their children read them again."""
            loose = small.get(object_id) or read_loose(objects, object_id)
            if loose is not None and loose.kind != b"blob":
                small[object_id] = loose
            return loose

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
        self, writer: PackWriter, added: set[str], loose: Loose | None, base: str = "", *, keep: bool = False
    ) -> None:
        if loose is not None and loose.id not in added:
            added.add(loose.id)
            writer.add(loose, base, keep=keep)

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
        """Remove what dead processes left: ours at once, that of other tools after a while. Index a pack that has no
        index: it may hold the only copy of an object.
        """
        now = time.time()
        for path in (self._path / "objects/pack").iterdir():
            with contextlib.suppress(FileNotFoundError):
                strange = path.name.startswith("tmp_") and now - path.stat().st_mtime > self._pace.stray_s
                if strange or path.name.startswith("tmp_spool_"):
                    path.unlink()
                elif path.suffix == ".pack" and now - path.stat().st_mtime > self._pace.stray_s:
                    self._index(path)
        with contextlib.suppress(FileNotFoundError):
            lock = self._path / "packed-refs.lock"
            if now - lock.stat().st_mtime > self._pace.locked_s:
                lock.unlink()

    def _index(self, pack: Path) -> None:
        if not pack.with_suffix(".idx").exists():
            run_git(f"--git-dir={self._path}", "index-pack", str(pack))  # a torn pack stays unchanged


def _content(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""


def _kept(index: Path) -> bool:
    return index.with_suffix(".keep").exists()
