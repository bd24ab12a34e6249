"""One attempt in full as JSON values: what it is, how it was judged, what it changed, what was said.

Owns: the record of an attempt, and the difference of two. Does not know: HTTP, how a page lays it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

from evaluator import CaseScore, Rejected, Score, Scored, Task
from harness.archive import ArchiveError
from harness.archive.feed import Feed
from harness.page.columns import outcome
from harness.page.run import Run
from harness.page.splits import gates
from harness.page.texts import new_line, round_hit
from harness.page.tickets import turn_record
from harness.page.words import LONGEST, interval, sound, whole
from harness.readings.comparable import Group, Pooled, Taken, groups, members
from harness.readings.lineage import gain
from harness.report import attempts, duels_view
from harness.report.lineage_view import program_diff
from harness.report.tables import environment_line
from harness.types import Confirmation, Entry, Outcome

_CHILDREN, _TWINS = 200, 20
_DETAIL = 20_000
_CODE_BATCH = 32
_STEPS, _KEPT = 500, 1000


class Attempts:
    """The attempts of one run, read when they are asked for."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._kept: dict[str, Entry] = {}

    @property
    def _feed(self) -> Feed:
        return self._run.feed

    @property
    def _task(self) -> Task:
        return self._run.subject.task

    def _find(self, commit: str) -> Entry | None:
        """An attempt by its commit, without raw samples; None for the root, and for one that cannot be read."""
        if (kept := self._kept.get(commit)) is not None:
            return kept
        number = self._run.number(commit)
        try:
            entry = None if number < 0 else self._feed.entry(number, samples=False)
        except ArchiveError:
            return None
        if entry is not None:
            if len(self._kept) >= _KEPT:
                self._kept = {}
            self._kept[commit] = entry
        return entry

    def record(self, number: int) -> dict[str, Any]:
        """Everything about an attempt. Raises ArchiveError if no attempt of this number can be read."""
        entry = self._feed.entry(number)
        children, twins = self._run.relatives(number, _CHILDREN)
        rejected = entry.verdict if isinstance(entry.verdict, Rejected) else None
        return {
            "number": entry.number,
            "id": entry.id,
            "kind": entry.kind,
            "name": sound(entry.name),
            "description": whole(entry.description, _DETAIL),
            "when": entry.when_s,
            "parents": [self._named(parent) for parent in entry.parents if parent != self._feed.root_id],
            "inspirations": [self._named(commit) for commit in entry.inspirations],
            "children": children,
            "proposer": whole(entry.proposer, 80),
            "model": whole(entry.model, 80),
            "ticket": entry.ticket_number or None,
            "usd": entry.usd,
            "tokens": entry.tokens,
            "seconds": entry.seconds,
            "tiers": list(entry.tiers),
            "warnings": [whole(warning, _DETAIL) for warning in entry.warnings],
            "same_as": self._named(entry.same_as) if entry.same_as else None,
            "verdict_origin": attempts.verdict_origin(entry, self._find),
            "twins": [self._named(commit) for twin in twins[:_TWINS] if (commit := self._feed.commit(twin))],
            **self._run.rank(number),
            "outcome": outcome(entry),
            "reason": whole(rejected.reason, 400) if rejected else "",
            "detail": whole(rejected.detail, _DETAIL) if rejected else "",
            "change": attempts.change(entry, self._find) if entry.kind != "seed" else "",
            "score": None if entry.scored is None else self._score(entry.scored),
            "duels": [self._duel(entry, at) for at in range(len(entry.confirmations))],
            "gates": gates(entry, self._find, self._task.quality_key),
            "splits": self._run.on_splits(entry),
            **self._measurements(entry),
            "claimed": None if entry.claimed is None else _claimed(entry),
            **self._texts(entry),
        }

    def difference(self, number: int, other: int) -> dict[str, Any]:
        """What attempt `other` has and does otherwise than attempt `number`. Raises ArchiveError."""
        first, second = (self._feed.entry(each, samples=False) for each in (number, other))
        bought = gain(second, first)
        return {
            "a": {"number": first.number, "name": sound(first.name)},
            "b": {"number": second.number, "name": sound(second.name)},
            "diff": whole(self._diff(first, second), LONGEST),
            "words": "" if bought is None else attempts.change_words(bought),
            "points": None if bought is None else bought.points,
            "times": None if bought is None else bought.times,
            "not_compared": [] if bought is None else list(bought.not_compared),
        }

    def way(self, number: int) -> dict[str, Any]:
        """The chain of first parents to an attempt, oldest first, and what each step bought: the last `_STEPS` steps.

        Raises ArchiveError if the attempt cannot be read.
        """
        chain = [self._feed.entry(number, samples=False)]
        while len(chain) <= _STEPS and chain[-1].parents and (above := self._find(chain[-1].parents[0])) is not None:
            chain.append(above)
        cut = len(chain) > _STEPS
        steps = [self._step(entry) for entry in reversed(chain[:_STEPS])]
        return {"number": number, "cut": cut, "steps": steps}

    def _step(self, entry: Entry) -> dict[str, Any]:
        merged = (self._run.number(parent) for parent in dict.fromkeys(entry.parents[1:]))
        return {
            "number": entry.number,
            "name": sound(entry.name),
            "kind": entry.kind,
            "model": whole(entry.model, 80),
            "change": attempts.change(entry, self._find) if entry.kind != "seed" else "",
            "merged": [each for each in merged if each >= 0],
        }

    def lines(self, query: str, before: int | None) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """Attempts whose program has a new line that holds the query, newest first: each number that was looked at, and
        the hit if it is one.
        """
        pairs = self._run.newest_first(before)
        while some := list(islice(pairs, _CODE_BATCH)):
            commits = {number: self._feed.commit(number) for pair in some for number in pair if number >= 0}
            known = {number: commit for number, commit in commits.items() if commit}
            programs = dict(zip(known, self._feed.sources(list(known.values())), strict=True))
            for number, parent in some:
                program = programs.get(number)
                found = None if program is None else new_line(query, program, programs.get(parent) or "")
                if found is None:
                    yield number, None
                    continue
                excerpt = round_hit(found[1], query) or found[1][:200]
                yield number, {"number": number, "field": "code", "excerpt": sound(excerpt), "line": found[0]}

    def _named(self, commit: str) -> dict[str, Any]:
        """An attempt by number, commit and name; the number is null where it cannot be read."""
        entry = self._find(commit)
        if entry is None:
            return {"number": None, "id": commit, "name": ""}
        return {"number": entry.number, "id": entry.id, "name": sound(entry.name)}

    def _score(self, scored: Scored) -> dict[str, Any]:
        score, quality = scored.score, scored.score.quality_interval
        environment, columns = scored.environment, self._task.columns
        seed = int(self._feed.config["seed"])
        return {
            "quality": quality.median,
            "quality_low": quality.low,
            "quality_high": quality.high,
            "ceiling": score.quality.ceiling,
            "pass_quality": score.pass_quality,
            "gain": interval(score.gain),
            "runtime_ms": score.runtime_ms,
            "speedup": interval(score.speedup),
            "load_s": score.load_s,
            "decided": sound(score.decided),
            "metrics": dict(score.metrics),
            "columns": [{"key": column.key, "heading": " ".join(column.heading.split())} for column in columns],
            "environment": {"fingerprint": environment.fingerprint, **asdict(environment)},
            "environment_words": sound(environment_line(environment, seed)),
            "cases": [_case(case) for case in score.cases],
        }

    def _duel(self, entry: Entry, at: int) -> dict[str, Any]:
        confirmation: Confirmation = entry.confirmations[at]
        other = self._find(confirmation.against)
        words = list(duels_view.lines(entry, self._task, self._find))[at]
        duel = confirmation.duel
        return {
            "against": None if other is None else other.number,
            "words": sound(words),
            "failure": whole(confirmation.failure, _DETAIL) or None,
            "speedup": None if duel is None else interval(duel.speedup),
            "gain": None if duel is None else interval(duel.gain),
            "comparison": None if duel is None else duel.comparison,
        }

    def _measurements(self, entry: Entry) -> dict[str, Any]:
        """Its own measurement and those noted later, in groups of equal conditions."""
        note = self._feed.measurements.on(entry.id)
        seed = self._run.seed
        place = seed.scored.environment if seed is not None and seed.scored is not None else None
        found = groups(members(entry, int(self._feed.config["seed"]), place, note.measurements))
        return {
            "measurements": [_member(group, member) for group in found for member in group.members],
            "joint": [_pooled(group, group.pooled) for group in found if group.pooled is not None],
            "notes_damaged": sound(note.damage(f"attempt {entry.number}")),
        }

    def _texts(self, entry: Entry) -> dict[str, Any]:
        feed = self._feed
        program, reply, turns = feed.source(entry.id), feed.reply(entry), feed.turns(entry)
        parent = self._find(entry.parents[0]) if entry.parents else None
        diff = ""
        if entry.kind != "seed" and not (isinstance(entry.verdict, Rejected) and entry.verdict.stage == "patch"):
            diff = self._diff(parent, entry)
        if turns:
            reply = turns[-1].text
        long = {"program": program, "reply": reply, "diff": diff}
        return {
            **{name: whole(text, LONGEST) for name, text in long.items()},
            "diff_of": None if parent is None else {"number": parent.number, "name": sound(parent.name)},
            "turns": [turn_record(turn) for turn in turns],
            "cut": [name for name, text in long.items() if len(text) > LONGEST],
        }

    def _diff(self, first: Entry | None, second: Entry) -> str:
        """A unified diff of two programs; of the seed program's text, where the first is not an attempt."""
        before = self._feed.source(self._feed.root_id if first is None else first.id)
        name = "seed" if first is None else str(first.number)
        return sound(program_diff(before, self._feed.source(second.id), (name, str(second.number))))


