"""Scores as the judge of this version takes them: with qualities of the calls, and what follows from them."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import fmean

from evaluator import CaseScore, Samples, Scored, combined_gain

SECRET = "c0ffee00" * 4


def judged(
    verdict: Scored, *, gain: float = 0.01, scatter: float = 0.0005, reference: float = 0.9, seed: int = 0
) -> Scored:
    """A score whose samples also have qualities: the gain over the reference, each off by up to `scatter`."""
    rng = random.Random(f"{gain} {scatter} {seed}")
    cases = tuple(_judged_case(case, gain, scatter, reference, rng) for case in verdict.score.cases)
    total = combined_gain([case.samples for case in cases if case.samples is not None])
    assert total is not None
    score = replace(
        verdict.score,
        cases=cases,
        gain=total,
        quality=replace(verdict.score.quality, value=reference + total.median),
        pass_quality=fmean(case.quality.value for case in cases),
        secret=SECRET,
    )
    return replace(verdict, score=score)


def _judged_case(case: CaseScore, gain: float, scatter: float, reference: float, rng: random.Random) -> CaseScore:
    old = case.samples
    assert old is not None
    if len(old.candidate_us) == 1:
        old = Samples(candidate_us=old.candidate_us * 6, reference_us=old.reference_us * 6, rounds=(2, 2, 2))
    loads = [reference + rng.uniform(-0.05, 0.05) for _ in old.candidate_us]
    samples = replace(
        old,
        candidate_quality=tuple(round(load + gain + rng.uniform(-scatter, scatter), 7) for load in loads),
        reference_quality=tuple(round(load, 7) for load in loads),
        calls=tuple(range(len(loads))),
    )
    return replace(case, samples=samples, gain=combined_gain([samples]), reference_quality=reference)
