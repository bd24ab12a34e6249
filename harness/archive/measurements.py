"""Measurements made after an attempt was archived: git notes on its commit, under `refs/notes/measurements`.

Owns: what stands in such a note. Does not know: how a verdict is reached, which measurements compare, how git keeps
notes.

A note is one JSON object a line, each there once and in any order, so that notes of two machines are joined by `git
notes --ref=measurements merge -s cat_sort_uniq REF`, and `git notes --ref=measurements show COMMIT` and `git log
--notes=measurements` show them. A line begins with when it was, so that sorted lines are in the order of time. Its
fingerprint is for people and scripts; readers here work it out from the environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from evaluator.types import Environment, Samples, Scored, Verdict
from harness.archive.opening import disk_advice
from harness.archive.records import RecordError, dump, load
from harness.git import GitObject, Repository
from harness.git.notes import Notes, NotesError
from harness.types import Measurement

NOTES = "refs/notes/measurements"
_MESSAGE = "Note a measurement\n"
_SAFE = "the attempts and all measurements noted before are safe"
_LAST_S, _MOST_SEED = 253_402_300_799, 2**63
"""The end of the year 9999, and what no seed reaches: other values were not written here."""
_LONGEST_US = 10**12
"""Eleven days, in microseconds: a longer call was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is noted on a commit, oldest first; and of what cannot be read how many lines, and why (the first)."""

    measurements: tuple[Measurement, ...] = ()
    unreadable: int = 0
    problem: str = ""

    def damage(self, what: str) -> str:
        """A sentence on what cannot be read of the note on `what`; "" where everything can."""
        if not self.problem:
            return ""
        lines = "1 line of " if self.unreadable == 1 else f"{self.unreadable} lines of " if self.unreadable else ""
        return f"{lines}the note on {what} cannot be read: {self.problem}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of a note. The verdict on a rejected program says nothing of where it was reached: `environment` does."""

    when: int
    seed: int
    fingerprint: str
    verdict: Verdict
    environment: Environment | None = None


class Measurements:
    """The measurements noted in a repository. Several processes may add at once."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._notes = Notes(repository, NOTES)

    def begin(self) -> None:
        """Raises HarnessError where no measurement could be noted: before one is made, which takes its time."""
        with disk_advice(self._repository.path, "measurements", _SAFE):
            self._repository.begin_writing()
            self._notes.on("0" * 40)

    def add(self, commit: str, measurement: Measurement) -> None:
        """Note a measurement on a commit; durable when this returns. Raises HarnessError."""
        with disk_advice(self._repository.path, "the measurement", _SAFE):
            self._notes.add_line(commit, _line(measurement), _MESSAGE)

    def on(self, commit: str) -> Note:
        """What is noted on a commit; nothing, and why, where the notes are damaged."""
        try:
            return _note(self._notes.on(commit))
        except NotesError as error:
            return Note(problem=str(error))

    def all(self) -> Iterator[tuple[str, Note]]:
        """Every commit that measurements are noted on, and what is, in one pass. Raises NotesError where the notes as a
        whole are damaged.
        """
        for commit, texts in self._notes.all():
            yield commit, _note(texts)


def _line(measurement: Measurement) -> bytes:
    scored = isinstance(measurement.verdict, Scored)
    line = _Line(
        when=measurement.when_s,
        seed=measurement.seed,
        fingerprint=measurement.environment.fingerprint,
        verdict=measurement.verdict,
        environment=None if scored else measurement.environment,
    )
    return json.dumps(dump(line), allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def _note(texts: Iterable[GitObject]) -> Note:
    lines: dict[bytes, None] = {}  # a line that merges brought twice is one measurement
    lost = ""
    for text in texts:
        lost = f"{text.name[:12]} is {text.problem}" if text.problem else lost
        lines |= dict.fromkeys(filter(None, map(bytes.strip, text.data.split(b"\n"))))
    found: list[Measurement] = []
    problems: list[str] = []
    for line in lines:
        try:
            found.append(_measurement(line))
        except ValueError as error:  # RecordError, and what is no JSON
            problems.append(str(error))
        except RecursionError:
            problems.append("it is nested too deep")
    found.sort(key=lambda one: one.when_s)
    problem = lost or next(iter(problems), "")
    return Note(measurements=tuple(found), unreadable=0 if lost else len(problems), problem=problem)


def _measurement(line: bytes) -> Measurement:
    """Raises ValueError (RecordError among them)."""
    found = load(_Line, json.loads(line), "a measurement")
    if not (0 <= found.when <= _LAST_S and 0 <= found.seed < _MOST_SEED):
        raise RecordError(f"expected a time and a seed, found {found.when} and {found.seed}")
    environment = found.environment
    if isinstance(found.verdict, Scored):
        environment = found.verdict.environment
        _check([case.samples for case in found.verdict.score.cases])
    if environment is None:
        raise RecordError("expected the environment of a rejected program, found none")
    return Measurement(verdict=found.verdict, when_s=found.when, seed=found.seed, environment=environment)


def _check(per_case: list[Samples | None]) -> None:
    """Raises RecordError where statistics could not be made of these samples."""
    rounds = [len(samples.rounds or (1,)) for samples in per_case if samples is not None]
    if not per_case or len(rounds) != len(per_case) or len(set(rounds)) != 1:
        raise RecordError("expected cases with raw samples, all of the same number of rounds, found others")
    longest = max(max(one.candidate_us + one.reference_us) for one in per_case if one is not None)
    if longest > _LONGEST_US:
        raise RecordError(f"expected calls of at most {_LONGEST_US} microseconds, found one of {longest}")
