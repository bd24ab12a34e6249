"""One run, followed while it grows: what the page knows of it at any moment.

Owns: reading what is new, under one lock, and the state of the run as JSON values. Does not know: HTTP, single attempts
in full (`attempt`), who looks.
"""

from __future__ import annotations

import math
import secrets
import threading
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from evaluator import Task
from harness.archive import ArchiveError
from harness.archive.feed import Feed
from harness.archive.index_file import Row as IndexRow
from harness.config import stored_objective
from harness.git import GitError
from harness.page.columns import Columns, Row
from harness.page.marks import compared
from harness.page.ranks import Ranks, TooLate
from harness.page.scores import Scores
from harness.page.splits import HeldOut
from harness.page.tally import Tally
from harness.page.texts import Texts
from harness.page.tickets import ticket_record
from harness.page.words import json_text, objective_kind, objective_words, sound, whole
from harness.types import Entry, Pending

READ_S = 0.25
"""Seconds that a long run is read at a time while a page is open: about as long as a request waits for it."""
_DAMAGE, _ADVICE = 20, 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A run to be shown: its folder as typed, a short name that no other run of the page has, its task, and other
    programs that are drawn beside its attempts (see `marks`).
    """

    folder: Path
    name: str
    task: Task
    marks: Sequence[Mapping[str, Any]] = ()


class _Known:
    """What is known of a run's attempts; made anew where the run has to be read anew."""

    def __init__(self, feed: Feed) -> None:
        self.epoch = secrets.token_hex(6)
        self.feed = feed
        self.columns, self.texts, self.tally, self.scores = Columns(), Texts(), Tally(), Scores()
        self.ranks = Ranks(stored_objective(feed.config))
        self.held_out = HeldOut(feed)
        self.rows: dict[bytes, int] = {}
        self.numbers, self.parents, self.same = array("q"), array("q"), array("q")
        self.merged: dict[int, tuple[int, ...]] = {}
        self.ordered = True
        self.started_s = self.newest_s = 0

    def add(self, row: IndexRow) -> None:
        """Take one more attempt. Raises TooLate."""
        entry = row.archived.entry
        number = len(self.numbers)
        if not number:
            self.started_s = entry.when_s
        self.newest_s = max(self.newest_s, entry.when_s)
        since_s = entry.when_s - self.started_s
        valid = self.ranks.add(entry)
        parents = tuple(self.number(parent) for parent in dict.fromkeys(entry.parents))
        improved = self.scores.add(entry, self.rows.get(bytes.fromhex(entry.parents[0]), -1) if entry.parents else -1)
        same = self.number(entry.same_as) if entry.same_as else -1
        self.tally.add(entry, calls=row.calls, since_s=since_s, better=valid and improved)
        self.columns.add(Row(entry=entry, parents=parents, same_as=same, since_s=since_s))
        self.texts.add(entry)
        self.rows[bytes.fromhex(entry.id)] = number
        self.ordered = self.ordered and (not number or self.numbers[-1] < entry.number)
        self.numbers.append(entry.number)
        self.parents.append(parents[0] if parents else -1)
        self.same.append(same)
        if len(parents) > 1:
            self.merged[number] = parents[1:]

    def number(self, commit: str) -> int:
        """The number of an attempt by its commit; -1 for any other commit."""
        try:
            row = self.rows.get(bytes.fromhex(commit))
        except ValueError:
            return -1
        return -1 if row is None else self.numbers[row]


