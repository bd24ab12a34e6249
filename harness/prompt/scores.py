"""Scores as sentences and tables for a model.

Owns: which figures of a score a prompt shows, how they are aligned, and the sentence that states the objective.
Does not know: templates, which programs a prompt is about. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from evaluator.types import CaseScore, Environment, Score
from harness.prompt.text import data_line
from harness.select import Objective, Pareto, QualityLimit, RuntimeLimit, Standing

_SLOW_TO_LOAD_S = 1.0
"""A program that loads faster than this need not be told how long it takes."""
_WORST_METRICS = 12
"""How many metrics are shown of the case that loses most."""


def summary(score: Score) -> str:
    """Quality and speed of a score in one clause."""
    quality, speed = score.quality, score.speedup
    loading = f", {score.load_s:.2g} s to load" if score.load_s > _SLOW_TO_LOAD_S else ""
    return (
        f"{quality.name} {_credited(score)} (ceiling {quality.ceiling:.4f}), "
        f"{speed.median:.3g} times as fast as the reference [{speed.low:.3g}, {speed.high:.3g}], "
        f"{score.runtime_ms:.3g} ms a call{loading}"
    )


def _credited(score: Score | CaseScore) -> str:
    """The quality that counts, with the half-width of its 95 % interval, which records of earlier versions lack."""
    quality = score.quality_interval if isinstance(score, Score) else score.interval
    half = max(quality.high - quality.median, quality.median - quality.low)
    return f"{quality.median:.4f}" if score.gain is None else f"{quality.median:.4f} +- {half:.4f}"


def table(score: Score, metrics: Sequence[str] = ()) -> str:
    """One line a case: quality with its half-width, ceiling, gap, the metrics asked for (of the pass), run time, the
    reference's, and their ratio.
    """
    cases = tuple(score.cases)  # once: they may have to be read
    shown = [name for name in metrics if all(name in case.quality.metrics for case in cases)]
    header = ["case", score.quality.name, "ceiling", "gap", *shown, "ms", "reference ms", "speed-up [95 %]"]
    rows = [header]
    for case in cases:
        quality, speed = case.quality, case.speedup
        rows.append(
            [
                quality.case,
                _credited(case),
                *(f"{value:.4f}" for value in (quality.ceiling, quality.ceiling - case.value)),
                *(f"{quality.metrics[name]:.4f}" for name in shown),
                *(f"{value:.3g}" for value in (case.runtime_ms, case.reference_ms)),
                f"{speed.median:.3g} [{speed.low:.3g}, {speed.high:.3g}]",
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def losses(score: Score) -> tuple[str, ...]:
    """Sentences on where the program loses most quality and most time, for people and models."""
    cases = tuple(score.cases)
    gaps = {case.quality.case: case.quality.ceiling - case.value for case in cases}
    worst = max(gaps, key=gaps.__getitem__, default="")
    if not worst:
        return ()
    total = sum(gaps.values())
    share = f", {gaps[worst] / total:.0%} of all gaps together" if total > 0 and len(gaps) > 1 else ""
    sentences = [f"Most quality is lost on {worst}: {gaps[worst]:.4f} below its ceiling{share}."]
    metrics = next(case.quality.metrics for case in cases if case.quality.case == worst)
    others = [f"{name} {value:.4g}" for name, value in metrics.items() if name != score.quality.name]
    if others:
        sentences.append(f"The other metrics of {worst}: {', '.join(others[:_WORST_METRICS])}.")
    slowest = min(cases, key=lambda case: case.speedup.median)
    longest = max(cases, key=lambda case: case.runtime_ms)
    sentences.append(
        f"Its worst speed-up is on {slowest.quality.case}, {slowest.speedup.median:.3g} times as fast as the "
        f"reference; a call takes longest on {longest.quality.case}, {longest.runtime_ms:.3g} ms."
    )
    return tuple(sentences)


def goal(standing: Standing) -> str:
    """The objective of the search, and how quality is measured, in sentences."""
    return f"{_objective(standing)} {MEASURED}"


MEASURED = (
    "Quality is measured on loads that are drawn afresh for every attempt, so two qualities surely differ if their "
    "95 % intervals (+-) do not overlap; if they do, chance may be all that sets them apart."
)


def _objective(standing: Standing) -> str:
    objective: Objective = standing.objective
    floor = f"at least {standing.floor:.4f}" if standing.seed is not None else "at least the seed program's"
    match objective:
        case Pareto():
            return (
                f"A faster program whose quality is {floor}, or one of better quality at any speed. The fastest "
                f"of them becomes the champion; programs that are better in quality or speed are kept as parents."
            )
        case QualityLimit():
            return f"The fastest program whose quality is {floor}. More quality is welcome but not required."
        case RuntimeLimit(min_speedup_over_seed=ratio):
            return (
                f"The best quality among programs at least {ratio:g} times as fast as the seed program"
                f"{_limit(standing)}; until one is, the fastest whose quality is {floor}. More speed "
                f"counts for nothing."
            )
        case _:
            return (
                f"The largest quality * {objective.quality_weight:g} + ln(speed-up over the reference) * "
                f"{objective.speed_weight:g}, with a quality of {floor}."
            )


def _limit(standing: Standing) -> str:
    """The limit of a `RuntimeLimit` as a speed-up over the reference, and how the best program compares."""
    objective, seed, champion = standing.objective, standing.seed, standing.champion
    if not isinstance(objective, RuntimeLimit) or seed is None or seed.scored is None:
        return ""
    least = objective.min_speedup_over_seed * seed.scored.score.speedup.median
    text = f", that is {least:.3g} times as fast as the reference (the low end of the 95 % interval counts"
    if champion is not None and champion.scored is not None:
        text += f"; the best so far has {champion.scored.score.speedup.low:.3g}"
    return text + ")"


def machine(environment: Environment) -> str:
    """The machine on which programs are judged, as a sentence."""
    cores = f"{environment.cores} cores, of which a program may use {environment.threads}"
    return (
        f"Device `{data_line(environment.device)}` ({data_line(environment.hardware)}); {cores} "
        f"thread{'s' * (environment.threads != 1)}; Python {data_line(environment.python)}, "
        f"torch {data_line(environment.torch)}."
    )
