"""What runs exchange: which refs, and what each side has of them.

Owns: the names of those refs, the comparison of two sides, and the errors when they are incompatible.
Does not know: how anything is sent (`sending`) or received (`receiving`).

Exchanged are: the root commit (`refs/heads/seed`), which identifies a run; the attempts, whose commits contain their
numbers, so that two runs that gave one number to different attempts have diverged for good; advice, which is added
under the next free numbers; and notes of later measurements and of those on splits, which are merged.
`refs/heads/best` and `refs/elites/*` are derived from the attempts: they are sent for people to see, and never taken
over. Tickets (`refs/pending/*`) belong to processes of one machine and stay there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.archive.attempt_table import ATTEMPTS
from harness.archive.commits import ArchiveError
from harness.archive.measurements import NOTES
from harness.archive.notices import ADVICE
from harness.archive.opening import BEST, SEED
from harness.archive.split_notes import SPLIT_NOTES
from harness.archive.writing import ELITES

_NUMBERED = re.compile(rf"({ATTEMPTS}|{ADVICE})/([0-9]{{6,9}})", re.ASCII)
_NAMED = 5
CARRIED = {NOTES: "refs/notes/theirs", SPLIT_NOTES: "refs/notes/their-splits"}
"""The notes that are exchanged, and where those of the other side stand while they are checked."""


class ExchangeError(ArchiveError):
    """Two runs are incompatible, or one is not a run; says what was changed (mostly nothing) and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one side has: ids by number, "" for a torn ref, and of notes by ref. `torn` holds the names of torn refs,
    `other` those of refs that are not exchanged.
    """

    seed: str = ""
    attempts: Mapping[int, str] = field(default_factory=dict)
    advice: Mapping[int, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    derived: Mapping[str, str] = field(default_factory=dict)
    torn: tuple[str, ...] = ()
    other: tuple[str, ...] = ()

    @classmethod
    def of(cls, refs: Mapping[str, str]) -> Held:
        numbered: dict[str, dict[int, str]] = {ATTEMPTS: {}, ADVICE: {}}
        other: list[str] = []
        derived = {name: refs[name] for name in refs if name == BEST or name.startswith(f"{ELITES}/")}
        for name in sorted(refs.keys() - derived.keys() - {SEED, *CARRIED}):
            match = _NUMBERED.fullmatch(name)
            # Names are canonical: 000042, never 0000042.
            if match and f"{int(match[2]):06d}" == match[2]:
                numbered[match[1]][int(match[2])] = refs[name]
            else:
                other.append(name)
        torn = sorted(name for name in refs.keys() - derived.keys() - set(other) if not refs[name])
        return cls(
            seed=refs.get(SEED, ""),
            attempts=numbered[ATTEMPTS],
            advice=numbered[ADVICE],
            notes={name: refs[name] for name in CARRIED if refs.get(name)},
            derived=derived,
            torn=tuple(torn),
            other=tuple(other),
        )

    def lacking(self, theirs: Held) -> dict[int, str]:
        """The attempts of the other side that are missing here."""
        return {number: theirs.attempts[number] for number in sorted(theirs.attempts.keys() - self.attempts.keys())}

    def new_advice(self, theirs: Held) -> tuple[str, ...]:
        """The advice of the other side that is missing here, in its order."""
        known = set(self.advice.values())
        return tuple(dict.fromkeys(id_ for _, id_ in sorted(theirs.advice.items()) if id_ not in known))

    def lacks_notes(self, theirs: Held) -> bool:
        """Whether the other side has other notes than this one."""
        return any(self.notes.get(name) != id_ for name, id_ in theirs.notes.items())

    def with_advice(self, added: Iterable[str]) -> dict[str, str]:
        """Refs for this advice, under the numbers that follow here."""
        first = max(self.advice, default=0) + 1
        return {advice_ref(number): id_ for number, id_ in enumerate(added, start=first)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a push or a bundle sent; nothing is not an error. `made`: the target was created.

    `left_out` holds a sentence on each thing not sent; `tickets` counts the open ones, which stay here.
    """

    attempts: int
    total: int
    advice: int
    notes: bool
    derived: bool
    size_bytes: int
    made: bool
    tickets: int
    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether the other side had it all."""
        return not (self.attempts or self.advice or self.notes or self.derived or self.made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a pull added; the run now has `total` attempts. `left_out` holds a sentence on each thing left out."""

    attempts: int
    total: int
    advice: int
    notes: bool
    size_bytes: int
    made: bool
    left_out: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether the run had it all."""
        return not (self.attempts or self.advice or self.notes or self.made)


def attempt_ref(number: int) -> str:
    return f"{ATTEMPTS}/{number:06d}"


def advice_ref(number: int) -> str:
    return f"{ADVICE}/{number:06d}"


def refuse_another(here: str, root: str, theirs: Held, there: str) -> None:
    """Raises ExchangeError if the other side is not the run `here`, whose root commit is `root`."""
    refuse_no_run(theirs, there)
    if theirs.seed != root:
        raise ExchangeError(
            f"expected the run {here} at {there}, found another run: its root is {theirs.seed[:12]}, this one's "
            f"{root[:12]}. Nothing was changed. What to do: name another place"
        )


def refuse_no_run(theirs: Held, there: str) -> None:
    """Raises ExchangeError if the other side is not a run."""
    if not theirs.seed:
        names = [*theirs.derived, *theirs.other]
        kind = f"a git repository without {SEED}" if names or theirs.attempts else "an empty repository"
        raise ExchangeError(
            f"expected a run of packsmith at {there}, found {kind}. Nothing was changed. What to do: name a run's "
            f"folder or an address that a run was pushed to; to pull, also a bundle; to push, also an empty repository"
        )


def refuse_differing(mine: Held, theirs: Held, *, here: str, there: str, what_to_do: str) -> None:
    """Raises ExchangeError if the sides gave one number to different attempts."""
    shared = sorted(mine.attempts.keys() & theirs.attempts.keys())
    differing = [number for number in shared if mine.attempts[number] not in ("", theirs.attempts[number])]
    if not differing:
        return
    named = ", ".join(map(str, differing[:_NAMED]))
    more = f" and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
    first = differing[0]
    raise ExchangeError(
        f"attempt {first} is {mine.attempts[first][:12]} in {here} and {theirs.attempts[first][:12]} at {there}: the "
        f"two runs have diverged (they differ in {named}{more}), and each number can name one attempt. Nothing was "
        f"changed. What to do: {what_to_do}"
    )
