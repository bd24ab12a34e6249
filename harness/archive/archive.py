"""The archive of a run: a bare git repository that holds the whole state of the run, one commit per attempt.

Owns: the interface of an open archive, and finding attempts in it. Does not know: the format of a commit (`commits`),
how refs and objects are written (`git`, `writing`), who owns which ticket (`tickets`), how a verdict is reached.

README.md describes the format. Refs: `refs/heads/seed` names the root commit (the seed program, the resolved config,
the format number); it is made last, so its presence says that the archive is complete. `refs/attempts/000042` are
create-only, `refs/pending/000042` are tickets, `refs/advice/000003` is advice; `refs/heads/best` and `refs/elites/*`
are derived and may be lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from harness.accounts import Booked
from harness.archive.attempt_table import AttemptTable, Progress
from harness.archive.commits import PROGRAM, REPLY, Archived, ArchiveError, Root
from harness.archive.details import Details
from harness.archive.finding import no_such
from harness.archive.index_file import IndexFile
from harness.archive.keeper import Keeper
from harness.archive.measurements import Measurements
from harness.archive.notices import Notices
from harness.archive.opening import BEST, disk_advice, exists, make, repository_at, root_of
from harness.archive.split_notes import SplitNotes
from harness.archive.texts import Texts
from harness.archive.tickets import Tickets
from harness.archive.writing import Pointed, Writing
from harness.git import Repository
from harness.series import Series
from harness.turns import read_turns
from harness.types import Attempt, Entry, Pending, Proposal, Turn


class Archive:
    """An open archive. Reading needs no write permission. Several processes may write to it, each from one thread.

    `source` may be called from any thread.
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
        self.split_notes = SplitNotes(repository)
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
        imported: bool = False,
    ) -> Self:
        """Make an archive in a folder that is new, empty, or left by an interrupted creation.

        `files` are further texts by name, stored beside the seed program; `imported`: its programs will come from
        another framework's archive. Raises ArchiveError, also if there is an archive already.
        """
        if exists(path) or not (made := make(path, seed_source, config, files or {}, imported=imported)):
            raise ArchiveError(f"expected a free folder at {path}, found an archive: open it, or name another folder")
        return cls(made, root_of(made))

    @classmethod
    def open(cls, path: Path, *, cached: bool = True, progress: Progress | None = None) -> Self:
        """Open the archive at `path`. Damaged attempts go to `damage`; raises ArchiveError for any other damage.

        Without `cached`, every attempt is read from its commit and the index file is ignored. `progress` receives
        from time to time how many attempts are read, and how many there are.
        """
        repository = repository_at(path)
        return cls(repository, root_of(repository), cached=cached, progress=progress)

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether `path` holds an archive, whole or damaged, rather than a free folder or an unfinished creation."""
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
        """The resolved config that the run was started with."""
        return self._root.config

    @property
    def imported(self) -> bool:
        """Whether it was made for the programs of another framework's archive."""
        return self._root.imported

    def file(self, name: str) -> str | None:
        """A text stored beside the seed program; None if no file has that name."""
        blob = self._repository.read(f"{self.root_id}:{name}")
        return None if blob.problem else self._texts.text(blob.data, name)

    @property
    def entries(self) -> Series[Entry]:
        """All readable attempts, by number."""
        return self._table.entries

    @property
    def archived(self) -> Iterator[Archived]:
        """The entries by number, each with its git parents."""
        return self._table.archived

    @property
    def damage(self) -> tuple[str, ...]:
        """One sentence for each attempt or ticket that cannot be read; everything else is sound."""
        tickets = {
            self._tickets.ref(ticket.number): ticket.problem for ticket in self._tickets.all() if ticket.pending is None
        }
        return tuple(f"{ref}: {problem}" for ref, problem in sorted((self._table.damage | tickets).items()))

    @property
    def next_number(self) -> int:
        """The number after the highest known attempt, readable or not."""
        return self._table.highest + 1

    @property
    def booked(self) -> Booked:
        """The cost of all model calls so far, of any process; calls in progress count at their bounds."""
        known = self._table.booked
        usd, tokens, calls = known.usd, known.tokens, known.calls
        for pending in self.pending():
            usd += pending.proposal.usd + pending.bound_usd
            tokens += pending.proposal.tokens + pending.bound_tokens
            calls += sum(turn.tries for turn in pending.proposal.turns) + pending.calling
        return Booked(usd=usd, tokens=tokens, calls=calls)

    @property
    def owner(self) -> str:
        """This process's token as an owner of tickets. Raises ArchiveError if the owner file cannot be written."""
        with self._disk_advice("the owner of tickets"):
            return self._tickets.owner.token

    def refresh(self) -> tuple[Entry, ...]:
        """Load what other writers have added, whatever its number; returns the new entries."""
        if self._doubtful:
            self._table.clear()
            self._table.load()
            self._doubtful = False
        return self._table.refresh()

    def catch_up(self) -> tuple[Entry, ...]:
        """As `refresh`, but only past the highest number and in gaps: the cost does not grow with the archive."""
        return self._table.catch_up()

    def fsck(self) -> tuple[str, ...]:
        """The findings of `git fsck --strict`, line by line; () for a sound archive."""
        return self._repository.fsck()

    def entry(self, ref: str | int) -> Entry:
        """An attempt by number, commit id (or at least its first 4 digits), `best` or `seed`. Raises ArchiveError."""
        text = str(ref).strip().lower()
        if text == "best":
            text = self._repository.ref(BEST) or ""
            if text in ("", self.root_id):
                raise ArchiveError("no best attempt yet: none was scored, or the search has not chosen one")
        number = 0 if text == "seed" else int(text) if text.isdecimal() and len(text) < 20 else -1
        if (numbered := self._table.by_number(number)) is not None:
            return numbered
        matches = [entry for entry in self.entries if len(text) >= 4 and entry.id.startswith(text)]
        if len(matches) == 1:
            return matches[0]
        raise ArchiveError(self._no_such(text, matches))

    def find(self, commit: str) -> Entry | None:
        """An attempt by its whole commit id; None if no attempt has it, as for the root."""
        return None if commit == self.root_id else self._table.by_id(commit)

    def known(self, program_id: str, syntax_hash: str = "") -> Entry | None:
        """The first attempt judged with this program: equal bytes, or equal normalised syntax."""
        return self._table.known(*filter(None, (program_id, syntax_hash)))

    def source(self, commit: str) -> str:
        """The program of an entry's commit, or of the root's. Raises ArchiveError."""
        return self._texts.program(self.program_id(commit), f"{PROGRAM} of {commit[:12]}")

    def prepare(self, programs: Sequence[Entry], records: Sequence[Entry]) -> None:
        """Cache the programs of entries, and the records of others, that are looked at next, in one pass."""
        self._details.prepare(programs, records)

    def program_id(self, commit: str) -> str:
        """The git blob of the program at a commit: equal ids are equal programs."""
        return self._root.program_id if commit == self.root_id else self._known(commit).program_id

    def reply(self, commit: str) -> str:
        """The raw reply an attempt was made from, the last one of its conversation. Raises ArchiveError."""
        if turns := self.turns(commit):
            return turns[-1].text
        what = f"{REPLY} of {commit[:12]}"
        return self._texts.text(self._texts.read(f"{self._known(commit).id}:{REPLY}", what), what)

    def turns(self, commit: str) -> tuple[Turn, ...]:
        """The conversation an attempt was made from, with its texts; () if no model was asked.

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
        """The tickets that no attempt was made from yet, by number."""
        return tuple(ticket.pending for ticket in self._tickets.all() if ticket.pending is not None)

    def orphaned(self, pending: Pending) -> bool:
        """Whether no other process works on a ticket: its owner is dead or this process, and it is not open."""
        return self._tickets.orphaned(pending)

    # Writing

    @contextlib.contextmanager
    def writing(self, what: str = "the next attempts") -> Iterator[Writing]:
        """A batch that becomes durable as a whole when the block ends; if the block raises, none of it does.

        An appended attempt is visible as an entry already within the block. `what` names the batch in errors. Raises
        ArchiveError.
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
        """Archive one attempt and delete its ticket; durable when this returns. Raises ArchiveError."""
        with self.writing(f"attempt {attempt.number}") as writing:
            return writing.append(attempt)

    def hold(self, ticket: int, proposal: Proposal) -> int:
        """Store an answered proposal under a ticket until its attempt is appended; durable when this returns.

        A ticket of this process is replaced; if another process has that number, the next free one is used. Returns
        the number of the ticket.
        """
        with self.writing(f"the reply for ticket {ticket}") as writing:
            number = ticket if self._tickets.object_of(ticket) else writing.ticket(ticket)
            writing.put(Pending(ticket=number, proposal=proposal, answered=True, owner=self._tickets.owner.token))
        return number

    def drop(self, ticket: int) -> None:
        """Delete a ticket of this process that nothing was paid for; any other number is ignored."""
        with self._disk_advice(f"the end of ticket {ticket}"):
            self._tickets.drop(ticket)

    def adopt(self) -> tuple[Pending, ...]:
        """Take over every orphaned ticket, durably: those of dead owners and of this process. Raises ArchiveError."""
        orphans = [pending.ticket for pending in self.pending() if self.orphaned(pending)]
        if not orphans:
            return ()
        with self.writing("the tickets taken over") as writing:
            seized = [writing.seize(ticket) for ticket in orphans]
        return tuple(pending for pending in seized if pending is not None)

    def take(self, ticket: int, *, answer: Proposal | None = None) -> Pending:
        """Take over one open or orphaned ticket, so that no other process answers it too, and store its `answer` if
        given; durable when this returns.

        Raises ArchiveError if no ticket has that number, it is archived already, or another process has it.
        """
        with self.writing(f"the answer to ticket {ticket}") as writing:
            seized = writing.seize(ticket, answer)
        if seized is not None:
            return seized
        self.refresh()
        if (entry := self._table.of_ticket(ticket)) is not None:
            raise ArchiveError(f"ticket {ticket} is already answered: it became attempt {entry.number}")
        if any(pending.ticket == ticket for pending in self.pending()):
            raise ArchiveError(f"ticket {ticket} is being worked on by another process")
        if any(problem.startswith(f"{self._tickets.ref(ticket)}:") for problem in self.damage):
            raise ArchiveError(
                f"ticket {ticket} is damaged, so no answer to it can be taken: delete it with "
                f"`git update-ref -d {self._tickets.ref(ticket)}`; all attempts are safe"
            )
        numbers = ", ".join(str(pending.ticket) for pending in self.pending()) or "none"
        raise ArchiveError(f"expected an open ticket, found {ticket}; open tickets of this run: {numbers}")

    def point(self, best: Entry | str | None, elites: Sequence[Entry | str]) -> None:
        """Point `refs/heads/best` and `refs/elites/*` at these entries (or ids); best is the root if None."""
        with self.writing("the refs of the best programs") as writing:
            writing.point(
                None if best is None else self._known(_id(best)), [self._known(_id(elite)) for elite in elites]
            )

    def maintain(self) -> None:
        """Do all upkeep now; a search does it in portions. Raises ArchiveError."""
        with self._disk_advice("the packs"):
            self._repository.begin_writing()
            self._keeper.all()

    @contextlib.contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Hold the run's lock named `what` within the block; waits while another process holds it."""
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
        """Add advice for the next prompts; durable when this returns. Returns its number, from 1."""
        with self._disk_advice("the advice"):
            return self._notices.advise(text)

    def advice(self) -> tuple[str, ...]:
        """All advice, oldest first."""
        return self._notices.advice()

    def ask_to_stop(self) -> None:
        """Ask every search on this run to start nothing new, finish what is in progress, and end."""
        with self._disk_advice("the request to stop"):
            self._notices.ask_to_stop()

    def listen(self) -> None:
        """Ignore requests to stop that were made before now."""
        self._notices.listen()

    def stop_asked(self) -> bool:
        """Whether a stop was requested since the archive was opened, or since `listen`."""
        return self._notices.stop_asked()

    def _known(self, commit: str) -> Entry:
        entry = self._table.by_id(commit)
        if entry is None:
            raise ArchiveError(self._no_such(commit, []))
        return entry

    def _no_such(self, text: str, matches: Sequence[Entry]) -> str:
        return no_such(text, matches, self.entries, self.damage, self.path)

    def _disk_advice(self, what: str) -> contextlib.AbstractContextManager[None]:
        return disk_advice(self.path, what, f"all {len(self.entries)} attempts archived before are safe")


def _id(entry: Entry | str) -> str:
    return entry if isinstance(entry, str) else entry.id
