"""From measured samples and judged plans to a score or a duel. Pure.

Owns: how each figure of a score is averaged. Does not know: how plans were made, how samples were taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median, pstdev

from evaluator.chained import quality_in_pass
from evaluator.measuring import stats
from evaluator.task_protocol import Task
from evaluator.types import (
    Case,
    CaseQuality,
    CaseScore,
    Duel,
    Environment,
    Interval,
    Plan,
    Quality,
    Rejected,
    Samples,
    Score,
)

CHANCE, IN_PROPORTION = 5.0, 0.5
"""A program's gain in the pass may differ from that on secret loads by this many times the scatter of the reference
from call to call, and by this share of the gain itself: the worse a program is, the more its quality varies from draw
to draw (with 64 experts its standard deviation is up to a quarter of the gain), and the pass is only one draw.
"""


def figures(samples: Sequence[Samples], *, decided: str = "") -> tuple[Interval, Interval | None]:
    """Speedup and gain over some cases, with 95 % intervals for reading. Those of a measurement that ended because of
    what it showed (`decided`) hold whenever it ends, so they are wider.
    """
    if decided:
        return stats.at_all_times(samples)
    return stats.combined_speedup(samples), stats.combined_gain(samples)


def score_cases(
    qualities: Sequence[CaseQuality], samples: Sequence[Samples], references: Sequence[float], *, decided: str = ""
) -> tuple[CaseScore, ...]:
    """The score of each case from its quality in the pass, its samples, and the reference's quality in the pass (in the
    same order, one of each per case).
    """
    scores = []
    for quality, case, reference in zip(qualities, samples, references, strict=True):
        speedup, gain = figures([case], decided=decided)
        scores.append(
            CaseScore(
                quality=quality,
                runtime_ms=stats.runtime_ms(case.candidate_us),
                reference_ms=stats.runtime_ms(case.reference_us),
                speedup=speedup,
                samples=case,
                gain=gain,
                reference_quality=reference,
            )
        )
    return tuple(scores)


def disputed(
    task: Task, case: Case, plans: Sequence[Plan], reference: Sequence[Plan], samples: Samples, *, scatter: float
) -> Rejected | None:
    """The rejection of a program whose secret calls disagree with its pass; None if they agree (see `disagreement`).
    `plans` and `reference` are the plans of the program and of the reference in the pass over the case.
    """
    mine, theirs = (_qualities(task, case, each) for each in (plans, reference))
    gains = [quality - other for quality, other in zip(mine, theirs, strict=True)]
    detail = disagreement(gains, samples, scatter=scatter, resolution=task.resolution)
    if not detail:
        return None
    return Rejected(stage="measure", reason="quality_disputed", detail=f"case {case.name}: {detail}")


def first_dispute(
    task: Task,
    cases: Sequence[Case],
    passes: Mapping[str, Sequence[Plan]],
    reference: Mapping[str, Sequence[Plan]],
    samples: Sequence[Samples],
    scatters: Sequence[float],
) -> Rejected | None:
    """The rejection of a program for the first case that is disputed, if any; passes are by the case's name."""
    for case, measured, scatter in zip(cases, samples, scatters, strict=True):
        refused = disputed(task, case, passes[case.name], reference[case.name], measured, scatter=scatter)
        if refused is not None:
            return refused
    return None


def _qualities(task: Task, case: Case, plans: Sequence[Plan]) -> list[float]:
    """The quality of each plan of a pass."""
    return [quality_in_pass(task, case, step, tuple(plans[: step + 1])) for step in range(len(plans))]


def disagreement(gains: Sequence[float], samples: Samples, *, scatter: float, resolution: float) -> str:
    """Why the pass and the secret calls cannot come from one honest program; "" if they agree.

    `gains` are the program's quality less the reference's in each step of the pass, `scatter` is how much the quality
    of the reference varies because loads drift (see `Strays`), `resolution` the smallest difference that matters. On
    small cases gains vary more than that. So their own scatter counts as well, but as no more than that of the
    reference's quality from call to call, since a program could choose it.
    """
    pairs = zip(samples.candidate_quality, samples.reference_quality, strict=True)
    differences = [mine - theirs for mine, theirs in pairs]
    secret, public = fmean(differences), fmean(gains)
    own = min(pstdev(differences), pstdev(samples.reference_quality)) * stats.for_few(len(differences))
    allowed = resolution + CHANCE * max(scatter, own) + IN_PROPORTION * abs(secret)
    if abs(public - secret) <= allowed:
        return ""
    return (
        f"its quality less the reference's is {public:+.4f} in the pass and {secret:+.4f} on secret loads of the same "
        f"kind, a difference of at most {allowed:.4f} is due to chance: it must solve any loads equally well"
    )


def score_program(
    task: Task,
    qualities: Sequence[CaseQuality],
    samples: Sequence[Samples],
    *,
    references: Sequence[float],
    loads_ns: Sequence[int],
    secret: str = "",
    decided: str = "",
) -> Score:
    """The score over all cases: arithmetic means of quality, ceiling and of the task's columns; geometric means of run
    time and speedup; and the median of `loads_ns`, the nanoseconds that each process took to load the program.

    `qualities` are the program's in the pass, `references` the reference's; `secret` gave the loads of the samples;
    `decided` says why there are no more of them.
    """
    keys = [column.key for column in task.columns]
    cases = score_cases(qualities, samples, references, decided=decided)
    in_pass, (speedup, gain) = fmean(quality.value for quality in qualities), figures(samples, decided=decided)
    return Score(
        quality=Quality(
            name=task.quality_name,
            value=in_pass if gain is None else fmean(references) + gain.median,
            ceiling=fmean(quality.ceiling for quality in qualities),
        ),
        runtime_ms=stats.geometric_mean([case.runtime_ms for case in cases]),
        speedup=speedup,
        cases=cases,
        metrics={name: fmean(quality.metrics[name] for quality in qualities) for name in keys},
        load_s=median(loads_ns) / 1e9,
        gain=gain,
        pass_quality=in_pass,
        secret=secret,
        decided=decided,
    )


def score_duel(samples: Sequence[Samples], level: float, environment: Environment, secret: str) -> Duel:
    """A program against another, which is the reference of the samples; decided at `level`."""
    return Duel(
        comparison=stats.compare(samples, level),
        level=level,
        speedup=stats.combined_speedup(samples),
        certain=stats.certain_speedup(samples, level),
        samples=samples,
        environment=environment,
        gain=stats.combined_gain(samples),
        certain_gain=stats.certain_gain(samples, level),
        secret=secret,
    )
