"""The tools that work: asking, telling, evaluating and advising.

Owns: what each of them does to a run, and returns. Does not know: protocols, limits of time, who asks.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from evaluator import EvaluatorError
from harness.mcp.arguments import AdviseArguments, AskArguments, EvaluateArguments, TellArguments
from harness.mcp.bounded import LentJudge, Report
from harness.mcp.looking import Desk, against_parent
from harness.mcp.results import AdviseResult, AskResult, EvaluateResult, TellResult, verdict_result
from harness.runs import asking
from harness.search import Progress, outside
from harness.text import one_line
from harness.types import Entry, HarnessError, Pending

Lend = Callable[[], AbstractContextManager[LentJudge]]


def ask(desk: Desk, arguments: AskArguments) -> AskResult:
    """Open a ticket. Raises HarnessError."""
    pending = asking.ask(desk.opened, arguments.kind)
    request = pending.request
    assert request is not None, "a ticket that is asked has a request"
    return AskResult(
        ticket=pending.ticket,
        kind=request.kind,
        parents=_numbers(desk, request.parents),
        inspirations=_numbers(desk, request.inspirations),
        prompt=asking.prompt_text(request.messages),
        program=desk.archive.source(request.parents[0]) if arguments.with_program else None,
    )


def _numbers(desk: Desk, ids: tuple[str, ...]) -> list[int]:
    return [number for id_ in ids if (number := desk.number(id_)) is not None]


def advise(desk: Desk, arguments: AdviseArguments) -> AdviseResult:
    """Add advice. Raises HarnessError."""
    return AdviseResult(number=desk.archive.advise(asking.checked_advice(arguments.text)))


def tell(desk: Desk, arguments: TellArguments, lend: Lend, report: Report) -> TellResult:
    """Judge and archive the answer to a ticket. Raises HarnessError and EvaluatorError; they say whether the ticket is
    still open, or its answer stored.
    """
    archive, number = desk.archive, arguments.ticket
    if (arguments.reply is None) == (arguments.program is None):
        found = "neither" if arguments.reply is None else "both"
        raise HarnessError(f"expected either `reply` or `program`, found {found}; {asking.STILL_OPEN}")
    if arguments.program is None and (arguments.name or arguments.description):
        raise HarnessError(f"`name` and `description` need `program`; a reply has its own; {asking.STILL_OPEN}")
    pending = outside.find(archive, number)
    notes = [f"ticket {number} was answered before; that answer was judged"] if pending.answered else []
    text = "" if pending.answered else _reply(desk, pending, arguments)
    mine = asking.answered(archive, pending, text, model=arguments.model, usd=arguments.usd, tokens=arguments.tokens)

    def progress(step: Progress) -> None:
        if step.judging is not None:
            report(step.judging)

    try:
        with lend() as judge:
            entry = asking.settled(desk.opened, judge, mine, progress)
    except (HarnessError, EvaluatorError) as error:
        raise HarnessError(
            f"{error}\nThe answer to ticket {number} is stored: tell that ticket again to have it judged"
        ) from None
    return _told(desk, entry, notes)


def _reply(desk: Desk, pending: Pending, arguments: TellArguments) -> str:
    """The reply that is told, or that an edited program makes. Raises HarnessError."""
    if arguments.program is None:
        return asking.checked_reply(arguments.reply or "", "`reply`")
    return asking.reply_of_program(
        desk.archive,
        pending,
        asking.checked_reply(arguments.program, "`program`"),
        name=arguments.name or "edited",
        description=arguments.description,
        where="`program`",
    )


def _told(desk: Desk, entry: Entry, notes: list[str]) -> TellResult:
    champion = desk.standing.champion
    if entry.same_as:
        notes = [*notes, "the same program was judged before: its verdict is taken over, and nothing was judged"]
    return TellResult(
        row=desk.row(entry),
        verdict=verdict_result(entry.verdict),
        against_parent=against_parent(desk.archive, entry),
        best=None if champion is None else champion.number,
        is_best=champion is not None and champion.id == entry.id,
        notes=[one_line(note, 400) for note in notes],
    )


def evaluate(desk: Desk, arguments: EvaluateArguments, lend: Lend, report: Report) -> EvaluateResult:
    """Judge a program as the run does; nothing is archived. Raises EvaluatorError."""
    with lend() as judge:
        verdict = judge.evaluate(arguments.program, progress=report)
    return EvaluateResult(verdict=verdict_result(verdict), best=desk.row_or_none(desk.standing.champion))
