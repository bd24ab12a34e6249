"""The duels of an attempt against the champions of their time, as lines and as JSON values.

Owns: how a duel is worded. Does not know: when a duel is fought, what follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evaluator import Comparison, Duel, Interval, Task
from harness.readings.lineage import Find
from harness.report import jsonl
from harness.report.tables import points_interval, ratio_interval
from harness.text import one_line
from harness.types import Confirmation, Entry, Gate

_LONGEST = 400
_FIGURES = (
    "level",
    "comparison",
    "speedup",
    "certain",
    "quality_comparison",
    "gain",
    "certain_gain",
    "secret",
    "fingerprint",
)
_WORDS: dict[Comparison, str] = {"better": "better", "worse": "worse", "undecided": "no sure change"}


def lines(entry: Entry, task: Task, find: Find) -> Iterator[str]:
    """A line for each duel: speed and quality against the champion, each with its 95 % interval and the decision."""
    for confirmation in entry.confirmations:
        other = find(confirmation.against)
        head = f"duel against {other.number if other else '?'}: "
        if confirmation.duel is None:
            yield f"{head}that program failed: {one_line(confirmation.failure, _LONGEST)}"
            continue
        duel = confirmation.duel
        words = [f"{ratio_interval(duel.speedup)} as fast ({_WORDS[duel.comparison]})"]
        if duel.gain is not None:
            words.append(f"{task.quality_key} {_points(duel, duel.gain)}")
        yield head + ", ".join(words)


def _points(duel: Duel, gain: Interval) -> str:
    return f"{points_interval(gain)} points ({_WORDS[duel.quality_comparison]})"


def gate_lines(entry: Entry, task: Task, find: Find) -> Iterator[str]:
    """A line for each measurement on held-out loads."""
    for gate in entry.gates or ():
        yield f"held-out loads, {gate_words(gate, find, task.quality_key)}"


def gate_words(gate: Gate, find: Find, quality: str = "quality") -> str:
    """What a measurement on held-out loads showed."""
    other = find(gate.against)
    head = f"against attempt {other.number if other else '?'}: "
    if gate.rejection:
        return f"{head}failed, {one_line(gate.rejection, _LONGEST)}"
    if gate.duel is None:
        failed = f"that program failed: {one_line(gate.failure, _LONGEST)}"
        return head + (failed if gate.failure else "not measured, since it lost the duel on the loads of the search")
    duel = gate.duel
    gain = "" if duel.gain is None else f", {quality} {points_interval(duel.gain)} points"
    return f"{head}{ratio_interval(duel.speedup)} as fast{gain}"


def gate_records(entry: Entry) -> list[dict[str, Any]] | None:
    """The measurements on held-out loads as JSON values, without their samples; None in a run without any."""
    if entry.gates is None:
        return None
    return [
        {
            **_record(Confirmation(against=gate.against, duel=gate.duel, failure="" if gate.duel else "-")),
            "failure": gate.failure or None,
            "rejection": gate.rejection or None,
            "search": None if gate.search is None else _record(gate.search),
        }
        for gate in entry.gates
    ]


def records(entry: Entry) -> list[dict[str, Any]]:
    """The duels as JSON values, without their samples. Every key is always present; what a duel does not have is null:
    all figures where the champion's program failed, those of quality in duels of earlier versions.
    """
    return [_record(confirmation) for confirmation in entry.confirmations]


def _record(confirmation: Confirmation) -> dict[str, Any]:
    record: dict[str, Any] = {"against": confirmation.against, "failure": confirmation.failure or None}
    return record | (dict.fromkeys(_FIGURES) if confirmation.duel is None else _figures(confirmation.duel))


def _figures(duel: Duel) -> dict[str, Any]:
    """The values of `_FIGURES`."""
    return {
        "level": duel.level,
        "comparison": duel.comparison,
        "speedup": jsonl.interval(duel.speedup),
        "certain": jsonl.interval(duel.certain),
        "quality_comparison": None if duel.certain_gain is None else duel.quality_comparison,
        "gain": jsonl.gain_record(duel.gain),
        "certain_gain": jsonl.gain_record(duel.certain_gain),
        "secret": duel.secret or None,
        "fingerprint": duel.environment.fingerprint,
    }
