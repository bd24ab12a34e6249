"""From measured samples and judged plans to a score. Pure.

Owns: how each figure of a score is averaged. Does not know: how plans were made, how samples were taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

from evaluator.measuring import stats
from evaluator.task_protocol import Task
from evaluator.types import CaseQuality, CaseScore, Quality, Samples, Score


def score_cases(qualities: Sequence[CaseQuality], samples: Sequence[Samples]) -> tuple[CaseScore, ...]:
    """The score of each case from its quality and its samples (in the same order, one of each per case)."""
    return tuple(
        CaseScore(
            quality=quality,
            runtime_ms=stats.runtime_ms(case.candidate_us),
            reference_ms=stats.runtime_ms(case.reference_us),
            speedup=stats.speedup(case),
            samples=case,
        )
        for quality, case in zip(qualities, samples, strict=True)
    )


def score_program(
    task: Task, qualities: Sequence[CaseQuality], samples: Sequence[Samples], loads_ns: Sequence[int]
) -> Score:
    """The score over all cases: arithmetic means of quality, ceiling and of the task's columns; geometric means of run
    time and speedup; and the median of `loads_ns`, the nanoseconds that each process took to load the program.
    """
    keys = [column.key for column in task.columns]
    cases = score_cases(qualities, samples)
    return Score(
        quality=Quality(
            name=task.quality_name,
            value=fmean(quality.value for quality in qualities),
            ceiling=fmean(quality.ceiling for quality in qualities),
        ),
        runtime_ms=stats.geometric_mean([case.runtime_ms for case in cases]),
        speedup=stats.combined_speedup(samples),
        cases=cases,
        metrics={name: fmean(quality.metrics[name] for quality in qualities) for name in keys},
        load_s=median(loads_ns) / 1e9,
    )
