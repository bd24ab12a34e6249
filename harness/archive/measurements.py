"""Measurements made after an attempt was archived: git notes on its commit, under `refs/notes/measurements`.

Owns: the format of such a note. Does not know: how a verdict is reached, which measurements are comparable, how git
stores notes.

A note has one JSON object per line, without repeats, in any order. So `git notes --ref=measurements merge -s
cat_sort_uniq REF` merges the notes of two machines, and `git notes --ref=measurements show COMMIT` and `git log
--notes=measurements` show them. A line begins with its time, so sorted lines are in order of time. The fingerprint is
for people and scripts; packsmith computes it from the environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from evaluator.types import Environment, Interval, Samples, Score, Scored, Verdict
from harness.archive.opening import disk_advice
from harness.archive.records import RecordError, dump, load
from harness.git import GitObject, Repository
from harness.git.notes import Notes, NotesError
from harness.types import Measurement

NOTES = "refs/notes/measurements"
_MESSAGE = "Note a measurement\n"
_SAFE = "the attempts and all earlier measurements are safe"
_LAST_S, _MOST_SEED = 253_402_300_799, 2**63
"""Upper limits: the end of the year 9999, and of seeds. Larger values were not written by packsmith."""
_LARGEST_QUALITY = 1e9
"""No task has a quality beyond this; statistics of larger numbers may overflow."""
_LONGEST_US = 10**12
"""Eleven days, in microseconds: no measured call is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The measurements noted on a commit, oldest first; how many lines are unreadable, and why (the first)."""

    measurements: tuple[Measurement, ...] = ()
    unreadable: int = 0
    problem: str = ""

    def damage(self, what: str) -> str:
        """A sentence on the unreadable part of the note on `what`; "" if all is readable."""
        if not self.problem:
            return ""
        lines = "1 line of " if self.unreadable == 1 else f"{self.unreadable} lines of " if self.unreadable else ""
        return f"{lines}the note on {what} cannot be read: {self.problem}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of a note. `environment` is set for rejected programs only, whose verdict does not contain it."""

    when: int
    seed: int
    fingerprint: str
    verdict: Verdict
    environment: Environment | None = None


class Measurements:
    """The measurements noted in a repository. Several processes may add to them at once."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._notes = Notes(repository, NOTES)

    def begin(self) -> None:
        """Check, before the long measuring, that a measurement can be noted. Raises HarnessError."""
        with disk_advice(self._repository.path, "measurements", _SAFE):
            self._repository.begin_writing()
            self._notes.on("0" * 40)

    def add(self, commit: str, measurement: Measurement) -> None:
        """Add a measurement to the note on a commit; durable when this returns. Raises HarnessError."""
        with disk_advice(self._repository.path, "the measurement", _SAFE):
            self._notes.add_line(commit, _line(measurement), _MESSAGE)

    def on(self, commit: str) -> Note:
        """The note on a commit; empty, with the problem, if the notes are damaged."""
        try:
            return _note(self._notes.on(commit))
        except NotesError as error:
            return Note(problem=str(error))

    def all(self) -> Iterator[tuple[str, Note]]:
        """Every commit with a note, and the note, in one pass. Raises NotesError if the notes tree is damaged."""
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
    lines: dict[bytes, None] = {}  # a merge may repeat a line: it is one measurement
    lost = ""
    for text in texts:
        lost = f"{text.name[:12]} is {text.problem}" if text.problem else lost
        lines |= dict.fromkeys(filter(None, map(bytes.strip, text.data.split(b"\n"))))
    measurements: list[Measurement] = []
    problems: list[str] = []
    for line in lines:
        try:
            measurements.append(_measurement(line))
        except ValueError as error:  # RecordError, or no JSON
            problems.append(str(error))
        except RecursionError:
            problems.append("it is nested too deep")
    measurements.sort(key=lambda measurement: measurement.when_s)
    problem = lost or next(iter(problems), "")
    return Note(measurements=tuple(measurements), unreadable=0 if lost else len(problems), problem=problem)


def _measurement(line: bytes) -> Measurement:
    """Raises ValueError (RecordError among them)."""
    stored = load(_Line, json.loads(line), "a measurement")
    check_time(stored.when)
    if not 0 <= stored.seed < _MOST_SEED:
        raise RecordError(f"expected a seed, found {stored.seed}")
    environment = stored.environment
    if isinstance(stored.verdict, Scored):
        environment = stored.verdict.environment
        check_samples([case.samples for case in stored.verdict.score.cases])
        _check_qualities(stored.verdict.score)
    if environment is None:
        raise RecordError("expected the environment of a rejected program, found none")
    return Measurement(verdict=stored.verdict, when_s=stored.when, seed=stored.seed, environment=environment)


def check_time(when_s: int) -> None:
    """Raises RecordError for what is no Unix time."""
    if not 0 <= when_s <= _LAST_S:
        raise RecordError(f"expected a time, found {when_s}")


def check_samples(per_case: Sequence[Samples | None]) -> None:
    """Raises RecordError if statistics cannot be computed from these samples."""
    rounds = [len(samples.rounds or (1,)) for samples in per_case if samples is not None]
    if not per_case or len(rounds) != len(per_case) or len(set(rounds)) != 1:
        raise RecordError("expected cases with raw samples, all of the same number of rounds, found others")
    longest = max(max(samples.candidate_us + samples.reference_us) for samples in per_case if samples is not None)
    if longest > _LONGEST_US:
        raise RecordError(f"expected calls of at most {_LONGEST_US} microseconds, found one of {longest}")
    qualities = [samples.candidate_quality + samples.reference_quality for samples in per_case if samples is not None]
    _check_size([value for values in qualities for value in values])


def _check_qualities(score: Score) -> None:
    """Raises RecordError if gains do not go with the qualities of the calls, or if statistics of these would overflow.

    A score has qualities for all calls of all cases, the gains that follow from them, the quality in the pass and the
    secret of their loads; or, from an earlier version, none of these.
    """
    samples = [case.samples for case in score.cases if case.samples is not None]
    parts = [
        *(score.gain is not None, score.pass_quality is not None, bool(score.secret)),
        *(case.gain is not None for case in score.cases),
        *(bool(each.candidate_quality) for each in samples),
    ]
    if any(parts) and not all(parts):
        raise RecordError(
            "expected a gain, a quality in the pass, a secret and qualities of all calls, or none of these, found some"
        )
    values = [score.quality.value, score.pass_quality or 0.0, *_ends(score.gain)]
    for case in score.cases:
        values += [case.quality.value, case.reference_quality, *_ends(case.gain)]
    _check_size(values)


def _check_size(qualities: Sequence[float]) -> None:
    largest = max(map(abs, qualities), default=0.0)
    if largest > _LARGEST_QUALITY:
        raise RecordError(f"expected qualities of at most {_LARGEST_QUALITY:g}, found {largest:g}")


def _ends(interval: Interval | None) -> tuple[float, ...]:
    return () if interval is None else (interval.median, interval.low, interval.high)
