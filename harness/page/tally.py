"""What the attempts of a run cost and how they ended, counted as they come. Pure.

Owns: counts by model and kind, refusals, and the sums that grow with each attempt. Does not know: archives, pages.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from evaluator.types import Rejected
from harness.page.columns import OUTCOMES, outcome, who
from harness.page.words import whole
from harness.types import Entry, Kind

MOST_POINTS = 1000
_DETAIL = 2000


@dataclass(slots=True)
class Count:
    """Proposals of one model and kind; the words are those of `harness.report.stats.Row`."""

    proposals: int = 0
    applied: int = 0
    repaired: int = 0
    known: int = 0
    valid: int = 0
    better: int = 0
    turns: int = 0
    tokens: int = 0
    usd: float = 0.0
    judge_s: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, entry: Entry, *, better: bool) -> None:
        ended = outcome(entry)
        applied = ended != "patch"
        self.proposals += 1
        self.applied += applied
        self.repaired += applied and len(entry.turns) > 1
        self.known += entry.same_as != ""
        self.valid += ended == "scored"
        self.better += better
        self.turns += len(entry.turns)
        self.tokens += entry.tokens
        self.usd += entry.usd
        self.judge_s += entry.seconds
        self.outcomes[ended] += 1

    def record(self, model: str, kind: str) -> dict[str, Any]:
        counts = {name: getattr(self, name) for name in Count.__slots__ if name != "outcomes"}
        return {"model": model, "kind": kind, **counts, "outcomes": dict(self.outcomes)}


@dataclass(slots=True)
class _Refused:
    """A reason for getting no score."""

    count: int = 0
    models: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    newest: str = ""
    newest_number: int = -1


class Tally:
    """The counts of a run. The seed program costs, but is counted as no proposal."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self.usd = self.judge_s = 0.0
        self.tokens = self.calls = self.attempts = self.scored = self.known = 0
        self._counts: dict[tuple[str, Kind], Count] = {}
        self._total = Count()
        self._refused: dict[tuple[str, str], _Refused] = {}
        self._numbers, self._times = array("q"), array("q")
        self._usd, self._judged = array("d"), array("d")
        self._tokens = array("q")

    def add(self, entry: Entry, *, calls: int, since_s: int, better: bool) -> None:
        """Count an attempt that took this many model calls and came this many seconds after the run began."""
        self.outcomes[outcome(entry)] += 1
        self.known += entry.same_as != ""
        self.usd += entry.usd
        self.tokens += entry.tokens
        self.calls += calls
        self.judge_s += entry.seconds
        self._numbers.append(entry.number)
        self._times.append(since_s)
        self._usd.append(self.usd)
        self._tokens.append(self.tokens)
        self._judged.append(self.judge_s)
        if entry.kind == "seed":
            return
        self.attempts += 1
        self.scored += entry.scored is not None
        for count in (self._counts.setdefault((whole(who(entry), 80), entry.kind), Count()), self._total):
            count.add(entry, better=better)
        if isinstance(entry.verdict, Rejected):
            self._refuse(entry, entry.verdict)

    def _refuse(self, entry: Entry, verdict: Rejected) -> None:
        key = (verdict.stage, whole(verdict.reason, 80))
        refused = self._refused.setdefault(key, _Refused())
        refused.count += 1
        refused.models[whole(who(entry), 80)] += 1
        refused.kinds[entry.kind] += 1
        if entry.number > refused.newest_number:
            refused.newest, refused.newest_number = whole(verdict.detail, _DETAIL), entry.number

    def verdicts(self) -> dict[str, Any]:
        """Counts by model and kind, and why proposals were refused, the most frequent reason first."""
        refusals = [
            {
                "stage": stage,
                "reason": reason,
                "count": refused.count,
                "models": [model for model, _ in refused.models.most_common()],
                "kinds": [kind for kind, _ in refused.kinds.most_common()],
                "newest": refused.newest,
                "newest_number": refused.newest_number,
            }
            for (stage, reason), refused in self._refused.items()
        ]
        return {
            "rows": [count.record(model, kind) for (model, kind), count in sorted(self._counts.items())],
            "total": self._total.record("", ""),
            "refusals": sorted(refusals, key=lambda each: (-each["count"], each["stage"], each["reason"])),
        }

    def spend(self) -> dict[str, Any]:
        """The sums after each attempt, at most `MOST_POINTS` of them, the last always; and the costs of each model."""
        size = len(self._numbers)
        step = max(1, -(-size // MOST_POINTS))
        at = [*range(0, size, step)]
        if size and at[-1] != size - 1:
            at[-1 if len(at) == MOST_POINTS else len(at) :] = [size - 1]
        by_model: dict[str, Count] = {}
        for (model, _), count in self._counts.items():
            sum_ = by_model.setdefault(model, Count())
            sum_.usd, sum_.tokens, sum_.proposals = (
                sum_.usd + count.usd,
                sum_.tokens + count.tokens,
                sum_.proposals + count.proposals,
            )
        columns: dict[str, array[Any]] = {
            "n": self._numbers,
            "t": self._times,
            "usd": self._usd,
            "tokens": self._tokens,
            "judge_s": self._judged,
        }
        return {
            "points": {name: [values[index] for index in at] for name, values in columns.items()},
            "by_model": [
                {"model": model, "usd": sum_.usd, "tokens": sum_.tokens, "proposals": sum_.proposals}
                for model, sum_ in sorted(by_model.items())
            ],
        }