class Run:
    """A run that is followed. Every method may be called from any thread."""

    def __init__(self, subject: Subject, feed: Feed, place: int) -> None:
        """`poll` reads the run; until then nothing is known of it. A long run takes many polls.

        Raises KeyError, TypeError or ValueError if no search wrote its config.
        """
        self.subject, self.place = subject, place
        self._lock = threading.Lock()
        self._known = _Known(feed)
        self._rows: Iterator[IndexRow] | None = None
        """What is left to read since a poll that ended early."""
        self._about = self._described()
        self._problem = ""
        self._state = ""
        self._polled_s = -1.0
        self._reference_name = whole(Path(str(feed.config["judge"]["reference"]["file"])).name, 80)
        self._reference: tuple[float | None, float | None] = (None, None)

    def close(self) -> None:
        self._known.feed.close()

    @property
    def feed(self) -> Feed:
        return self._known.feed

    @property
    def epoch(self) -> str:
        """Changes whenever rows that were given out are void."""
        return self._known.epoch

    @property
    def size(self) -> int:
        return self._known.columns.size

    @property
    def problem(self) -> str:
        """Why the run could not be read at the last poll; "" if it could."""
        return self._problem

    @property
    def state(self) -> str:
        """The state of the run after the last poll, as the text of a JSON object."""
        return self._state

    @property
    def reading(self) -> bool:
        """Whether the last poll ended before all was read: the next one goes on."""
        return self._rows is not None

    def poll(self, older_than_s: float = 0.0, for_s: float = math.inf) -> bool:
        """Read what is new for about `for_s` seconds, unless that was done less than `older_than_s` ago; whether
        anything is new.
        """
        with self._lock:
            if time.monotonic() - self._polled_s < older_than_s and self._state:
                return False
            size, epoch = self.size, self.epoch
            try:
                self._read(time.monotonic() + for_s)
                self._problem = ""
            except (ArchiveError, GitError, OSError) as error:
                self._problem = whole(str(error), _ADVICE)
            self._polled_s = time.monotonic()
            state = json_text(self._record())
            changed = (state, self.size, self.epoch) != (self._state, size, epoch)
            self._state = state
            return changed

    def _read(self, end_s: float) -> None:
        known = self._known
        known.feed.check()
        rows, self._rows = self._rows or known.feed.read(), None
        try:
            for row in rows:
                known.add(row)
                if time.monotonic() > end_s:
                    self._rows = rows
                    return
        except TooLate:
            self._known = _Known(Feed(self.subject.folder))
            known.feed.close()
            self._read(end_s)

    def rows(self, since: int, most: int | None = None) -> tuple[str, int]:
        """The rows from number `since` on, all or about `most`, as the text of a JSON object (see README.md); and the
        number of the row after them.
        """
        with self._lock:
            columns = self._known.columns
            blocks, rows = columns.blocks(since, most)
            start = min(max(since, 0), columns.size)
            head = {"run": self.place, "epoch": self.epoch, "from": start, "count": start + rows}
            head["words"] = columns.words()
        return f'{json_text(head)[:-1]},"blocks":[{",".join(blocks)}]}}', start + rows

    def verdicts(self) -> dict[str, Any]:
        with self._lock:
            return {"run": self.place, **self._known.tally.verdicts()}

    def spend(self) -> dict[str, Any]:
        with self._lock:
            tally = self._known.tally
            booked = self._booked(self.feed.pending())
            return {"run": self.place, **tally.spend(), "booked": booked, "budget": self._budget()}

    def find(self, query: str, most: int) -> dict[str, Any]:
        """The attempts whose texts hold all words of a query."""
        with self._lock:
            total, hits = self._known.texts.find(query, most)
        return {"q": sound(query), "where": "text", "total": total, "hits": [asdict(hit) for hit in hits], "next": None}

    def number(self, commit: str) -> int:
        """The number of an attempt by its commit; -1 for any other commit."""
        return self._known.number(commit)

    def relatives(self, number: int, most: int) -> tuple[list[int], list[int]]:
        """The children of an attempt, and later attempts with the same program: the first of each."""
        with self._lock:
            known = self._known
            children = [known.numbers[row] for row, parent in enumerate(known.parents) if parent == number]
            merged = [known.numbers[row] for row, others in known.merged.items() if number in others]
            twins = [known.numbers[row] for row, first in enumerate(known.same) if first == number]
        return sorted({*children, *merged})[:most], sorted(twins)[:most]

    def newest_first(self, before: int | None) -> Iterator[tuple[int, int]]:
        """Numbers of attempts and of their first parents, newest first, from below `before` on."""
        with self._lock:
            numbers, parents, ordered = self._known.numbers[:], self._known.parents[:], self._known.ordered
        if ordered:
            end = len(numbers) if before is None else bisect_left(numbers, before)
            return ((numbers[row], parents[row]) for row in range(end - 1, -1, -1))
        pairs = zip(numbers, parents, strict=True)
        return iter(sorted((pair for pair in pairs if before is None or pair[0] < before), reverse=True))

    def rank(self, number: int) -> dict[str, bool]:
        """Whether an attempt is the champion, was champion, and is on the front; whether it is better than the best of
        its time on the loads of the search only, or held-out loads could not tell.
        """
        with self._lock:
            ranks = self._known.ranks
            champion = ranks.standing.best
            return {
                "champion": champion is not None and champion.number == number,
                "was_champion": number in ranks.champions,
                "on_front": any(entry.number == number for entry in ranks.standing.front),
                "search_only": any(entry.number == number for entry in ranks.standing.search_only),
                "untold": any(entry.number == number for entry in ranks.standing.untold),
            }

    def on_splits(self, entry: Entry) -> list[dict[str, Any]]:
        """An attempt on each split on which it was measured against the seed program."""
        return self._known.held_out.measured(entry, self._known.ranks.standing)

    @property
    def seed(self) -> Entry | None:
        """The seed program's attempt; None before it has a score."""
        return self._known.ranks.standing.seed

    def _booked(self, open_: Sequence[Pending]) -> dict[str, Any]:
        """The cost of all model calls so far; open ones count at the most they may cost."""
        tally = self._known.tally
        usd, tokens, calls = tally.usd, tally.tokens, tally.calls
        for pending in open_:
            usd += pending.proposal.usd + pending.bound_usd
            tokens += pending.proposal.tokens + pending.bound_tokens
            calls += sum(turn.tries for turn in pending.proposal.turns) + pending.calling
        return {"usd": usd, "tokens": tokens, "calls": calls}

    def _budget(self) -> dict[str, Any]:
        limits = _mapping(self.feed.config.get("budget"))
        return {whole(str(n), 40): limit for n, limit in limits.items() if type(limit) in (int, float)}

    def _record(self) -> dict[str, Any]:
        known, feed, subject = self._known, self._known.feed, self.subject
        working, tally, open_ = feed.working(), known.tally, feed.pending()
        if not working and feed.stop_asked():
            feed.forget_stop()
        damage = [f"{ref}: {problem}" for ref, problem in sorted(feed.damage.items())]
        return {
            "run": self.place,
            "name": sound(subject.name),
            "path": sound(str(subject.folder)),
            "epoch": known.epoch,
            "count": known.columns.size,
            "reading": {"read": known.columns.size, "of": feed.found} if self.reading else None,
            **self._about,
            "marks": self._marks(),
            "started": known.started_s or None,
            "newest": known.newest_s or None,
            "working": working,
            "stop_asked": feed.stop_asked(),
            "attempts": tally.attempts,
            "scored": tally.scored,
            **self._ranked(),
            "verdicts": {**tally.outcomes, "known": tally.known},
            "booked": self._booked(open_),
            "judge_s": tally.judge_s,
            "budget": self._budget(),
            "tickets": [ticket_record(feed, pending, known.number) for pending in open_],
            "advice": [whole(text, _ADVICE) for text in feed.advice()],
            "damage": [whole(line, 400) for line in damage[:_DAMAGE]],
            "problem": self._problem,
        }

    def _described(self) -> dict[str, Any]:
        """What the config says of the run."""
        config, task = self.feed.config, self.subject.task
        objective = self._known.ranks.standing.objective
        models = config.get("models")
        models = models if isinstance(models, list) else []
        return {
            "task": task.name,
            "quality": task.quality_key,
            "quality_words": f"{task.quality_key}: higher is better",
            "objective": objective_words(objective, task.quality_key),
            "objective_kind": objective_kind(objective),
            "device": str(config["device"]),
            "seed": int(config["seed"]),
            "imported": self.feed.imported,
            "proposer": whole(str(_mapping(config.get("proposer")).get("kind", "")), 40),
            "models": [whole(name, 80) for model in models if isinstance(name := _mapping(model).get("name"), str)],
        }

    def _marks(self) -> list[dict[str, Any]]:
        task, seed = self.subject.task, self.seed
        fingerprint = seed.scored.environment.fingerprint if seed is not None and seed.scored is not None else ""
        about = {"task": task.name, "quality": task.quality_name, "fingerprint": fingerprint}
        return [compared(mark, **about) for mark in self.subject.marks]

    def _ranked(self) -> dict[str, Any]:
        ranks = self._known.ranks
        standing, seed = ranks.standing, ranks.standing.seed
        if seed is not None and seed.scored is not None and self._reference == (None, None):
            score = seed.scored.score
            known = [case.reference_quality for case in score.cases if case.gain is not None]
            self._reference = (fmean(known) if known else None, score.quality.ceiling)
        quality, ceiling = self._reference
        return {
            "reference": {"name": self._reference_name, "quality": quality},
            "ceiling": ceiling,
            "floor": None if seed is None else standing.floor,
            "seed_attempt": None if seed is None else seed.number,
            "champion": None if standing.best is None else standing.best.number,
            "front": [entry.number for entry in standing.front],
            "champions": list(ranks.champions),
            "splits": self._known.held_out.state(standing),
        }


def _mapping(value: Any) -> Mapping[Any, Any]:
    """The value, if a config that anybody may have written has a mapping there."""
    return value if isinstance(value, Mapping) else {}
