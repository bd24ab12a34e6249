"""The state of a run, for people and for machines.

Owns: which facts belong to it, and how they are worded. Does not know: who works on the run, how anything was judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from harness.accounts import Booked
from harness.gate import GatedStanding
from harness.readings.lineage import Find
from harness.readings.splits import Splits, splits
from harness.report import jsonl, splits_view
from harness.report.stats_table import dollars, tokens
from harness.report.tables import credited, points_interval, ratio
from harness.select import speed
from harness.text import one_line
from harness.types import Entry, OnSplit, Pending


class TicketState(StrEnum):
    """The state of a ticket: where its answer is.

    ASKED: open until `packsmith tell` brings the answer. CALLING: a model is being asked. ANSWERED: the reply is here
    and not judged yet. LEFT: the process that worked on it is gone; the next search continues it.
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
    proposer: str
    model: str
    parents: tuple[int, ...]
    """Numbers of attempts; 0 is the seed program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of a run. `booked` counts open calls at the most they may cost; `limits` is the stored budget."""

    attempts: int
    scored: int
    proposers: Mapping[str, int]
    """Attempts by proposer, most first."""
    seed: Entry | None
    best: Entry | None
    front: tuple[Entry, ...]
    booked: Booked
    judge_s: float
    limits: Mapping[str, Any]
    open: tuple[Open, ...]
    advice: tuple[str, ...]
    splits: Splits


def status(
    standing: GatedStanding,
    entries: Sequence[Entry],
    *,
    pending: Sequence[tuple[Pending, bool]],
    booked: Booked,
    limits: Mapping[str, Any],
    advice: tuple[str, ...],
    measured: Sequence[OnSplit] = (),
) -> Status:
    """Collect the facts. `pending` are the open tickets, each with whether it is orphaned: its process is gone.
    `measured`: the best program by split.
    """
    numbers = {entry.id: entry.number for entry in entries}
    made = [entry for entry in entries if entry.kind != "seed"]
    return Status(
        attempts=len(made),
        scored=sum(entry.scored is not None for entry in made),
        proposers=dict(Counter(entry.proposer for entry in made).most_common()),
        seed=standing.seed,
        best=standing.best,
        front=standing.front,
        booked=booked,
        judge_s=sum(entry.seconds for entry in entries),
        limits={name: limit for name, limit in limits.items() if limit is not None},
        open=tuple(_open(ticket, orphaned, numbers) for ticket, orphaned in pending),
        advice=advice,
        splits=splits(measured, standing),
    )


def _open(pending: Pending, orphaned: bool, numbers: Mapping[str, int]) -> Open:
    return Open(
        ticket=pending.ticket,
        kind=pending.proposal.kind,
        state=_state(pending, orphaned),
        proposer=pending.proposal.proposer,
        model=pending.request.model if pending.request is not None else pending.proposal.model,
        parents=tuple(numbers.get(parent, 0) for parent in pending.proposal.parents),
    )


def _state(pending: Pending, orphaned: bool) -> TicketState:
    if orphaned:
        return TicketState.LEFT
    if pending.answered:
        return TicketState.ANSWERED
    return TicketState.CALLING if pending.calling else TicketState.ASKED


def record(state: Status, find: Find) -> dict[str, Any]:
    """The status as JSON values."""
    return {
        "attempts": state.attempts,
        "scored": state.scored,
        "proposers": dict(state.proposers),
        "seed": None if state.seed is None else _program(state.seed),
        "best": None if state.best is None else _program(state.best),
        "front": [entry.number for entry in state.front],
        "booked": asdict(state.booked),
        "judge_s": state.judge_s,
        "budget": dict(state.limits),
        "open": [asdict(ticket) for ticket in state.open],
        "advice": list(state.advice),
        **splits_view.record(state.splits, find),
    }


def _program(entry: Entry) -> dict[str, Any]:
    scored = entry.scored
    return {
        "number": entry.number,
        "id": entry.id,
        "name": entry.name,
        "quality": None if scored is None else scored.score.quality.value,
        "gain": None if scored is None else jsonl.gain_record(scored.score.gain),
        "speedup": None if scored is None else scored.score.speedup.median,
        "runtime_ms": None if scored is None else scored.score.runtime_ms,
    }


def view(state: Status, run: str, quality: str) -> RenderableType:
    """The status in lines of 80 columns; `quality` is what the task calls its quality."""
    lines = [("run", run), ("attempts", f"{state.attempts}, {state.scored} of them scored")]
    if len(state.proposers) > 1:
        lines.append(("made by", ", ".join(f"{name} {count:,}" for name, count in state.proposers.items())))
    lines.append(("seed", "not judged yet" if state.seed is None else _words(state.seed, quality)))
    if state.best is not None:
        lines.append(("best", _words(state.best, quality)))
        lines.append(("front", ", ".join(str(entry.number) for entry in state.front)))
    lines += [("splits", text) for text in _splits(state.splits)]
    booked = state.booked
    spent = f"{dollars(booked.usd)}, {tokens(booked.tokens)} tokens"
    calls = "1 model call" if booked.calls == 1 else f"{booked.calls} model calls"
    lines.append(("spent", f"{spent}, {calls}, {state.judge_s:,.0f} s of judging"))
    if state.limits:
        lines.append(("budget", ", ".join(f"{name} {limit}" for name, limit in state.limits.items())))
    lines += [("ticket", _ticket(ticket)) for ticket in state.open]
    lines += [("advice", " ".join(text.split())) for text in state.advice]
    rows = [Text(f"{name:<9} {text}", overflow="ellipsis", no_wrap=True) for name, text in lines]
    return Group(*rows)


def _splits(found: Splits) -> Iterator[str]:
    """The gain over the seed program by split, what a gap says, and which programs lead on the loads of the search
    only.
    """
    for each in found.measured:
        gain = "" if each.duel.gain is None else f"{points_interval(each.duel.gain)} points, "
        words = "overfitting: it gains less here" if each.split in found.overfits else "over the seed program"
        yield f"{each.split}: {gain}{ratio(each.duel.speedup.median)} {words}"
    yield from splits_view.only_lines(found)


def _words(entry: Entry, quality: str) -> str:
    number = f"attempt {entry.number}, {one_line(entry.name, 80)}"
    if entry.scored is None:
        return f"{number}: rejected"
    return f"{number}: {quality} {credited(entry.scored.score)}, {ratio(speed(entry))}"


def _ticket(ticket: Open) -> str:
    who = ticket.model or ("" if ticket.state is TicketState.ASKED else ticket.proposer)
    who = f" ({who})" if who else ""
    parents = " and ".join(str(number) for number in ticket.parents)
    return f"{ticket.ticket}: {ticket.kind} of {parents}{who}, {ticket.state}"