def _case(case: CaseScore) -> dict[str, Any]:
    value, samples = case.interval, case.samples
    names = ("candidate_us", "reference_us", "candidate_quality", "reference_quality", "rounds")
    return {
        "name": sound(case.quality.case),
        "quality": value.median,
        "quality_low": value.low,
        "quality_high": value.high,
        "ceiling": case.quality.ceiling,
        "runtime_ms": case.runtime_ms,
        "reference_ms": case.reference_ms,
        "speedup": interval(case.speedup),
        "gain": interval(case.gain),
        "metrics": dict(case.quality.metrics),
        "samples": {name: list(getattr(samples, name)) if samples else [] for name in names},
    }


def _claimed(entry: Entry) -> dict[str, Any]:
    assert entry.claimed is not None
    claimed = entry.claimed
    scores = {whole(name, 80): score for name, score in claimed.scores.items()}
    return {"framework": whole(claimed.framework, 80), "id": whole(claimed.id, 200), "scores": scores}


def _member(group: Group, member: Taken) -> dict[str, Any]:
    measurement = member.measurement
    return {
        "measured": member.taken,
        "when": measurement.when_s,
        "differs": [sound(words) for words in group.differs],
        "fingerprint": measurement.environment.fingerprint,
        **_verdict(measurement.verdict),
    }


def _verdict(verdict: Outcome) -> dict[str, Any]:
    """A verdict in a few figures; those that it does not have are null."""
    score: Score | None = verdict.score if isinstance(verdict, Scored) else None
    rejected = verdict if isinstance(verdict, Rejected) else None
    quality = None if score is None else score.quality_interval
    return {
        "outcome": rejected.stage if rejected else "scored",
        "reason": whole(rejected.reason, 400) if rejected else "",
        "detail": whole(rejected.detail, _DETAIL) if rejected else "",
        "quality": None if quality is None else quality.median,
        "quality_low": None if quality is None else quality.low,
        "quality_high": None if quality is None else quality.high,
        "runtime_ms": None if score is None else score.runtime_ms,
        "speedup": None if score is None else interval(score.speedup),
    }


def _pooled(group: Group, pooled: Pooled) -> dict[str, Any]:
    return {
        "differs": [sound(words) for words in group.differs],
        "measurements": pooled.measurements,
        "rounds": pooled.rounds,
        "speedup": interval(pooled.speedup),
        "quality": interval(pooled.quality),
        "apart": pooled.apart,
    }
