"""An attempt of a run as Python code outside of packsmith sees it.

Owns: which facts of an attempt have a name that stays, and the texts that are read on demand. Does not know: how
attempts are stored or judged, tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import overload

from evaluator import Interval, Rejected, Scored
from harness.accounts import Booked
from harness.archive import Archive
from harness.types import Entry, Kind, Outcome, TurnRecord


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RunAttempt:
    """One attempt of an open run. Its program and its reply are read when they are asked for, so the run must be open
    then; everything else stays as it is.

    What a rejected or unjudged attempt does not have (`quality`, `speedup`, `runtime_ms`, `gain`) is None.
    """

    entry: Entry
    """The attempt as the archive holds it, with all its facts."""
    archive: Archive = field(compare=False)

    def __repr__(self) -> str:
        said = [f"number={self.number}", f"name={self.name!r}", f"verdict={type(self.verdict).__name__}"]
        for name, value in (("quality", self.quality), ("speedup", self.speedup)):
            said += [] if value is None else [f"{name}={value.median:.4g}"]
        return f"RunAttempt({', '.join(said)})"

    @property
    def number(self) -> int:
        """0 for the seed program, then 1, 2, ... in the order in which they were archived."""
        return self.entry.number

    @property
    def id(self) -> str:
        """The commit."""
        return self.entry.id

    @property
    def kind(self) -> Kind:
        """`seed`, `patch`, `rewrite`, `crossover`, `repair` or `import`."""
        return self.entry.kind

    @property
    def name(self) -> str:
        """What its author called it: untrusted text."""
        return self.entry.name

    @property
    def description(self) -> str:
        """What its author said of it: untrusted text, of any length."""
        return self.entry.description

    @property
    def parents(self) -> tuple[int, ...]:
        """The numbers of the attempts it was made from, the one its reply applies to first; () for the seed program.

        An attempt that cannot be read is left out.
        """
        found = (self.archive.find(id_) for id_ in self.entry.parents)
        return tuple(parent.number for parent in found if parent is not None)

    @property
    def verdict(self) -> Outcome:
        """`evaluator.Scored`, `evaluator.Rejected` (with stage, reason and detail), or `Unjudged` for an import."""
        return self.entry.verdict

    @property
    def scored(self) -> Scored | None:
        """The verdict, if it is a score."""
        return self.entry.scored

    @property
    def rejected(self) -> Rejected | None:
        """The verdict, if it is a rejection."""
        return self.entry.verdict if isinstance(self.entry.verdict, Rejected) else None

    @property
    def quality(self) -> Interval | None:
        """The quality that counts, with its 95 % interval: `median`, `low`, `high`; higher is better."""
        return None if self.scored is None else self.scored.score.quality_interval

    @property
    def gain(self) -> Interval | None:
        """The quality less the reference's on the same secret loads, with its 95 % interval."""
        return None if self.scored is None else self.scored.score.gain

    @property
    def speedup(self) -> Interval | None:
        """Time of the reference / time of the program, with its 95 % interval; above 1 is faster."""
        return None if self.scored is None else self.scored.score.speedup

    @property
    def runtime_ms(self) -> float | None:
        """Milliseconds a call, the geometric mean over the cases; not comparable across machines."""
        return None if self.scored is None else self.scored.score.runtime_ms

    @property
    def cost(self) -> Booked:
        """What its proposal cost: `usd`, `tokens`, and `calls` of models, failed tries included."""
        entry = self.entry
        return Booked(usd=entry.usd, tokens=entry.tokens, calls=sum(turn.tries for turn in entry.turns))

    @property
    def model(self) -> str:
        """The model that proposed it, or who answered its ticket; "" for neither."""
        return self.entry.model

    @property
    def seconds(self) -> float:
        """How long judging took."""
        return self.entry.seconds

    @property
    def turns(self) -> Sequence[TurnRecord]:
        """The calls of the conversation with a model it came from; () if no model was asked."""
        return self.entry.turns

    @property
    def same_as(self) -> int | None:
        """The number of the attempt with the same program, whose verdict was taken over; None if it was judged."""
        twin = self.archive.find(self.entry.same_as) if self.entry.same_as else None
        return None if twin is None else twin.number

    @property
    def program(self) -> str | None:
        """The source; None where the reply gave no program. Raises ArchiveError if it is damaged."""
        if self.rejected is not None and self.rejected.stage == "patch":
            return None
        return self.archive.source(self.entry.id)

    @property
    def reply(self) -> str:
        """The raw text it was made from, "" for the seed program: untrusted. Raises ArchiveError if it is damaged."""
        return self.archive.reply(self.entry.id)


class Attempts(Sequence[RunAttempt]):
    """The attempts of a run, by number; one is made only when it is looked at. It grows when the run is refreshed."""

    def __init__(self, entries: Callable[[], Sequence[Entry]], archive: Archive) -> None:
        self._entries, self._archive = entries, archive

    def __len__(self) -> int:
        return len(self._entries())

    @overload
    def __getitem__(self, index: int) -> RunAttempt: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[RunAttempt, ...]: ...
    def __getitem__(self, index: int | slice) -> RunAttempt | tuple[RunAttempt, ...]:
        """By position; positions are numbers unless an attempt is damaged (see `Run.damage`)."""
        found = self._entries()[index]
        if isinstance(found, Entry):
            return RunAttempt(entry=found, archive=self._archive)
        return tuple(RunAttempt(entry=entry, archive=self._archive) for entry in found)
