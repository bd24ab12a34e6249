"""The archive of a run: one attempt = one commit, in a bare git repository that is the run's whole state.

Owns: the refs that name commits, numbers and tickets, and finding attempts again. Does not know: what stands in a
commit (`commits`), how refs and objects are written (`git`), how a verdict is reached.

Refs: `refs/heads/seed` names the root commit (the seed program, the resolved config, the format number) and, made last,
says that the archive is whole; `refs/attempts/000042` are create-only; `refs/pending/000042` hold the trees of
proposals not yet judged; `refs/heads/best` and `refs/elites/*` are derived and may be lost.
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from harness.commits import (
    PROGRAM,
    REPLY,
    Archived,
    ArchiveError,
    Damaged,
    Root,
    read_attempts,
    read_held,
    read_root,
    write_attempt,
    write_held,
    write_root,
)
from harness.git import WRITERS_LOCK, GitError, RefLock, Repository, decode, encode
from harness.records import record_of
from harness.types import Attempt, Entry, Proposal

__all__ = ["Archive", "ArchiveError"]

_BEST = "refs/heads/best"
_SEED = "refs/heads/seed"
_ATTEMPTS = "refs/attempts"
_ELITES = "refs/elites"
_PENDING = "refs/pending"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


class Archive:
    """An open archive. Reading needs no right to write. Several processes may write one; in each, one thread does."""

    def __init__(self, repository: Repository, root: Root) -> None:
        """Use `create`, `open` or `open_or_create`."""
        self.path = repository.path
        self._repository = repository
        self._root = root
        self._by_number: dict[int, Archived] = {}
        self._by_id: dict[str, Entry] = {}
        self._entries: tuple[Entry, ...] | None = None
        self._seen: set[str] = set()
        self._highest = -1
        self._judged: set[str] = set()
        self._damage: dict[str, str] = {}
        self._tickets: dict[int, tuple[str, str]] = {}
        self.refresh()

    @classmethod
    def create(cls, path: Path, *, seed_source: str, config: Mapping[str, Any]) -> Self:
        """Make an archive in a folder that is new, empty, or left by a creation that was cut short.

        Raises ArchiveError, also where there is an archive already.
        """
        if cls.exists(path) or not (made := _make(path, seed_source, config)):
            raise ArchiveError(f"expected a free folder at {path}, found an archive: open it, or name another folder")
        return cls._of(made)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises ArchiveError where there is no whole archive at `path`; single damaged attempts go to `damage`."""
        if not path.is_dir():
            found = "a file" if path.exists() else "no such folder"
            raise ArchiveError(f"expected an archive at {path}, found {found}: `packsmith search` makes one")
        try:
            return cls._of(Repository(path))
        except (GitError, OSError) as error:
            raise ArchiveError(_not_an_archive(path, str(error))) from error

    @classmethod
    def open_or_create(cls, path: Path, *, seed_source: str, config: Mapping[str, Any]) -> Self:
        """The archive at `path`, made first where there is none; an existing one keeps its own seed and config."""
        made = None if cls.exists(path) else _make(path, seed_source, config)
        return cls._of(made) if made else cls.open(path)

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether there is a whole archive at `path` (or a damaged one: not a free or an unfinished folder)."""
        packed = path / "packed-refs"
        return (path / _SEED).is_file() or (packed.is_file() and f" {_SEED}\n".encode() in packed.read_bytes())

    @classmethod
    def _of(cls, repository: Repository) -> Self:
        root_id = repository.ref(_SEED)
        if root_id is None:
            raise ArchiveError(_not_an_archive(repository.path, f"it has no {_SEED}"))
        if not root_id:
            raise ArchiveError(
                f"{repository.path / _SEED} is torn. The attempts are whole: put the id of the root commit in it "
                f"(`git rev-list --max-parents=0 --glob={_ATTEMPTS}`) and open the archive again"
            )
        return cls(repository, read_root(repository, root_id))

    def close(self) -> None:
        self._repository.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Reading

    @property
    def root_id(self) -> str:
        return self._root.id

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved config the run was started with."""
        return self._root.config

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All attempts that can be read, by number."""
        if self._entries is None:
            self._entries = tuple(self._by_number[number].entry for number in sorted(self._by_number))
        return self._entries

    @property
    def archived(self) -> Iterator[Archived]:
        """The entries by number, each with what git alone knows of it."""
        return (self._by_number[number] for number in sorted(self._by_number))

    @property
    def damage(self) -> tuple[str, ...]:
        """One sentence for each attempt or held proposal that cannot be read; everything else is whole."""
        return tuple(f"{ref}: {problem}" for ref, problem in sorted(self._damage.items()))

    @property
    def next_number(self) -> int:
        """The number after the highest one known, readable or not."""
        return self._highest + 1

    def refresh(self) -> tuple[Entry, ...]:
        """Take in what other writers have added since; returns it."""
        refs = self._repository.refs(_ATTEMPTS)
        numbered = sorted(ref for ref in refs.keys() - self._seen if ref.rpartition("/")[2].isdecimal())
        added: list[Entry] = []
        self._entries = None
        for found in read_attempts(self._repository, {ref: refs[ref] for ref in numbered}):
            if isinstance(found, Damaged):
                self._damage[found.ref] = found.problem
            else:
                self._add(found)
                added.append(found.entry)
        self._seen.update(numbered)
        self._highest = max([self._highest, *(_number(ref) for ref in numbered)])
        return tuple(added)

    def fsck(self) -> tuple[str, ...]:
        """What `git fsck --strict` finds wrong, line by line; () for a sound archive."""
        return self._repository.fsck()

    def entry(self, ref: str | int) -> Entry:
        """An attempt by number, commit id (or 4 and more digits of it), `best` or `seed`. Raises ArchiveError."""
        text = str(ref).strip().lower()
        if text == "best":
            text = self._repository.ref(_BEST) or ""
            if text in ("", self.root_id):
                raise ArchiveError("there is no best attempt yet: none was scored, or the search has not chosen one")
        number = 0 if text == "seed" else int(text) if text.isdecimal() else -1
        if number in self._by_number:
            return self._by_number[number].entry
        found = [entry for entry in self.entries if len(text) >= 4 and entry.id.startswith(text)]
        if len(found) == 1:
            return found[0]
        raise ArchiveError(self._no_such(text, found))

    def source(self, commit: str) -> str:
        """The program of an entry's commit, or of the root's. Raises ArchiveError."""
        return self._text(self.program_id(commit), f"{PROGRAM} of {commit[:12]}")

    def program_id(self, commit: str) -> str:
        """The git blob of that program: equal ids are equal programs."""
        return self._root.program_id if commit == self.root_id else self._known(commit).program_id

    def reply(self, commit: str) -> str:
        """The raw reply an attempt was made from. Raises ArchiveError."""
        return self._text(f"{self._known(commit).id}:{REPLY}", f"{REPLY} of {commit[:12]}")

    def pending(self) -> tuple[tuple[int, Proposal], ...]:
        """Held proposals no attempt has come of yet, by number. Their tickets are this archive's from now on."""
        held: list[tuple[int, Proposal]] = []
        for ref, tree in sorted(self._repository.refs(_PENDING).items()):
            if tree in self._judged:
                continue
            try:
                proposal = read_held(self._repository, tree)
            except ValueError as error:
                self._damage[ref] = str(error)
                continue
            number = _number(ref)
            self._tickets[number] = (ref, tree)
            held.append((number, proposal))
        return tuple(held)

    # Writing

    def hold(self, number: int, proposal: Proposal) -> None:
        """Keep a proposal until the attempt of that number is appended; durable when this returns.

        Holding a number again replaces what was held. Where another writer holds it, the next free ticket is taken.
        """
        with self._disk_advice(f"the reply for attempt {number}"):
            if number in self._tickets:
                ref = self._tickets[number][0]
                with self._repository.batch() as batch:
                    tree = write_held(batch, _number(ref), proposal)
                self._repository.set_ref(ref, tree)
            else:
                ref, lock = self._free_ticket(number)
                with lock:
                    with self._repository.batch() as batch:
                        tree = write_held(batch, _number(ref), proposal)
                    lock.write(tree)
            self._tickets[number] = (ref, tree)

    def drop(self, number: int) -> None:
        """Let a held proposal go; nothing happens where this archive holds none under that number."""
        if number in self._tickets:
            with self._disk_advice(f"the end of ticket {number}"):
                self._repository.delete_ref(self._tickets.pop(number)[0])

    def append(self, attempt: Attempt) -> Entry:
        """Archive an attempt and let its held proposal go; durable when this returns.

        Where another writer took the number, the next free one is taken: the entry says which. Raises ArchiveError.
        """
        proposal = attempt.proposal
        for parent in (*proposal.parents, *proposal.inspirations):
            self.program_id(parent)
        source = attempt.candidate.source if attempt.candidate else self.source(proposal.parents[0])
        ticket = self._tickets.get(attempt.number, ("", ""))[1]
        when_s = max([int(time.time()), *(self._by_id[one].when_s for one in proposal.parents if one in self._by_id)])
        with self._disk_advice(f"attempt {attempt.number}"):
            number, lock = self._free_number(attempt.number)
            with lock:
                record = record_of(attempt, number=number, config=self._root.config_id, ticket=ticket)
                with self._repository.batch() as batch:
                    archived = write_attempt(batch, record, program=encode(source), reply=proposal.reply, when_s=when_s)
                lock.write(archived.entry.id)
        self._add(archived)
        # The attempt is safe and says which ticket it came from: one that stays behind is not judged again.
        with contextlib.suppress(ArchiveError, GitError):
            self.drop(attempt.number)
        return archived.entry

    def point(self, best: Entry | str | None, elites: Sequence[Entry | str]) -> None:
        """Have `refs/heads/best` and `refs/elites/*` name these entries (or their ids); without a best, the root."""
        best_id = self.root_id if best is None else self._known(_id(best)).id
        chosen = [self._known(_id(one)) for one in elites]
        wanted = {_BEST: best_id} | {f"{_ELITES}/{entry.number:06d}": entry.id for entry in chosen}
        with self._disk_advice("the refs of the best programs"):
            present = self._repository.refs(_ELITES) | {_BEST: self._repository.ref(_BEST) or ""}
            for ref, commit in wanted.items():
                if present.get(ref) != commit:
                    self._repository.set_ref(ref, commit)
            for ref in present.keys() - wanted.keys():
                self._repository.delete_ref(ref)

    def _add(self, archived: Archived) -> None:
        entry = archived.entry
        self._by_number[entry.number] = archived
        self._by_id[entry.id] = entry
        self._seen.add(f"{_ATTEMPTS}/{entry.number:06d}")
        self._highest = max(self._highest, entry.number)
        self._judged |= {archived.ticket} - {""}
        newest = self._entries is not None and (not self._entries or self._entries[-1].number < entry.number)
        self._entries = (*(self._entries or ()), entry) if newest else None

    def _free_number(self, number: int) -> tuple[int, RefLock]:
        while (lock := self._repository.reserve(f"{_ATTEMPTS}/{number:06d}")) is None:
            number += 1
        return number, lock

    def _free_ticket(self, number: int) -> tuple[str, RefLock]:
        while True:
            ref = f"{_PENDING}/{number:06d}"
            if self._repository.ref(ref) in self._judged:
                self._repository.delete_ref(ref)
            if (lock := self._repository.reserve(ref)) is not None:
                return ref, lock
            number += 1

    def _known(self, commit: str) -> Entry:
        if commit not in self._by_id:
            self.refresh()
        if commit not in self._by_id:
            raise ArchiveError(self._no_such(commit, []))
        return self._by_id[commit]

    def _text(self, name: str, what: str) -> str:
        found = self._repository.read(name)
        if found.problem:
            raise ArchiveError(f"{self.path}: {what} is {found.problem}; `git fsck` there lists all that is damaged")
        try:
            return decode(found.data)
        except UnicodeDecodeError as error:
            raise ArchiveError(f"{self.path}: expected UTF-8 in {what}, which packsmith writes: {error}") from error

    def _no_such(self, text: str, found: Sequence[Entry]) -> str:
        if found:
            several = ", ".join(f"{entry.number} ({entry.id[:12]})" for entry in found[:5])
            return f"{text!r} begins the ids of {len(found)} attempts, expected of one: {several}"
        if not self._by_number:
            return f"expected an attempt {text!r}, found an archive without attempts at {self.path}"
        hint = f"numbers run from {self.entries[0].number} to {self.entries[-1].number}"
        if len(text) >= 4:
            near = max(self.entries, key=lambda entry: _shared(entry.id, text))
            hint += f", the nearest id is {near.id[:12]} (attempt {near.number})"
        damaged = "".join(f"; {one}" for one in self.damage if text in one)
        return f"expected the number or the commit id of an attempt, `best` or `seed`, found {text!r}: {hint}{damaged}"

    def _disk_advice(self, what: str) -> contextlib.AbstractContextManager[None]:
        return _disk_advice(self.path, what, f"all {len(self._by_number)} attempts archived before are safe")


