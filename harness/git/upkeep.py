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
from harness.git.locks import Sheet
from harness.git.packs import (
    OURS,
    Loose,
    PackWriter,
    merge_packs,
    object_count,
    packed_ids,
    read_loose,
    remove_loose,
    remove_pack,
)
from harness.git.refs import PackedRefs, prune
from harness.git.rounds import PASSING, ROUND, RoundPack
from harness.git.store import TEMPORARY, is_id

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
            self._let_go(self._rounds())
            yield lock
        finally:
            os.close(lock)

    def _portion(self, lock: int, least: int) -> bool:
        """Pack the oldest refs and their objects; False if there are fewer than `least`, or no progress is possible."""
        rounds = self._rounds()
        refs = self._ready(rounds)
        if len(refs) < least or not refs:
            return False
        self._pack_objects(lock, list(refs.values()), rounds)
        if not self._packed.add(refs):
            return False
        # A ref with a dead process's lock stays: without this check the loop would not end.
        sheet = Sheet(f"{self._path}/objects/{TEMPORARY}{os.getpid():x}_upkeep")
        try:
            return sum(prune(str(self._path / name), object_id, sheet) for name, object_id in refs.items()) > 0
        finally:
            sheet.close()

    def _ready(self, rounds: list[RoundPack]) -> dict[str, str]:
        """The oldest loose refs, and whatever shares a batch's pack with them; removes from `rounds` those that are not
        ready: of which a commit has no ref yet.
        """
        loose = {name: _content(self._path / name) for name in sorted(self._loose_refs())}
        named = {*loose.values(), *(object_id for _, object_id in self._packed.under(self._refs))}
        late = [each for each in rounds if not (named.issuperset(each.commits) or self._is_old(each.index))]
        rounds[:] = [each for each in rounds if each not in late]
        later = {commit for each in late for commit in each.commits}
        whole = [name for name, object_id in loose.items() if is_id(object_id) and object_id not in later]
        chosen = {name: loose[name] for name in whole[: self._pace.portion]}
        first = set(chosen.values())
        shared = {commit for each in rounds if not first.isdisjoint(each.ids) for commit in each.commits}
        return chosen | {name: loose[name] for name in whole[self._pace.portion :] if loose[name] in shared}

    def _is_old(self, path: Path) -> bool:
        try:
            return time.time() - path.stat().st_mtime > self._pace.stray_s
        except OSError:
            return False

    def _pack_objects(self, lock: int, commits: Sequence[str], rounds: Sequence[RoundPack]) -> None:
        objects = f"{self._path}/objects"
        writer = PackWriter(self._path / f"objects/pack/tmp_spool_{os.getpid():x}")
        small: dict[str, Loose] = {}
        places = {object_id: each for each in rounds for object_id in each.ids}

        def read(object_id: str) -> Loose | None:
            """Commits and trees are cached: their children read them again."""
            loose = small.get(object_id) or read_loose(objects, object_id)
            if loose is None and object_id in places and (found := places[object_id].read(object_id)) is not None:
                loose = Loose(object_id, *found)
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
            for each in rounds:
                if self._is_old(each.index) or not added.isdisjoint(each.ids):
                    for object_id in each.ids:
                        self._add(writer, added, read(object_id))
            if writer.ids:
                writer.finish(self._path, lock)
                remove_loose(objects, writer.ids)
                self._let_go(rounds)
        finally:
            writer.close()

    def _rounds(self) -> list[RoundPack]:
        rounds = []
        for index in sorted((self._path / "objects/pack").glob(f"{ROUND}-*.idx")):
            with contextlib.suppress(OSError, ValueError):  # `git fsck` reports a damaged one
                rounds.append(RoundPack(index))
        return rounds

    def _let_go(self, rounds: Sequence[RoundPack]) -> None:
        """Remove the packs of batches that are in a larger pack of ours, which is then no longer kept."""
        for keep in (self._path / "objects/pack").glob("pack-*.keep"):
            if _content(keep) != OURS:
                continue
            larger = {object_id.hex() for object_id in packed_ids(keep.with_suffix(".idx"))}
            for each in rounds:
                if each.ids <= larger:
                    remove_pack(each.index)
            keep.unlink(missing_ok=True)

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
                elif (
                    path.suffix == ".pack"
                    and not path.name.startswith(PASSING)
                    and now - path.stat().st_mtime > self._pace.stray_s
                ):
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
