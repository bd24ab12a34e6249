"""`packsmith tell`: the answer to a ticket, judged and archived.

Owns: this verb. Does not know: who answers, what counts as a reply, how programs are judged.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from evaluator import Judge
from harness.cli.console import Json, emit, messages, output
from harness.cli.runs import ConfigOption, OpenRun, RunFolder, open_run
from harness.cli.signals import Interruptible
from harness.cli.user_files import read_program, read_reply
from harness.cli.verdicts import say_notes
from harness.report import attempts, jsonl, tables
from harness.report.progress import Waiting
from harness.runs import asking
from harness.runs.judges import judge_of
from harness.search import Progress, outside
from harness.select import standing
from harness.text import one_line
from harness.types import Entry, Pending


def tell(
    run: RunFolder,
    ticket: Annotated[int, typer.Argument(metavar="TICKET", min=1, help="The ticket that ask printed.")],
    reply: Annotated[
        str | None, typer.Argument(metavar="[REPLY_FILE]", help="The answer's text; - is standard input.")
    ] = None,
    program: Annotated[
        Path | None, typer.Option("--program", metavar="FILE", help="The whole edited program, instead of a reply.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="A name for the change; only with --program.")] = "",
    description: Annotated[str, typer.Option("--description", help="What it does; only with --program.")] = "",
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="The name of the author, for the statistics.")
    ] = "",
    usd: Annotated[float, typer.Option("--usd", min=0, help="What the answer cost, in dollars.")] = 0.0,
    tokens: Annotated[int, typer.Option("--tokens", min=0, help="The tokens that the answer used.")] = 0,
    config: ConfigOption = None,
    json: Json = False,
) -> None:
    """Judge and archive the answer to a ticket.

    Use it after `packsmith ask`. With --program the patch is derived from the edited program. Exit code 0 when the
    answer is archived, whatever its verdict; 1 when it was not accepted, and then the ticket is still open. A program
    that differs from an earlier one only in comments and layout is not judged again: it gets the earlier verdict
    (`packsmith remeasure` judges it again).

    \b
    Examples:
    packsmith tell runs/mine 7 reply.md --usd 0.04 --tokens 9000 --model somebody
    packsmith tell runs/mine 7 - < reply.md
    packsmith tell runs/mine 7 --program child.py --name cached_order --json
    """
    if (reply is None) == (program is None):
        raise typer.BadParameter("expected either a reply file or --program FILE", param_hint="REPLY_FILE")
    if program is None and (name or description):
        raise typer.BadParameter("--name and --description need --program; a reply has its own")
    if not math.isfinite(usd):
        raise typer.BadParameter(f"expected an amount of dollars, found {usd}", param_hint="--usd")
    with open_run(run, config) as opened:
        pending = outside.find(opened.archive, ticket)
        text = ""
        if pending.answered:
            messages().print(f"note: ticket {ticket} was answered before; judging that answer", markup=False)
        elif program is not None:
            text = asking.reply_of_program(
                opened.archive,
                pending,
                read_program(str(program)),
                name=name or program.stem,
                description=description,
                where=str(program),
            )
        else:
            text = asking.checked_reply(read_reply(reply or ""), "standard input" if reply == "-" else reply or "")
        mine = asking.answered(opened.archive, pending, text, model=model, usd=usd, tokens=tokens)
        _judge(opened, mine, json=json)


def _judge(opened: OpenRun, pending: Pending, *, json: bool) -> None:
    """Judge the answer under a ticket of this process, archive it, and show the result."""
    notices = messages()
    say_notes(opened.config.task)
    with (
        Interruptible(lambda: f"the answer is kept: packsmith tell {opened.folder} {pending.ticket} judges it"),
        judge_of(opened.config) as judge,
        Waiting(notices) as waiting,
    ):
        entry = _archived(opened, judge, pending, waiting)
    where = standing(opened.archive.entries, opened.config.objective)
    best = where.champion
    if json:
        record = jsonl.entry_record(entry, task=judge.task, device=judge.device)
        emit(jsonl.line({**record, "best": None if best is None else best.number}))
        return
    console = output()
    console.print(tables.verdict_view(entry.verdict, program=f"attempt {entry.number}, {entry.name}", task=judge.task))
    if entry.same_as:
        console.print(_known_already(entry, opened), markup=False)
    elif change := attempts.change(entry, opened.archive.find):
        console.print(f"against its parent: {change}", markup=False)
    if best is not None:
        new = f"attempt {best.number}, {one_line(best.name, 80)}, leads the search"
        new = "it leads the search now" if best.id == entry.id else new
        console.print(f"archived as attempt {entry.number}; {new}", markup=False)


def _known_already(entry: Entry, opened: OpenRun) -> str:
    """A line that says whose verdict was taken over, and how to judge the program again."""
    first = opened.archive.find(entry.same_as)
    named = "an attempt that cannot be read" if first is None else f"attempt {first.number}, {one_line(first.name, 80)}"
    again = "" if first is None else f" (packsmith remeasure {opened.folder} {first.number} judges it again)"
    return f"same program as {named}: its verdict is taken over, and nothing was judged{again}"


def _archived(opened: OpenRun, judge: Judge, pending: Pending, waiting: Waiting) -> Entry:
    def progress(step: Progress) -> None:
        if step.judging is not None:
            waiting.judging(f"ticket {pending.ticket}", step.judging)

    return asking.settled(opened, judge, pending, progress)