@contextlib.contextmanager
def _disk_advice(path: Path, what: str, safe: str) -> Iterator[None]:
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


def _make(path: Path, seed_source: str, config: Mapping[str, Any]) -> Repository | None:
    """Make the repository and its root commit; None where another process made them meanwhile."""
    if path.exists() and not path.is_dir():
        raise ArchiveError(f"expected a free folder at {path}, found a file: name another folder")
    with _disk_advice(path, "the seed program", "nothing was judged yet"):
        if path.is_dir() and any(path.iterdir()) and not (path / WRITERS_LOCK).exists():
            raise ArchiveError(f"expected a free folder at {path}, found other files in it: name another folder")
        repository = Repository.create(path, head=_BEST)
        try:
            if made := (repository.ref(_SEED) is None):
                with repository.batch() as batch:
                    root_id = write_root(batch, seed_source=seed_source, config=config, when_s=int(time.time()))
                repository.set_ref(_BEST, root_id)
                repository.set_ref(_SEED, root_id)
            repository.share()
        except BaseException:
            repository.close()
            raise
        return repository if made else None


def _not_an_archive(path: Path, found: str) -> str:
    if (path / WRITERS_LOCK).exists():
        return f"the archive at {path} was never finished, and nothing was judged: run the search again to make it"
    return f"expected an archive of packsmith at {path}, found none: {found}"


def _id(entry: Entry | str) -> str:
    return entry if isinstance(entry, str) else entry.id


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((index for index, pair in enumerate(zip(one, other, strict=False)) if len(set(pair)) > 1), len(other))


def _number(ref: str) -> int:
    return int(ref.rpartition("/")[2])
