"""The notes that another repository has: which of them a run accepts.

Owns: the checks of measurements on splits, which are notes. Does not know: how notes are fetched and merged; whether
the figures of a measurement follow from its samples, which a callback says.

What somebody else measured is hearsay. It is accepted if it is of an attempt that is here, against the seed program,
and its figures follow from its samples. Where this run has a measurement of its own on that split, that one stays, and
theirs is not taken: a forged time cannot make it the earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from evaluator import SPLITS
from harness.archive.split_notes import SPLIT_NOTES, readable
from harness.exchange.holdings import CARRIED
from harness.git import GitObject
from harness.git.notes import Notes, NotesError
from harness.git.staging import Staging
from harness.types import OnSplit

_MOST_BYTES = 16_000_000
"""Of a note: a measurement on a split takes some 100 kB."""

Fault = Callable[[OnSplit], str]
"""What is wrong with a measurement; "" where nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is here: numbers of attempts by commit, the commit of the seed program's attempt, and what this run has
    measured of an attempt itself, by split.
    """

    attempts: Mapping[str, int]
    seed: str
    own: Callable[[str], Mapping[str, OnSplit]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What is new in notes: texts by commit. `whole`: all that came is sound, and this run measured nothing of it
    otherwise; `left_out` has a sentence on each thing that is at fault.
    """

    texts: Mapping[str, bytes]
    whole: bool
    left_out: tuple[str, ...]


def sifted(
    staging: Staging, noted: Mapping[str, str], known: Known, fault: Fault
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The commits of the notes to accept, by ref, and a sentence on each thing that is left out. `noted`: those that
    came, whose objects are in `staging`. Raises GitError.
    """
    notes, left_out = dict(noted), list[str]()
    for ref, id_ in noted.items():
        if (tip := staging.repository.read(id_)).kind != "commit":
            what = "the measurements on splits" if ref == SPLIT_NOTES else "the notes"
            left_out.append(f"{what}: expected a commit, found {tip.problem or f'a {tip.kind}'}")
            del notes[ref]
    if SPLIT_NOTES in notes:
        staging.repository.set_ref(CARRIED[SPLIT_NOTES], notes[SPLIT_NOTES])
        try:
            found = accepted(Notes(staging.repository, CARRIED[SPLIT_NOTES]).all(), known, fault)
        except NotesError as error:
            found = Accepted(texts={}, whole=False, left_out=(f"the measurements on splits: {error}",))
        left_out += found.left_out
        if not found.texts and not found.whole:
            del notes[SPLIT_NOTES]
        elif not found.whole:
            notes[SPLIT_NOTES] = staging.notes_of(found.texts)
    return notes, tuple(left_out)


def accepted(came: Iterable[tuple[str, Sequence[GitObject]]], known: Known, fault: Fault) -> Accepted:
    """Sift notes on splits, given by commit."""
    texts, left_out, whole = dict[str, bytes](), list[str](), True
    for commit, notes in came:
        number = known.attempts.get(commit)
        if number is None:
            left_out.append(f"measurements on splits of {commit[:12]}, which is no attempt here")
            continue
        own, kept = known.own(commit), list[bytes]()
        for line in _lines(notes):
            measured = line if isinstance(line, str) else readable(line)
            problem = measured if isinstance(measured, str) else _problem(measured, known.seed) or fault(measured)
            if isinstance(line, str) or isinstance(measured, str) or problem:
                left_out.append(f"a measurement of attempt {number} on a split: {problem}")
            elif measured.split not in own:
                kept.append(line)
            elif own[measured.split] != measured:
                whole = False
        if kept:
            texts[commit] = b"".join(line + b"\n" for line in kept)
    return Accepted(texts=texts, whole=whole and not left_out, left_out=tuple(left_out))


def _lines(notes: Sequence[GitObject]) -> Iterator[bytes | str]:
    """The lines of a note; a text says what is wrong with a part of it."""
    for note in notes:
        if note.problem or note.kind != "blob":
            yield note.problem or f"expected a text, found a {note.kind}"
        elif len(note.data) > _MOST_BYTES:
            yield f"expected a note of at most {_MOST_BYTES:,} bytes, found {len(note.data):,}"
        else:
            yield from filter(None, map(bytes.strip, note.data.split(b"\n")))


def _problem(measured: OnSplit, seed: str) -> str:
    if measured.split not in SPLITS:
        return f"expected one of {', '.join(SPLITS)}, found {measured.split!r}"
    if measured.against != seed:
        return f"expected one against the seed program {seed[:12]}, found {measured.against[:12]!r}"
    return ""
