"""Small real values for tests of the search: entries with chosen scores, a program with knobs, and a judge of it."""

from __future__ import annotations

import re
from collections.abc import Callable

from evaluator import Progress, Rejected, Scored, Verdict
from evaluator.types import (
    CaseQuality,
    CaseScore,
    Environment,
    Interval,
    Quality,
    Samples,
    Score,
)
from harness.proposers.base import program_id
from harness.types import Entry, Kind

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


def scored(quality: float, speed: float, noise: float = 0.02, hardware: str = "a processor") -> Scored:
    """A score with a speed-up of `speed`, its interval `noise` to either side."""
    interval = Interval(median=speed, low=speed * (1 - noise), high=speed * (1 + noise))
    case = CaseScore(
        quality=CaseQuality(case="toy", quality=quality, ceiling=1.0),
        runtime_ms=10 / speed,
        reference_ms=10.0,
        speedup=interval,
        samples=Samples(candidate_us=(1000,), reference_us=(1000,)),
    )
    score = Score(
        quality=Quality(name="toy", value=quality, ceiling=1.0), runtime_ms=10 / speed, speedup=interval, cases=(case,)
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


REJECTED = Rejected(stage="run", reason="exception", detail="it raised")


class KnobJudge:
    """Scores a program by the numbers in its text, the same for the same text; rejects an odd ROUNDS above 6.

    More ROUNDS are better and slower, SLACK is best at 0.25, a larger depth is slower.
    """

    def __init__(self) -> None:
        self.sources: list[str] = []

    def evaluate(self, source: str, *, progress: Callable[[Progress], None] | None = None) -> Verdict:
        self.sources.append(source)
        if progress is not None:
            progress(Progress(stage="run", case="toy", done=0, total=1))
        rounds = float(re.findall(r"^ROUNDS = (\S+)", source, re.MULTILINE)[0])
        slack = float(re.findall(r"^SLACK = (\S+)", source, re.MULTILINE)[0])
        depth = float(re.findall(r"depth=(\d+)", source)[0])
        if rounds > 6 and rounds % 2:
            return REJECTED
        return scored(1 - 1 / (1 + rounds) - abs(slack - 0.25) / 10, 12 / (1 + rounds * depth))
