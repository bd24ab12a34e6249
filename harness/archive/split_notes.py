"""Best programs measured against the seed program on each split: git notes on their commits, under `refs/notes/splits`.

Owns: the format of such a note. Does not know: how a duel is measured, what is concluded from it.

A note has one JSON object per line, in any order. Of a split and an opponent the earliest counts: the final loads are
measured once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from harness.archive.measurements import check_samples, check_time
from harness.archive.opening import disk_advice
from harness.archive.records import dump, load
from harness.git import Repository
from harness.git.notes import Notes, NotesError
from harness.types import OnSplit

SPLIT_NOTES = "refs/notes/splits"
_MESSAGE = "Note a measurement on a split\n"


class SplitNotes:
    """The notes of a run. Several processes may add to them at once."""

    def __init__(self, repository: Repository) -> None:
        self._repository, self._notes = repository, Notes(repository, SPLIT_NOTES)

    def add(self, commit: str, measured: OnSplit) -> None:
        """Add a measurement to the note on a commit; durable when this returns. Raises HarnessError."""
        line = json.dumps(dump(measured), allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
        with disk_advice(self._repository.path, "the measurement on a split", "the attempts are safe"):
            self._repository.begin_writing()
            self._notes.add_line(commit, line, _MESSAGE)

    @property
    def version(self) -> str:
        """Changes whenever a note does; "" before the first."""
        return self._repository.ref(SPLIT_NOTES) or ""

    def on(self, commit: str, against: str) -> dict[str, OnSplit]:
        """The earliest readable measurement of each split against an entry; {} if the notes are damaged."""
        try:
            texts = self._notes.on(commit)
        except NotesError:
            return {}
        found: dict[str, OnSplit] = {}
        for line in (line for text in texts if not text.problem for line in text.data.split(b"\n") if line.strip()):
            measured = readable(line)
            if isinstance(measured, str) or measured.against != against:
                continue
            earlier = found.get(measured.split)
            if earlier is None or measured.when_s < earlier.when_s:
                found[measured.split] = measured
        return found

    def all(self) -> Iterator[tuple[str, OnSplit | str]]:
        """Every measurement, by commit; a text says why a line, or a whole note, cannot be read, or all notes (of the
        commit "").
        """
        try:
            for commit, texts in self._notes.all():
                for text in texts:
                    if text.problem:
                        yield commit, text.problem
                    for line in filter(None, map(bytes.strip, text.data.split(b"\n"))):
                        yield commit, readable(line)
        except NotesError as error:
            yield "", str(error)


def readable(line: bytes) -> OnSplit | str:
    """The measurement that a line of a note holds; a text says why it cannot be read."""
    try:
        measured = load(OnSplit, json.loads(line), "a measurement on a split")
        check_time(measured.when_s)
        check_samples(measured.duel.samples)
    except (ValueError, RecursionError) as error:  # RecordError, no JSON, or nested too deep
        return str(error)
    return measured
