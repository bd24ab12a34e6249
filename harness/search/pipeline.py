"""The steps of a ticket: proposed, asked, answered, read, judged, archived; many tickets at once.

Owns: the order of these steps, what a kill between any two of them leaves behind, and what becomes durable together.
Does not know: how proposals are made, models called, programs judged, attempts stored, or anything shown.

Everything here happens in one thread, which takes the events of models and judges from one queue. All events that are
ready are written to the disk in one batch (a *round*); only then are calls begun, answers read and entries yielded. So
a ticket is durable before its request is sent, and an answer before it is read.

An attempt gets its number when it is archived, so that folding the entries by number gives the standing that the search
had. A claim is checked again at that moment: if the champion has changed since the claim was confirmed, and
the score claims the place of the new champion too, the attempt goes back to a judge. If another process archives a new
champion after this check, the claim counts as not confirmed.

A program that was judged before, equal by its bytes or by its syntax, is not judged again: its attempt gets the verdict
of the first one, at no cost, even one due to a busy machine. If the first one is being judged, the ticket waits for it.
Where repeats are refused (see `twins`), it goes back to the model instead.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, assert_never

from evaluator.types import Rejected, Scored
from harness import patch
from harness.archive import Archive, is_gated
from harness.archive.writing import Writing
from harness.patch import PatchError
from harness.search.calls import Calls, Models
from harness.search.events import Answered, Event, Judged, JudgeFailed, JudgeProgress, NotAsked, Outcome, Retry
from harness.search.gathering import AGAIN_S, gather
from harness.search.judge import Checker, Judge
from harness.search.judging import JudgePool, owes
from harness.search.progress import Phase, Progress, Report
from harness.search.source import LeftOut, Source
from harness.search.tally import Tally
from harness.search.ticket import Ticket, pending_of
from harness.search.twins import Repeats, judged_before
from harness.turns import answer_ticket, lost_turn, nothing_came, whole_candidate
from harness.types import Entry, Gate, HarnessError, Pending, Request, Turn, Unjudged

_MOST_EVENTS, _MOST_PROPOSED = 64, 32
"""The most events and new proposals of a round. In larger ones, hundreds of calls would be sent and answered together,
with nothing to do in between."""


class Pipeline:
    """The tickets of one invocation. Without a `source`, only existing tickets are finished."""

    def __init__(
        self,
        archive: Archive,
        judges: Sequence[Judge],
        tally: Tally,
        *,
        source: Source | None = None,
        models: Models | None = None,
        checkers: Sequence[Checker] = (),
        clock: Callable[[], float],
        report: Report,
    ) -> None:
        self._archive, self._tally, self._source, self._report = archive, tally, source, report
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        spare = source is not None and source.spare
        self._calls = Calls(models, self._events, source.in_flight if source else 1, spare=spare)
        self._durable_standing = tally.standing
        self._pool = JudgePool(
            judges, checkers, self._events, standing=lambda: self._durable_standing, source=archive.source, clock=clock
        )
        self._pool.count_duels(archive.entries, ours=False)
        self._no_gates: tuple[Gate, ...] | None = () if is_gated(archive.config) else None
        self._repeats = Repeats(archive) if source is not None and source.refuse_repeats else None
        self._tickets: dict[int, Ticket] = {}
        self._in_flight: set[int] = set()
        self._ready: list[Outcome] = []
        self._after_commit: list[Callable[[], None]] = []
        self._done: list[Entry] = []
        self._unwritten: dict[int, Pending] = {}
        self._idle = ""
        self._left_out = LeftOut()
        self._more = self._told_waiting = False
        self._stop_seen = False
        self._judge_error: BaseException | None = None
        self._failure: HarnessError | None = None

    def close(self) -> None:
        """Stop the judges, store answers that arrived meanwhile, and drop tickets whose request was never sent."""
        self._pool.stop()
        answered = dict(self._unwritten)
        with contextlib.suppress(queue.Empty):
            while True:
                event = self._events.get_nowait()
                if isinstance(event, Answered) and isinstance(event.outcome, Turn) and event.ticket in self._tickets:
                    answered[event.ticket] = answer_ticket(self._tickets[event.ticket].pending, event.outcome)
        with contextlib.suppress(HarnessError):
            if answered:
                with self._archive.writing("the last answers") as writing:
                    for pending in answered.values():
                        writing.put(pending)
            for ticket in self._tickets.values():
                asked = ticket.pending.answered or ticket.number in self._calls.under_way
                if not asked and not ticket.pending.proposal.turns:
                    self._archive.drop(ticket.number)

    def resume(self, held: Sequence[Pending]) -> None:
        """Continue with tickets of this process: read those with an answer, archive the others as lost."""
        for pending in held:
            ticket = self._add_ticket(pending)
            if pending.answered:
                self._read_answer(ticket)
            else:
                self._ready.append(Answered(ticket=ticket.number, outcome=lost_turn(pending)))

    def run(self, *, propose: bool = True) -> Iterator[Entry]:
        """Run rounds until nothing is under way and nothing more is begun."""
        events, self._ready = self._ready, []
        while True:
            yield from self._round(events, propose=propose)
            if self._judge_error is not None:
                raise self._judge_error
            if not self._tickets and not (propose and self._waits_for_others()):
                break
            events = self._wait()
        idle = bool(self._idle) and self._reason_to_stop() == self._idle
        if (failure := self._failure or self._calls.failure or (self._calls.trouble if idle else None)) is not None:
            raise failure

    def ended(self) -> None:
        """Report why nothing more is begun."""
        self._report_step("ended", self._archive.next_number, reason=self._reason_to_stop() or "")

    def catch_up(self) -> None:
        """Add the entries that other processes have archived."""
        for entry in self._archive.catch_up():
            self._tally.fold(entry)
            self._pool.count_duels([entry], ours=False)

    def _wait(self) -> list[Outcome]:
        """The outcomes that are ready; at least one, unless there is more to propose or others are waited for."""
        events, self._ready = self._ready, []
        wait_s = 0.0 if self._more else AGAIN_S if self._calls.waits_for else None
        # With as many outcomes as tickets there is nothing to wait for.
        gather(self._events, events, min(_MOST_EVENTS, max(1, len(self._tickets))), wait_s, self._report_judging)
        return events

    def _report_judging(self, event: JudgeProgress) -> None:
        phase: Phase = "lost" if event.lost else "judging"
        self._report_step(phase, event.ticket, name=event.name, judging=event.step, reason=event.lost)

    def _round(self, events: Sequence[Outcome], *, propose: bool) -> list[Entry]:
        """Handle these events, propose more, and make all of it durable at once."""
        with self._archive.writing() as writing:
            self.catch_up()
            for event in events:
                self._handle(writing, event)
            if propose:
                self._propose_more(writing)
            standing = self._tally.standing
            if standing.champion is not None:
                writing.point(standing.best, standing.front)
        self._durable_standing = standing
        self._unwritten.clear()
        after, self._after_commit = self._after_commit, []
        for step in after:
            step()
        done, self._done = self._done, []
        for entry in done:
            self._report_step("archived", entry.number, name=entry.name)
        return done

    def _handle(self, writing: Writing, event: Outcome) -> None:
        """Do what an event asks for."""
        match event:
            case JudgeFailed():
                self._judge_error = self._judge_error or event.error
            case Answered():
                self._end_call(writing, self._tickets[event.ticket], event)
            case NotAsked():
                self._withdraw(writing, self._tickets[event.ticket])
            case Retry():
                ticket, bound = self._tickets[event.ticket], event.bound
                ticket.pending = replace(ticket.pending, bound_usd=bound.usd, bound_tokens=bound.tokens)
                writing.put(ticket.pending)
                self._after_commit.append(event.go)
            case Judged():
                ticket = self._tickets[event.ticket]
                ticket.take_verdict(event.verdict, event.confirmations, event.gates, event.seconds, event.lost)
                self._decide(writing, ticket)
            case _:
                assert_never(event)

    def _end_call(self, writing: Writing, ticket: Ticket, answered: Answered) -> None:
        self._calls.ended(answered, self._archive.next_number)
        self._idle = ""
        if isinstance(answered.outcome, Turn):
            self._keep_answer(writing, ticket, answered.outcome)
        else:
            self._withdraw(writing, ticket)

    def _keep_answer(self, writing: Writing, ticket: Ticket, turn: Turn) -> None:
        ticket.take_answer(answer_ticket(ticket.pending, turn))
        self._in_flight.discard(ticket.number)
        self._unwritten[ticket.number] = ticket.pending
        writing.put(ticket.pending)
        self._after_commit.append(lambda: self._read_answer(ticket))

    def _withdraw(self, writing: Writing, ticket: Ticket) -> None:
        """No request was sent: archive the attempt as it was before the repair, or drop a ticket that has none."""
        if ticket.before is not None and ticket.verdict is not None:
            ticket.pending, ticket.before = ticket.before, None
            self._append(writing, ticket)
            return
        self._remove_ticket(ticket)
        self._after_commit.append(lambda: self._archive.drop(ticket.number))

    def _read_answer(self, ticket: Ticket) -> None:
        """Apply an answer, and have the program judged."""
        proposal = ticket.pending.proposal
        nothing = nothing_came(proposal.turns[-1]) if proposal.turns else None
        if nothing is not None:
            self._ready.append(Judged(ticket=ticket.number, verdict=nothing))
            return
        source = self._archive.source(proposal.parents[0])
        if proposal.kind in ("seed", "import"):
            ticket.take_candidate(whole_candidate(proposal, source))
            self._judge_or_reuse(ticket)
            return
        try:
            candidate = patch.apply_reply(proposal.reply, source, allow_rewrite=proposal.kind == "rewrite")
        except PatchError as error:
            refused = Rejected(stage="patch", reason=error.reason, detail=error.detail)
            self._ready.append(Judged(ticket=ticket.number, verdict=refused))
        else:
            ticket.take_candidate(candidate)
            self._judge_or_reuse(ticket)

    def _judge_or_reuse(self, ticket: Ticket) -> None:
        """Have a program judged, unless an equal one is judged (reuse its verdict) or being judged (wait for it), or it
        repeats another and repeats are refused.
        """
        first = judged_before(self._archive, ticket)
        refusal = self._repeats.refusal(ticket, first, self._tally.standing) if self._repeats else None
        if refusal is not None:
            self._ready.append(Judged(ticket=ticket.number, verdict=refusal))
        elif first is not None and not isinstance(first.verdict, Unjudged):
            ticket.same_as = first.id
            self._ready.append(Judged(ticket=ticket.number, verdict=first.verdict))
        elif any(other.judging and other.same_program(ticket) for other in self._tickets.values()):
            ticket.waits = True
        else:
            self._submit(ticket)

    def _release_twins(self, ticket: Ticket) -> None:
        """Continue the tickets that wait for this one, which is archived or whose program is replaced by a repair."""
        ticket.judging = False
        for other in self._tickets.values():
            if other.waits and other.same_program(ticket):
                other.waits = False
                self._after_commit.append(partial(self._judge_or_reuse, other))

    def _submit(self, ticket: Ticket, verdict: Scored | None = None) -> None:
        job = ticket.job(verdict)
        ticket.judging = True
        self._report_step("judging", job.ticket, name=job.name)
        self._pool.submit(job)

    def _decide(self, writing: Writing, ticket: Ticket) -> None:
        """Archive a ticket that has its verdict, or send it back to the model or to a judge."""
        verdict = ticket.verdict
        assert verdict is not None
        if isinstance(verdict, Rejected):
            if (request := self._repair_request(ticket, verdict)) is not None:
                self._ask_for_repair(writing, ticket, request)
                return
        elif not ticket.same_as:
            standing, programs = self._tally.standing, (ticket.program_id, ticket.syntax_hash)
            if owes(standing, *programs, verdict, ticket.confirmations, ticket.gates):
                self._after_commit.append(partial(self._submit, ticket, verdict))
                return
        self._append(writing, ticket)

    def _repair_request(self, ticket: Ticket, verdict: Rejected) -> Request | None:
        """The request to repair a rejected answer; None where it is archived as it is."""
        if self._source is None or self._stopping() or self._tally.time_is_up():
            return None
        return self._source.repair(ticket.pending, verdict)

    def _ask_for_repair(self, writing: Writing, ticket: Ticket, request: Request) -> None:
        bound = self._calls.bound(request)
        self._release_twins(ticket)
        ticket.ask_again(request, bound)
        self._in_flight.add(ticket.number)
        writing.put(ticket.pending)
        self._after_commit.append(lambda: self._begin_call(ticket, request))

    def _append(self, writing: Writing, ticket: Ticket) -> None:
        entry = writing.append(ticket.attempt(self._archive.next_number))
        self._remove_ticket(ticket)
        self._release_twins(ticket)
        self._tally.fold(self._archive.entry(entry.number))
        self._pool.count_duels([entry], ours=True)
        self._done.append(entry)
        self._told_waiting = False

    # Proposing

    def _propose_more(self, writing: Writing) -> None:
        """Propose while there is room and no reason to stop."""
        source = self._source
        self._idle = "" if self._calls.ask_again() else self._idle
        for made in range(_MOST_PROPOSED):
            self._more = source is not None and self._has_room(source) and self._reason_to_stop() is None
            if source is None or not self._more:
                return
            room = min(_MOST_PROPOSED, source.in_flight - len(self._in_flight))
            self._propose(writing, source, foresee=0 if made else room)

    def _has_room(self, source: Source) -> bool:
        waiting = len(self._tickets) - len(self._in_flight)
        taken = len(self._in_flight) - (self._asked() if source.apart else 0)
        return taken < source.in_flight and waiting <= source.waiting

    def _asked(self) -> int:
        """How many of the tickets in flight are calls of models."""
        return sum(self._tickets[number].pending.request is not None for number in self._in_flight)

    def _reason_to_stop(self) -> str | None:
        """Why nothing more is begun, as a sentence; None where there is no reason."""
        if self._stopping():
            return "it was asked to stop" if self._stop_seen else "it cannot continue"
        if (reason := self._tally.spent_out(len(self._tickets))) is not None:
            return reason
        if self._calls.refusal is not None:
            return str(self._calls.refusal)
        return self._idle or None

    def _waits_for_others(self) -> bool:
        """Whether nothing is begun only because other searches have reserved what is left; reports it once."""
        refusal = self._calls.waits_for
        if refusal is None or self._stopping() or self._tally.spent_out(0) is not None:
            return False
        if not self._told_waiting:
            self._told_waiting = True
            self._report_step("waits", self._archive.next_number, reason=f"waits for other searches: {refusal}")
        return True

    def _stopping(self) -> bool:
        self._stop_seen = self._stop_seen or self._archive.stop_asked()
        return self._stop_seen or (self._judge_error or self._failure or self._calls.failure) is not None

    def _propose(self, writing: Writing, source: Source, foresee: int) -> None:
        """Make a proposal, after what it and the next ones, `foresee` together, will need is read in one pass."""
        number = writing.ticket()
        self._report_step("proposing", number)
        open_ = {each.number: each.pending.request or each.pending.proposal for each in self._tickets.values()}
        full, closed = self._calls.full(self._asked()), self._calls.closed(self._archive.next_number)
        try:
            standing = self._tally.standing.of_search  # what is held out steers nothing
            source.foresee(self._archive, standing, range(number, number + (0 if closed else foresee)), open_)
            made = source.propose(self._archive, standing, number, open_, full=full, closed=closed)
            pending = None if made is None else pending_of(number, made, self._calls.bound, self._archive.owner)
        except HarnessError as error:
            self._failure = error
            return
        if pending is None:
            self._idle = source.why_idle()
            return
        for news in self._left_out.news(source, self._calls.cause):
            self._report_step("left_out", number, reason=news)
        ticket, request = self._add_ticket(pending), pending.request
        writing.put(pending)
        self._after_commit.append(
            lambda: self._read_answer(ticket) if request is None else self._begin_call(ticket, request)
        )

    def _begin_call(self, ticket: Ticket, request: Request) -> None:
        if not self._calls.begin(ticket.number, request):
            self._ready.append(NotAsked(ticket=ticket.number))

    # Tickets

    def _add_ticket(self, pending: Pending) -> Ticket:
        ticket = self._tickets[pending.ticket] = Ticket(pending, gates=self._no_gates)
        if ticket.in_flight:
            self._in_flight.add(ticket.number)
        return ticket

    def _remove_ticket(self, ticket: Ticket) -> None:
        del self._tickets[ticket.number]
        self._in_flight.discard(ticket.number)
        self._idle = ""

    def _report_step(self, phase: Phase, number: int, **more: Any) -> None:
        asked = self._asked()
        self._report(Progress(phase=phase, number=number, asked=asked, waiting=len(self._tickets) - asked, **more))
