"""The archive of a run: one attempt = one commit, in a bare git repository that is the run's whole state.

Owns: the face of an archive that is open, and finding attempts in it. Does not know: what stands in a commit
(`commits`), how refs and objects are written (`git`, `writing`), which tickets are whose (`tickets`), how a verdict is
reached.

Refs: `refs/heads/seed` names the root commit (the seed program, the resolved config, the format number) and, made last,
says that the archive is whole; `refs/attempts/000042` are create-only; `refs/pending/000042` are tickets;
`refs/advice/000003` is advice; `refs/heads/best` and `refs/elites/*` are derived and may be lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from harness.archive.attempt_table import AttemptTable, Progress
from harness.archive.commits import PROGRAM, REPLY, Archived, ArchiveError, Root
from harness.archive.details import Details
from harness.archive.finding import no_such
from harness.archive.index_file import IndexFile
from harness.archive.keeper import Keeper
from harness.archive.measurements import Measurements
from harness.archive.notices import Notices
from harness.archive.opening import BEST, disk_advice, exists, make, repository_at, root_of
from harness.archive.texts import Texts
from harness.archive.tickets import Tickets
from harness.archive.writing import Pointed, Writing
from harness.git import Repository
from harness.series import Series
from harness.turns import read_turns
from harness.types import Attempt, Booked, Entry, Pending, Proposal, Turn


class Archive:
    """An open archive. Reading needs no right to write. Several processes may write one; in each, one thread does.

    `source` may be called in any thread.
    """

    def __init__(
        self, repository: Repository, root: Root, *, cached: bool = True, progress: Progress | None = None
    ) -> None:
        """Use `create` or `open`."""
        self.path = repository.path
        self._repository = repository
        self._root = root
        self._texts = Texts(repository)
        self._details = Details(self._texts)
        self._index_file = IndexFile(self.path, root.id, self._details) if cached else None
        self._table = AttemptTable(repository, self._details, self._index_file)
        self._keeper = Keeper(self.path)
        self._notices = Notices(repository)
        self.measurements = Measurements(repository)
        self._tickets = Tickets(repository, self._table.judged)
        self._pointed = Pointed()
        self._doubtful = False
        self._table.load(*([progress] if progress else []))

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        seed_source: str,
        config: Mapping[str, Any],
        files: Mapping[str, str] | None = None,
    ) -> Self:
        """Make an archive in a folder that is new, empty, or left by a creation that was cut short.

        `files` are further texts by name, kept beside the seed program. Raises ArchiveError, also where there is an
        archive already.
        """
        if exists(path) or not (made := make(path, seed_source, config, files or {})):
            raise ArchiveError(f"expected a free folder at {path}, found an archive: open it, or name another folder")
        return cls(made, root_of(made))

    @classmethod
    def open(cls, path: Path, *, cached: bool = True, progress: Progress | None = None) -> Self:
        """Raises ArchiveError where there is no whole archive at `path`; single damaged attempts go to `damage`.

        Without `cached`, every attempt is read from its commit, as if there were no index beside the repository.
        `progress` is told now and then how many attempts of how many are read.
        """
        repository = repository_at(path)
        return cls(repository, root_of(repository), cached=cached, progress=progress)

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether there is a whole archive at `path` (or a damaged one: not a free or an unfinished folder)."""
        return exists(path)

    def close(self) -> None:
        self._keeper.close()
        if self._index_file is not None:
            self._index_file.close()
        self._tickets.close()
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

    def file(self, name: str) -> str | None:
        """A text that was kept beside the seed program; None where there is none of that name."""
        found = self._repository.read(f"{self.root_id}:{name}")
        return None if found.problem else self._texts.text(found.data, name)

    @property
    def entries(self) -> Series[Entry]:
        """All attempts that can be read, by number."""
        return self._table.entries

    @property
    def archived(self) -> Iterator[Archived]:
        """The entries by number, each with what git alone knows of it."""
        return self._table.archived

    @property
    def damage(self) -> tuple[str, ...]:
        """One sentence for each attempt or ticket that cannot be read; everything else is whole."""
        tickets = {self._tickets.ref(one.number): one.problem for one in self._tickets.all() if one.pending is None}
        return tuple(f"{ref}: {problem}" for ref, problem in sorted((self._table.damage | tickets).items()))

    @property
    def next_number(self) -> int:
        """The number after the highest one known, readable or not."""
        return self._table.highest + 1

    @property
    def booked(self) -> Booked:
        """What calls of models have cost, and may yet cost where they are under way, whoever makes them."""
        known = self._table.booked
        usd, tokens, calls = known.usd, known.tokens, known.calls
        for pending in self.pending():
            usd += pending.proposal.usd + pending.bound_usd
            tokens += pending.proposal.tokens + pending.bound_tokens
            calls += sum(turn.tries for turn in pending.proposal.turns) + pending.calling
        return Booked(usd=usd, tokens=tokens, calls=calls)

    @property
    def owner(self) -> str:
        """This process, as the owner of tickets. Raises ArchiveError where it cannot be one."""
        with self._disk_advice("the owner of tickets"):
            return self._tickets.owner.token

    def refresh(self) -> tuple[Entry, ...]:
        """Take in what other writers have added since, whatever its number; returns it."""
        if self._doubtful:
            self._table.clear()
            self._table.load()
            self._doubtful = False
        return self._table.refresh()

    def catch_up(self) -> tuple[Entry, ...]:
        """As `refresh`, at a cost that does not grow with the archive: what follows the last number, and gaps."""
        return self._table.catch_up()

    def fsck(self) -> tuple[str, ...]:
        """What `git fsck --strict` finds wrong, line by line; () for a sound archive."""
        return self._repository.fsck()

    def entry(self, ref: str | int) -> Entry:
        """An attempt by number, commit id (or 4 and more digits of it), `best` or `seed`. Raises ArchiveError."""
        text = str(ref).strip().lower()
        if text == "best":
            text = self._repository.ref(BEST) or ""
            if text in ("", self.root_id):
                raise ArchiveError("there is no best attempt yet: none was scored, or the search has not chosen one")
        number = 0 if text == "seed" else int(text) if text.isdecimal() and len(text) < 20 else -1
        if (numbered := self._table.by_number(number)) is not None:
            return numbered
        found = [entry for entry in self.entries if len(text) >= 4 and entry.id.startswith(text)]
        if len(found) == 1:
            return found[0]
        raise ArchiveError(self._no_such(text, found))

    def find(self, commit: str) -> Entry | None:
        """An attempt by its whole commit id; None where there is none, the root's for one."""
        return None if commit == self.root_id else self._table.by_id(commit)

    def known(self, program_id: str, syntax_hash: str = "") -> Entry | None:
        """The first attempt that was judged with this program: the same bytes, or the same normalised syntax."""
        return self._table.known(*filter(None, (program_id, syntax_hash)))

    def source(self, commit: str) -> str:
        """The program of an entry's commit, or of the root's. Raises ArchiveError."""
        return self._texts.program(self.program_id(commit), f"{PROGRAM} of {commit[:12]}")

    def program_id(self, commit: str) -> str:
        """The git blob of that program: equal ids are equal programs."""
        return self._root.program_id if commit == self.root_id else self._known(commit).program_id

    def reply(self, commit: str) -> str:
        """The raw reply an attempt was made from, the last one of its conversation. Raises ArchiveError."""
        if turns := self.turns(commit):
            return turns[-1].text
        what = f"{REPLY} of {commit[:12]}"
        return self._texts.text(self._texts.read(f"{self._known(commit).id}:{REPLY}", what), what)

    def turns(self, commit: str) -> tuple[Turn, ...]:
        """The conversation an attempt was made from, its texts included; () where no model was asked.

        Raises ArchiveError.
        """
        entry, what = self._known(commit), f"{REPLY} of {commit[:12]}"
        if not entry.turns:
            return ()
        try:
            return read_turns(self._texts.read(f"{entry.id}:{REPLY}", what), entry.turns)
        except ValueError as error:
            raise ArchiveError(f"{self.path}: {what} is damaged: {error}") from error

    def pending(self) -> tuple[Pending, ...]:
        """The tickets that no attempt has come of, by number."""
        return tuple(found.pending for found in self._tickets.all() if found.pending is not None)

    def orphaned(self, pending: Pending) -> bool:
        """Whether a ticket's owner is dead, or this process: nobody else is at work on it, and it is not open."""
        return self._tickets.orphaned(pending)

    # Writing

    @contextlib.contextmanager
    def writing(self, what: str = "the next attempts") -> Iterator[Writing]:
        """Everything put into it becomes durable together, when the block ends; nothing of it where the block raises.

        An attempt is an entry within the block already. Raises ArchiveError.
        """
        with self._disk_advice(what):
            self._doubtful, doubtful = True, self._doubtful
            try:
                with self._repository.batch() as batch:
                    writing = Writing(
                        repository=self._repository,
                        root=self._root,
                        table=self._table,
                        tickets=self._tickets,
                        texts=self._texts,
                        details=self._details,
                        pointed=self._pointed,
                        batch=batch,
                    )
                    yield writing
                writing.done()
                self._doubtful = doubtful
                self._keeper.made(self._table.note())
            finally:
                self._texts.unsettled.clear()

    def append(self, attempt: Attempt) -> Entry:
        """Archive one attempt and let its ticket go; durable when this returns. Raises ArchiveError."""
        with self.writing(f"attempt {attempt.number}") as writing:
            return writing.append(attempt)

    def hold(self, ticket: int, proposal: Proposal) -> int:
        """Keep an answered proposal under a ticket until its attempt is appended; durable when this returns.

        A ticket of this process is replaced; for any other that is taken, the next free one is used. Returns it.
        """
        with self.writing(f"the reply for ticket {ticket}") as writing:
            number = ticket if self._tickets.object_of(ticket) else writing.ticket(ticket)
            writing.put(Pending(ticket=number, proposal=proposal, answered=True, owner=self._tickets.owner.token))
        return number

    def drop(self, ticket: int) -> None:
        """Let a ticket go that nothing was paid for; nothing happens where this process holds none of that number."""
        with self._disk_advice(f"the end of ticket {ticket}"):
            self._tickets.drop(ticket)

    def adopt(self) -> tuple[Pending, ...]:
        """Take over every orphaned ticket, durably: those whose owner is dead, and this process's own."""
        orphans = [pending.ticket for pending in self.pending() if self.orphaned(pending)]
        if not orphans:
            return ()
        with self.writing("the tickets taken over") as writing:
            seized = [writing.seize(ticket) for ticket in orphans]
        return tuple(pending for pending in seized if pending is not None)

    def take(self, ticket: int, *, answer: Proposal | None = None) -> Pending:
        """Take over one ticket, open or orphaned, so that no other process answers it too, and keep its answer if there
        is one; durable when this returns.

        Raises ArchiveError where there is none of that number, it is archived already, or another process has it.
        """
        with self.writing(f"the answer to ticket {ticket}") as writing:
            seized = writing.seize(ticket, answer)
        if seized is not None:
            return seized
        self.refresh()
        if (entry := self._table.of_ticket(ticket)) is not None:
            raise ArchiveError(f"ticket {ticket} is answered: attempt {entry.number} came of it")
        if any(pending.ticket == ticket for pending in self.pending()):
            raise ArchiveError(f"ticket {ticket} is being worked on by another process")
        if any(one.startswith(f"{self._tickets.ref(ticket)}:") for one in self.damage):
            raise ArchiveError(
                f"what was asked under ticket {ticket} cannot be read any more, so that no answer can be taken: "
                f"`git update-ref -d {self._tickets.ref(ticket)}` gives it up, and all attempts are safe"
            )
        numbers = ", ".join(str(pending.ticket) for pending in self.pending()) or "none"
        raise ArchiveError(
            f"expected a ticket that is open, found {ticket}: those that are open in this run are {numbers}"
        )

    def point(self, best: Entry | str | None, elites: Sequence[Entry | str]) -> None:
        """Have `refs/heads/best` and `refs/elites/*` name these entries (or their ids); without a best, the root."""
        with self.writing("the refs of the best programs") as writing:
            writing.point(None if best is None else self._known(_id(best)), [self._known(_id(one)) for one in elites])

    def maintain(self) -> None:
        """Do all upkeep there is to do, now; a search does it bit by bit. Raises ArchiveError."""
        with self._disk_advice("the packs"):
            self._repository.begin_writing()
            self._keeper.all()

    @contextlib.contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Wait until no other process does what is called so, and keep others from it meanwhile."""
        with self._disk_advice(what):
            self._repository.begin_writing()
            descriptor = os.open(self.path / f"{what}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    # Notices

    def advise(self, text: str) -> int:
        """Add advice, which the next prompts show; durable when this returns. Its number, from 1."""
        with self._disk_advice("the advice"):
            return self._notices.advise(text)

    def advice(self) -> tuple[str, ...]:
        """All advice, oldest first."""
        return self._notices.advice()

    def ask_to_stop(self) -> None:
        """Ask every search on this run to begin nothing more, finish what is under way, and end."""
        with self._disk_advice("the request to stop"):
            self._notices.ask_to_stop()

    def listen(self) -> None:
        """From now on only later requests to stop count."""
        self._notices.listen()

    def stop_asked(self) -> bool:
        """Whether a stop was asked for since the archive was opened, or since `listen`."""
        return self._notices.stop_asked()

    def _known(self, commit: str) -> Entry:
        entry = self._table.by_id(commit)
        if entry is None:
            raise ArchiveError(self._no_such(commit, []))
        return entry

    def _no_such(self, text: str, found: Sequence[Entry]) -> str:
        return no_such(text, found, self.entries, self.damage, self.path)

    def _disk_advice(self, what: str) -> contextlib.AbstractContextManager[None]:
        return disk_advice(self.path, what, f"all {len(self.entries)} attempts archived before are safe")


def _id(entry: Entry | str) -> str:
    return entry if isinstance(entry, str) else entry.id
