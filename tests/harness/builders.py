"""Small real values for tests of the search: entries with chosen scores, a program with knobs, and a judge of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from evaluator import Progress, Rejected, Scored, Split, Verdict
from evaluator.fate import Settled
from evaluator.types import (
    CaseQuality,
    CaseScore,
    Duel,
    Environment,
    Interval,
    Quality,
    Samples,
    Score,
)
from harness.identity import program_id
from harness.select import Objective, speed, standing
from harness.types import Confirmation, Entry, Kind, OnSplit

ENVIRONMENT = Environment(
    device="cpu",
    hardware="a processor",
    cores=2,
    threads=1,
    python="3.11",
    torch="2.13",
    kernel="6",
    sandbox="L1",
    task="toy",
    reference="toy",
)

PROGRAM = """\
# a program with knobs
# EVOLVE-BLOCK-START
ROUNDS = 4
SLACK = 0.5


def solve(items, depth=2):
    first = items[3]
    return first, depth, ROUNDS, SLACK


# EVOLVE-BLOCK-END
LIMIT = 7
"""


def around(value: float, noise: float) -> Interval:
    return Interval(median=value, low=value - noise, high=value + noise)


def scored(
    quality: float,
    speed: float,
    noise: float = 0.02,
    hardware: str = "a processor",
    *,
    gain: float | None = None,
    gain_noise: float = 0.0,
) -> Scored:
    """A score with a speed-up of `speed`, its interval `noise` to either side; with a `gain`, in a record of this
    version, else in one of an earlier version.
    """
    interval = Interval(median=speed, low=speed * (1 - noise), high=speed * (1 + noise))
    case = CaseScore(
        quality=CaseQuality(case="toy", value=quality, ceiling=1.0),
        runtime_ms=10 / speed,
        reference_ms=10.0,
        speedup=interval,
        samples=Samples(candidate_us=(1000,), reference_us=(1000,)),
    )
    score = Score(
        quality=Quality(name="toy", value=quality, ceiling=1.0),
        runtime_ms=10 / speed,
        speedup=interval,
        cases=(case,),
        load_s=0.25,
        gain=None if gain is None else around(gain, gain_noise),
    )
    environment = Environment(**{**{f: getattr(ENVIRONMENT, f) for f in ENVIRONMENT.__slots__}, "hardware": hardware})
    return Scored(score=score, environment=environment)


def entry(
    number: int,
    verdict: Verdict,
    *,
    source: str = "",
    kind: Kind = "patch",
    parents: tuple[str, ...] = ("e0",),
) -> Entry:
    """An entry called `e<number>`; without a source, its program differs from every other."""
    return Entry(
        id=f"e{number}",
        number=number,
        kind="seed" if number == 0 else kind,
        name=f"attempt {number}",
        description="",
        parents=("root",) if number == 0 else parents,
        inspirations=(),
        proposer="test",
        model="",
        program_id=program_id(source or f"program {number}"),
        tiers=(),
        warnings=(),
        verdict=verdict,
        usd=0.0,
        tokens=0,
        seconds=1.0,
        when_s=1_700_000_000,
    )


def duel(
    ratio: float, noise: float = 0.0, level: float = 0.975, *, gain: float | None = None, gain_noise: float = 0.0
) -> Duel:
    """A duel won by a ratio of `ratio`, its certain interval `noise` to either side, and by `gain` in quality."""
    gained = None if gain is None else around(gain, gain_noise)
    certain = Interval(median=ratio, low=ratio * (1 - noise), high=ratio * (1 + noise))
    return Duel(
        comparison="better" if certain.low > 1 else "worse" if certain.high < 1 else "undecided",
        level=level,
        speedup=certain,
        certain=certain,
        samples=(Samples(candidate_us=(1000, 1000), reference_us=(1000, 1001), rounds=(1, 1)),),
        environment=ENVIRONMENT,
        gain=gained,
        certain_gain=gained,
    )


def on_split(
    split: str, gain: float, noise: float, ratio: float = 2.0, *, against: str = "e0", when_s: int = 1
) -> OnSplit:
    """A program against an entry on the loads of a split, better by `gain` in quality."""
    samples = Samples(
        candidate_us=(1000, 1000),
        reference_us=(2000, 2000),
        candidate_quality=(0.8 + gain, 0.8 + gain),
        reference_quality=(0.8, 0.8),
        calls=(0, 1),
    )
    measured = replace(duel(ratio, 0.02, gain=gain, gain_noise=noise), samples=(samples, samples))
    return OnSplit(split=split, against=against, duel=measured, when_s=when_s)


def confirmed(entries: Iterable[Entry], objective: Objective, noise: float = 0.0) -> list[Entry]:
    """The entries, those that claim the champion's place over their speed with a duel that goes as the scores say."""
    where, found = standing([], objective), []
    for one in entries:
        if one.scored is not None and where.claim(one.program_id, one.scored) == "speed":
            assert where.champion is not None
            ratio = speed(one) / speed(where.champion)
            one = replace(one, confirmations=(Confirmation(against=where.champion.id, duel=duel(ratio, noise)),))
        where = where.add(one)
        found.append(one)
    return found


REJECTED = Rejected(stage="run", reason="exception", detail="it raised")


class KnobJudge:
    """Scores a program by the numbers in its text, the same for the same text; rejects an odd ROUNDS above 6.

    More ROUNDS are better and slower, SLACK is best at 0.25, a larger depth is slower.
    """

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.levels: list[float] = []

    def compare(
        self,
        source: str,
        other: str,
        *,
        level: float,
        other_name: str = "",
        settled: Settled | None = None,
        progress: Callable[[Progress], None] | None = None,
        split: Split = "search",
    ) -> Duel | Rejected:
        """Which program is faster, by the same numbers as in `evaluate`."""
        self.levels.append(level)
        mine, theirs = self._verdict(source), self._verdict(other)
        assert isinstance(mine, Scored) and isinstance(theirs, Scored)
        return duel(mine.score.speedup.median / theirs.score.speedup.median, level=level)

    def evaluate(self, source: str, *, progress: Callable[[Progress], None] | None = None) -> Verdict:
        self.sources.append(source)
        if progress is not None:
            progress(Progress(stage="run", case="toy", done=0, total=1))
        return self._verdict(source)

    def _verdict(self, source: str) -> Verdict:
        rounds = float(re.findall(r"^ROUNDS = (\S+)", source, re.MULTILINE)[0])
        slack = float(re.findall(r"^SLACK = (\S+)", source, re.MULTILINE)[0])
        depth = float(re.findall(r"depth=(\d+)", source)[0])
        if rounds > 6 and rounds % 2:
            return REJECTED
        return scored(1 - 1 / (1 + rounds) - abs(slack - 0.25) / 10, 12 / (1 + rounds * depth))
