"""Best programs measured against the seed program on each split: git notes on their commits, under `refs/notes/splits`.

Owns: the format of such a note. Does not know: how a duel is measured, what is concluded from it.

A note has one JSON object per line, the first of a split and an opponent counts: the final loads are measured once.
"""

from __future__ import annotations

import json

from harness.archive.opening import disk_advice
from harness.archive.records import RecordError, dump, load
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

    def on(self, commit: str) -> dict[str, OnSplit]:
        """The first readable measurement of each split; {} if the notes are damaged."""
        try:
            texts = self._notes.on(commit)
        except NotesError:
            return {}
        found: dict[str, OnSplit] = {}
        for line in (line for text in texts if not text.problem for line in text.data.split(b"\n") if line.strip()):
            try:
                measured = load(OnSplit, json.loads(line), "a measurement on a split")
            except (RecordError, ValueError, RecursionError):
                continue
            found.setdefault(measured.split, measured)
        return found
