"""Where a run stands, for people and for machines.

Owns: which facts that is, and how they are worded. Does not know: who works on the run, how anything was judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from harness.report.stats_table import dollars, tokens
from harness.report.tables import ratio
from harness.select import Standing, quality, speed
from harness.text import one_line
from harness.types import Booked, Entry, Pending


class TicketState(StrEnum):
    """The state of a ticket: where its answer is.

    ASKED: open until `packsmith tell` brings the answer. CALLING: a model is being asked. ANSWERED: the reply is here
    and not judged yet. LEFT: the process that worked on it is gone, and the next search goes on with it.
    """

    ASKED = "asked"
    CALLING = "calling"
    ANSWERED = "answered"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A ticket that has no attempt yet."""

    ticket: int
    kind: str
    state: TicketState
    model: str
    parents: tuple[int, ...]
    """Numbers of attempts; 0 is the seed program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of a run. `booked` counts calls under way at the most they may cost; `limits` is the stored budget."""

    attempts: int
    scored: int
    seed: Entry | None
    best: Entry | None
    front: tuple[Entry, ...]
    booked: Booked
    judge_s: float
    limits: Mapping[str, Any]
    open: tuple[Open, ...]
    advice: tuple[str, ...]


def status(
    standing: Standing,
    entries: Sequence[Entry],
    *,
    pending: Sequence[tuple[Pending, bool]],
    booked: Booked,
    limits: Mapping[str, Any],
    advice: tuple[str, ...],
) -> Status:
    """Put the facts together; `pending` are tickets, each with whether nobody works on it any more."""
    numbers = {entry.id: entry.number for entry in entries}
    made = [entry for entry in entries if entry.kind != "seed"]
    return Status(
        attempts=len(made),
        scored=sum(entry.scored is not None for entry in made),
        seed=standing.seed,
        best=standing.champion,
        front=standing.front,
        booked=booked,
        judge_s=sum(entry.seconds for entry in entries),
        limits={name: limit for name, limit in limits.items() if limit is not None},
        open=tuple(_open(one, orphaned, numbers) for one, orphaned in pending),
        advice=advice,
    )


def _open(pending: Pending, orphaned: bool, numbers: Mapping[str, int]) -> Open:
    return Open(
        ticket=pending.ticket,
        kind=pending.proposal.kind,
        state=_state(pending, orphaned),
        model=pending.request.model if pending.request is not None else pending.proposal.model,
        parents=tuple(numbers.get(parent, 0) for parent in pending.proposal.parents),
    )


def _state(pending: Pending, orphaned: bool) -> TicketState:
    if orphaned:
        return TicketState.LEFT
    if pending.answered:
        return TicketState.ANSWERED
    return TicketState.CALLING if pending.calling else TicketState.ASKED


def record(found: Status) -> dict[str, Any]:
    """The status as JSON values."""
    return {
        "attempts": found.attempts,
        "scored": found.scored,
        "seed": None if found.seed is None else _program(found.seed),
        "best": None if found.best is None else _program(found.best),
        "front": [entry.number for entry in found.front],
        "booked": asdict(found.booked),
        "judge_s": found.judge_s,
        "budget": dict(found.limits),
        "open": [asdict(one) for one in found.open],
        "advice": list(found.advice),
    }


def _program(entry: Entry) -> dict[str, Any]:
    scored = entry.scored
    return {
        "number": entry.number,
        "id": entry.id,
        "name": entry.name,
        "quality": None if scored is None else scored.score.quality.value,
        "speedup": None if scored is None else scored.score.speedup.median,
        "runtime_ms": None if scored is None else scored.score.runtime_ms,
    }


def view(found: Status, run: str) -> RenderableType:
    """The status in lines of 80 columns."""
    lines = [("run", run), ("attempts", f"{found.attempts}, {found.scored} of them scored")]
    lines.append(("seed", "not judged yet" if found.seed is None else _words(found.seed)))
    if found.best is not None:
        lines.append(("best", _words(found.best)))
        lines.append(("front", ", ".join(str(entry.number) for entry in found.front)))
    booked = found.booked
    spent = f"{dollars(booked.usd)}, {tokens(booked.tokens)} tokens"
    calls = "1 call" if booked.calls == 1 else f"{booked.calls} calls"
    lines.append(("spent", f"{spent}, {calls} of models, {found.judge_s:,.0f} s of judging"))
    if found.limits:
        lines.append(("budget", ", ".join(f"{name} {limit}" for name, limit in found.limits.items())))
    lines += [("ticket", _ticket(one)) for one in found.open]
    lines += [("advice", " ".join(text.split())) for text in found.advice]
    rows = [Text(f"{name:<9} {text}", overflow="ellipsis", no_wrap=True) for name, text in lines]
    return Group(*rows)


def _words(entry: Entry) -> str:
    number = f"attempt {entry.number}, {one_line(entry.name, 80)}"
    if entry.scored is None:
        return f"{number}: rejected"
    return f"{number}: {entry.scored.score.quality.name} {quality(entry):.4f}, {ratio(speed(entry))}"


def _ticket(one: Open) -> str:
    who = f" ({one.model})" if one.model else ""
    parents = " and ".join(str(number) for number in one.parents)
    return f"{one.ticket}: {one.kind} of {parents}{who}, {one.state}"
