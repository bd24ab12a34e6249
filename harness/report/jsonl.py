"""Verdicts as JSON lines for machines: one object per program.

Owns: the keys of `--json`. Does not know: where a verdict comes from. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from evaluator import CaseQuality, CaseScore, Environment, Interval, Rejected, Scored, Task
from harness.types import Entry, Outcome


def line(record: Mapping[str, Any]) -> str:
    """One record as one line. Text that is not valid Unicode is escaped."""
    return json.dumps(record, allow_nan=False, separators=(",", ":"))


def interval(value: Interval) -> dict[str, float]:
    return {"median": value.median, "low": value.low, "high": value.high}


def gain_record(value: Interval | None) -> dict[str, float] | None:
    """A gain in quality; null in records of earlier versions."""
    return None if value is None else interval(value)


def quality_record(quality: CaseQuality, key: str) -> dict[str, Any]:
    """One case in the pass, without run time. `key` is what the task calls its quality."""
    return {"name": quality.case, key: quality.value, "ceiling": quality.ceiling, **quality.metrics}


def case_record(score: CaseScore, key: str) -> dict[str, Any]:
    """One case of a scored program: its quality that counts, and the metrics of the pass. `samples` are the raw pairs:
    microseconds, the quality of each answer, and the number of the call.
    """
    samples = score.samples
    return {
        **quality_record(score.quality, key),
        key: score.value,
        "gain": gain_record(score.gain),
        "pass_quality": score.quality.value,
        "reference_pass_quality": None if score.gain is None else score.reference_quality,
        "runtime_ms": score.runtime_ms,
        "reference_ms": score.reference_ms,
        "speedup": interval(score.speedup),
        "pairs": len(samples.candidate_us) if samples else None,
        "samples": {
            "candidate_us": list(samples.candidate_us) if samples else [],
            "reference_us": list(samples.reference_us) if samples else [],
            "candidate_quality": list(samples.candidate_quality) if samples else [],
            "reference_quality": list(samples.reference_quality) if samples else [],
            "calls": list(samples.calls) if samples else [],
        },
    }


def verdict_record(
    verdict: Outcome, *, program: str, task: Task, device: str, environment: Environment | None = None
) -> dict[str, Any]:
    """The record of one program. Every key is always present; what a program without a score does not have is null."""
    record: dict[str, Any] = {"program": program, "task": task.name, "device": device, "verdict": "unjudged"}
    record |= {"stage": None, "reason": None, "detail": None}
    record |= {"quality": None, task.quality_key: None} | dict.fromkeys(column.key for column in task.columns)
    record |= {"gain": None, "pass_quality": None, "runtime_ms": None, "speedup": None, "load_s": None}
    record |= {"secret": None, "decided": None, "cases": []}
    if isinstance(verdict, Scored):
        score = verdict.score
        record |= {
            "verdict": "scored",
            "quality": {"name": score.quality.name, "value": score.quality.value, "ceiling": score.quality.ceiling},
            task.quality_key: score.quality.value,
            **score.metrics,
            "gain": gain_record(score.gain),
            "pass_quality": score.pass_quality,
            "runtime_ms": score.runtime_ms,
            "speedup": interval(score.speedup),
            "load_s": score.load_s,
            "secret": score.secret or None,
            "decided": score.decided or None,
            "cases": [case_record(case, task.quality_key) for case in score.cases],
        }
        environment = verdict.environment
    elif isinstance(verdict, Rejected):
        refused = {"stage": verdict.stage, "reason": verdict.reason, "detail": verdict.detail}
        record |= {"verdict": "rejected", **refused}
    record["environment"] = environment_record(environment) if environment is not None else None
    return record


def environment_record(environment: Environment) -> dict[str, Any]:
    """Where a score was taken; scores with equal `fingerprint` are comparable."""
    return {"fingerprint": environment.fingerprint, **asdict(environment)}


def entry_record(entry: Entry, *, task: Task, device: str) -> dict[str, Any]:
    """The record of an archived attempt: that of its program, and where it came from."""
    scored = entry.scored
    device = scored.environment.device if scored else device
    record = verdict_record(entry.verdict, program=entry.name, task=task, device=device)
    return {
        "number": entry.number,
        "id": entry.id,
        "kind": entry.kind,
        "name": entry.name,
        "description": entry.description,
        "parents": list(entry.parents),
        "inspirations": list(entry.inspirations),
        "proposer": entry.proposer,
        "model": entry.model,
        "ticket": entry.ticket_number or None,
        "same_as": entry.same_as or None,
        "claimed": None if entry.claimed is None else {**asdict(entry.claimed), "scores": dict(entry.claimed.scores)},
        "usd": entry.usd,
        "tokens": entry.tokens,
        "turns": [asdict(turn) for turn in entry.turns],
        "seconds": entry.seconds,
        **record,
    }
