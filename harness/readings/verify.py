"""Verification of an archive: every stored reply, applied again to its stored parent, gives the same bytes; and every
figure of a measurement on held-out loads follows from the raw samples.

Owns: the checks and how a mismatch is reported. Does not know: git, the network, how anything was judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import isclose
from statistics import StatisticsError

from evaluator import combined_gain, combined_speedup
from evaluator.types import Duel, Rejected
from harness.archive import Archive, ArchiveError
from harness.archive.commits import Archived
from harness.patch import PatchError, apply_reply
from harness.turns import nothing_came
from harness.types import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """One mismatch. `number` and `id` identify its attempt, None and "" if it concerns the whole archive."""

    number: int | None
    id: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """The number of `checked` attempts and the mismatches. `gaps` are unused numbers, as a killed writer leaves."""

    checked: int
    mismatches: tuple[Mismatch, ...]
    gaps: tuple[int, ...]

    @property
    def ok(self) -> bool:
        return not self.mismatches


def verify(archive: Archive) -> VerifyReport:
    """Check every attempt, offline. Damage is reported as a mismatch, never raised."""
    mismatches = (
        *(Mismatch(number=None, id="", expected="a sound repository", found=line) for line in archive.fsck()),
        *(Mismatch(number=None, id="", expected="a whole attempt", found=line) for line in archive.damage),
        *faults(archive),
        *_noted(archive),
    )
    numbers = {entry.number for entry in archive.entries}
    gaps = tuple(number for number in range(archive.next_number) if number not in numbers)
    return VerifyReport(checked=len(numbers), mismatches=mismatches, gaps=gaps)


def faults(archive: Archive, numbers: Collection[int] | None = None) -> Iterator[Mismatch]:
    """The mismatches of the readable attempts with these numbers; of all attempts if None."""
    entries = {entry.id: entry for entry in archive.entries}
    for archived in archive.archived:
        entry = archived.entry
        if numbers is None or entry.number in numbers:
            for expected, found in _differences(archive, archived, entries):
                yield Mismatch(number=entry.number, id=entry.id, expected=expected, found=found)


def _differences(archive: Archive, archived: Archived, entries: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    """Pairs of what was expected and what was found."""
    entry = archived.entry
    if (recorded := tuple(dict.fromkeys(entry.parents))) != archived.git_parents:
        yield f"the parents attempt.json names: {_short(recorded)}", f"git parents {_short(archived.git_parents)}"
    if not entry.parents:
        yield "a program that it was made from", "none"
        return
    for parent in (*entry.parents, *entry.inspirations):
        if parent != archive.root_id and parent not in entries:
            yield "parents and inspirations in this archive", f"{parent[:12]}, which is no attempt that can be read"
            return
        if parent != archive.root_id and entries[parent].number >= entry.number:
            yield "parents and inspirations that came before", f"attempt {entries[parent].number}"
    try:
        yield from _taken_over(entry, entries)
        yield from _held(entry, entries)
        yield from _replayed(archive, entry)
    except ArchiveError as error:
        yield "a program and a reply that can be read", str(error)


def _taken_over(entry: Entry, entries: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    """Compare a copied verdict with its source. Whether the programs are equal is not checked: that depends on the
    version and the Python that archived them.
    """
    if not entry.same_as:
        return
    first = entries.get(entry.same_as)
    if first is None:
        yield (
            "a verdict taken over from an attempt of this archive",
            f"{entry.same_as[:12]!r}, which is no attempt of it",
        )
    elif first.number >= entry.number or first.same_as:
        yield "a verdict taken over from an attempt that came before and was judged", f"attempt {first.number}"
    elif first.verdict != entry.verdict:
        yield f"the verdict of attempt {first.number}, whose program it is said to be again", "another verdict"


def _held(entry: Entry, entries: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    """Compare the measurements on held-out loads with their raw samples, and with the attempts they are against."""
    for gate in entry.gates or ():
        other = entries.get(gate.against)
        if other is None or other.number >= entry.number:
            yield "a gate against an attempt that came before", f"one against {gate.against[:12]}"
        if gate.duel is not None and (fault := figures_fault(gate.duel, "a gate")) is not None:
            yield fault


def figures_fault(duel: Duel, what: str) -> tuple[str, str] | None:
    """What is expected and found where figures of a duel do not follow from its samples; None where they do."""
    try:
        speedup, gain = combined_speedup(duel.samples), combined_gain(duel.samples)
    except (ValueError, ZeroDivisionError, StatisticsError, OverflowError) as error:
        return f"samples of {what} that figures follow from", str(error)
    figures = ((duel.speedup, speedup), (duel.gain, gain), (duel.certain_gain, gain), (duel.certain, speedup))
    for stored, found in figures:
        if stored is None or found is None or not isclose(stored.median, found.median, rel_tol=1e-6, abs_tol=1e-9):
            return f"figures of {what} that follow from its samples", f"{stored} stored, {found} from the samples"
    return None


def _noted(archive: Archive) -> Iterator[Mismatch]:
    """The mismatches of measurements on splits, which are notes."""
    numbers = {entry.id: entry.number for entry in archive.entries}
    what = "a measurement on a split"
    for commit, measured in archive.split_notes.all():
        if isinstance(measured, str):
            fault: tuple[str, str] | None = (f"{what} that can be read", measured)
        else:
            fault = figures_fault(measured.duel, what)
        if fault is not None:
            yield Mismatch(number=numbers.get(commit), id=commit, expected=fault[0], found=fault[1])


def _replayed(archive: Archive, entry: Entry) -> Iterator[tuple[str, str]]:
    """The stored reply applied to the stored first parent, against the stored outcome."""
    parent = archive.source(entry.parents[0])
    stored, reply = archive.source(entry.id), archive.reply(entry.id)
    refused = entry.verdict if isinstance(entry.verdict, Rejected) and entry.verdict.stage == "patch" else None
    expected = f"a reply refused as {refused.reason}" if refused else "the stored program from the stored reply"
    replayed = parent
    last = archive.turns(entry.id)[-1:]
    if entry.kind != "seed" and last and (nothing := nothing_came(last[0])):
        if refused is None or refused.reason != nothing.reason:
            yield f"an answer recorded as {nothing.reason}", _told(entry)
        refused = nothing
    elif entry.kind == "import":
        replayed = reply
    elif entry.kind != "seed":
        try:
            replayed = apply_reply(reply, parent, allow_rewrite=entry.kind == "rewrite").source
        except PatchError as error:
            if refused is None or error.reason != refused.reason:
                yield expected, f"it is refused as {error.reason}: {error.detail}"
        else:
            if refused is not None:
                yield expected, "it applies"
    if stored != (parent if refused else replayed):
        what = "the parent's program" if refused or entry.kind == "seed" else "the same bytes"
        yield what, _first_difference(parent if refused else replayed, stored)


def _told(entry: Entry) -> str:
    verdict = entry.verdict
    return f"rejected at {verdict.stage}: {verdict.reason}" if isinstance(verdict, Rejected) else "a score"


def _first_difference(expected: str, found: str) -> str:
    wanted, actual = expected.splitlines(keepends=True), found.splitlines(keepends=True)
    for number, (line, other) in enumerate(zip(wanted, actual, strict=False), start=1):
        if line != other:
            return f"line {number}: expected {line[:80]!r}, found {other[:80]!r}"
    return f"expected {len(wanted)} lines, found {len(actual)}"


def _short(ids: tuple[str, ...]) -> str:
    return ", ".join(id_[:12] for id_ in ids) or "none"
