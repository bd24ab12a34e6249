"""`packsmith ask` and `packsmith tell`: anybody can be the model.

Owns: these two commands: a prompt with its ticket out, an answer in. Does not know: who answers, how prompts are
worded, how programs are judged.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from evaluator import Judge
from harness import patch
from harness.archive import Archive
from harness.cli import building, common
from harness.cli.building import OpenRun
from harness.cli.common import UserError
from harness.cli.run_verbs import Run
from harness.patch import PatchError
from harness.proposers import PROPOSERS, Shares
from harness.report import attempts, jsonl, tables
from harness.report.progress import Waiting
from harness.search import Progress, outside, settle
from harness.select import SELECTORS, standing
from harness.text import one_line
from harness.types import Entry, Message, Pending, Request, Turn, Usage

AskedKind = Literal["patch", "rewrite", "crossover", "repair"]
MOST_REPLY = 16_000_000
"""Bytes of a reply that is told: more than any model writes."""
ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config", metavar="CONFIG", help="The run's config file; needed only where its files are not stored."
    ),
]


def ask(
    run: Run,
    kind: Annotated[AskedKind | None, typer.Option("--kind", help="What to ask for; else by the run's shares.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the prompt here.")] = None,
    program: Annotated[
        Path | None,
        typer.Option("--program", metavar="FILE", help="Also write the program to be changed here, to be edited."),
    ] = None,
    config: ConfigOption = None,
    json: common.Json = False,
) -> None:
    """Print one prompt, for whoever is to answer it, and its ticket.

    Standard output is the prompt alone; the ticket, under which `packsmith tell` takes the answer, is on standard
    error (or in the object of --json). Several tickets may be open at once.

    \b
    Examples:
    packsmith ask runs/my -o prompt.md
    packsmith ask runs/my --kind rewrite --json
    packsmith ask runs/my --program child.py -o prompt.md

    A new run is made by: packsmith search my.yaml -s proposer.kind=ask
    """
    with building.opened(run, config) as opened:
        pending = _ask(opened, kind)
        request = pending.request
        assert request is not None
        source = opened.archive.source(request.parents[0])
    prompt = _text(request.messages)
    if program is not None:
        common.write_program(program, source)
    if out is not None:
        common.write_program(out, prompt)
    if json:
        common.emit(jsonl.line(_asked_record(run, pending, request, prompt)))
        return
    if out is None:
        common.emit_text(prompt)
    said = f"ticket {pending.ticket}: a {request.kind}"
    said += f"; the prompt is in {out}" if out is not None else ""
    said += f"; the program to edit is in {program}" if program is not None else ""
    how = f"packsmith tell {run} {pending.ticket} REPLY_FILE"
    other = f"packsmith tell {run} {pending.ticket} --program {program or 'FILE'}"
    common.messages().print(f"{said}\nanswer it with: {how}\nor, having edited the program: {other}", markup=False)


def _ask(opened: OpenRun, kind: AskedKind | None) -> Pending:
    """Write a prompt, and open a ticket for it."""
    archive, settings = opened.archive, opened.settings
    if not any(entry.scored for entry in archive.entries if entry.kind == "seed"):
        raise UserError(
            f"{opened.folder}: the seed program has no score yet, and prompts show it: run "
            f"`packsmith search CONFIG -s proposer.kind=ask --run {opened.folder}` once"
        )
    if archive.config["proposer"].get("prompts") and not opened.own_config:
        raise UserError(f"{opened.folder} has prompts of its own, which are not stored with it: add --config CONFIG")
    options = replace(settings.proposer_options, models=(), bandit=None)
    proposer = PROPOSERS["llm"](options if kind is None else replace(options, shares=Shares.only(kind)))
    return outside.ask(archive, proposer, SELECTORS[settings.settings.search.rule], settings.objective, settings.seed)


def _text(messages: tuple[Message, ...]) -> str:
    """A conversation as one text, for whoever has only one field to put it in."""
    return "\n".join(message.text.rstrip("\n") + "\n" for message in messages)


def _asked_record(run: Path, pending: Pending, request: Request, prompt: str) -> dict[str, Any]:
    return {
        "run": str(run),
        "ticket": pending.ticket,
        "kind": request.kind,
        "parents": list(request.parents),
        "inspirations": list(request.inspirations),
        "prompt": prompt,
        "messages": [{"role": message.role, "text": message.text} for message in request.messages],
    }


def tell(
    run: Run,
    ticket: Annotated[int, typer.Argument(metavar="TICKET", min=1, help="The ticket that ask gave.")],
    reply: Annotated[
        str | None, typer.Argument(metavar="[REPLY_FILE]", help="The answer's text; - is standard input.")
    ] = None,
    program: Annotated[
        Path | None, typer.Option("--program", metavar="FILE", help="The whole edited program, instead of a reply.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="What to call the change; only with --program.")] = "",
    description: Annotated[str, typer.Option("--description", help="What it does; only with --program.")] = "",
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="Who answered, for the statistics.")] = "",
    usd: Annotated[float, typer.Option("--usd", min=0, help="What the answer cost, in dollars.")] = 0.0,
    tokens: Annotated[int, typer.Option("--tokens", min=0, help="The tokens that it took.")] = 0,
    config: ConfigOption = None,
    json: common.Json = False,
) -> None:
    """Take the answer to a ticket, judge it, archive it, print the verdict.

    With --program the patch is derived from the edited program. Exit code 0 when the answer is archived, whatever its
    verdict; 1 when it was not taken, and then the ticket is still open. A program that the run knows already, but for
    comments and layout, is not judged again: the verdict is the first one's (`packsmith remeasure` judges it anew).

    \b
    Examples:
    packsmith tell runs/my 7 reply.md --usd 0.04 --tokens 9000 --model somebody
    packsmith tell runs/my 7 - < reply.md
    packsmith tell runs/my 7 --program child.py --name cached_order --json
    """
    if (reply is None) == (program is None):
        raise typer.BadParameter("expected either a reply's file or --program FILE", param_hint="REPLY_FILE")
    if program is None and (name or description):
        raise typer.BadParameter("--name and --description go with --program; a reply has its own")
    if not math.isfinite(usd):
        raise typer.BadParameter(f"expected an amount of dollars, found {usd}", param_hint="--usd")
    with building.opened(run, config) as opened:
        pending = outside.find(opened.archive, ticket)
        text = ""
        if pending.answered:
            common.messages().print(f"note: ticket {ticket} was answered before; judging that answer", markup=False)
        elif program is not None:
            text = _patched(opened.archive, pending, program, name or program.stem, description)
        else:
            text = _reply_text(reply or "")
        turn = Turn(text=text, model=model, usage=Usage(output_tokens=tokens), usd=usd)
        _judge(opened, outside.tell(opened.archive, pending, turn), json=json)


def _reply_text(path: str) -> str:
    """A reply as it came. Raises UserError for what is none: nothing, bytes that are no text, far too much."""
    what = "standard input" if path == "-" else path
    text = common.read_reply(path)
    if len(text.encode("utf-8", "surrogateescape")) > MOST_REPLY:
        raise UserError(
            f"{what}: expected a reply of at most {MOST_REPLY:,} bytes, found more; the ticket is still open"
        )
    if not text.strip():
        raise UserError(f"{what}: expected a reply, found nothing in it; the ticket is still open")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise UserError(f"{what}: expected a reply as UTF-8 text, found bytes that are none; the ticket is still open")
    return text


def _patched(archive: Archive, pending: Pending, path: Path, name: str, description: str) -> str:
    """The reply that makes an edited program of the ticket's first parent. Raises UserError where there is none."""
    parent = archive.source(pending.proposal.parents[0])
    edited = common.read_program(str(path))
    try:
        return patch.render(patch.diff(parent, edited, name=name, description=description))
    except PatchError as error:
        raise UserError(
            f"{path}: no patch makes this program of the one that ticket {pending.ticket} is about ({error.reason})\n"
            f"{error.detail}\nThe ticket is still open: give it another file, or a reply"
        ) from None


def _judge(opened: OpenRun, pending: Pending, *, json: bool) -> None:
    """Judge the answer under a ticket of this process, archive it, and show what came of it."""
    notices = common.messages()
    for note in opened.settings.task.notes:
        notices.print(f"note: {note}", markup=False)
    with (
        common.Interruptible(lambda: f"the answer is kept: packsmith tell {opened.folder} {pending.ticket} judges it"),
        opened.judge() as judge,
        Waiting(notices) as waiting,
    ):
        entry = _archived(opened, judge, pending, waiting)
    where = standing(opened.archive.entries, opened.settings.objective)
    best = where.champion
    if json:
        record = jsonl.entry_record(entry, task=judge.task, device=judge.device)
        common.emit(jsonl.line({**record, "best": None if best is None else best.number}))
        return
    console = common.output()
    console.print(tables.verdict_view(entry.verdict, program=f"attempt {entry.number}, {entry.name}", task=judge.task))
    if entry.same_as:
        console.print(_known_already(entry, opened), markup=False)
    elif change := attempts.change(entry, opened.archive.find):
        console.print(f"against its parent: {change}", markup=False)
    if best is not None:
        new = f"the best is attempt {best.number}, {one_line(best.name, 80)}"
        new = "it is the best program now" if best.id == entry.id else new
        console.print(f"archived as attempt {entry.number}; {new}", markup=False)


def _known_already(entry: Entry, opened: OpenRun) -> str:
    """That nothing was judged, whose verdict it is, and how to have it judged all the same."""
    first = opened.archive.find(entry.same_as)
    named = "an attempt that cannot be read" if first is None else f"attempt {first.number}, {one_line(first.name, 80)}"
    again = "" if first is None else f" (packsmith remeasure {opened.folder} {first.number} judges it again)"
    return f"same program as {named}: its verdict is taken over, nothing was judged{again}"


def _archived(opened: OpenRun, judge: Judge, pending: Pending, waiting: Waiting) -> Entry:
    def progress(step: Progress) -> None:
        if step.judging is not None:
            waiting.judging(f"ticket {pending.ticket}", step.judging)

    entries = settle(opened.archive, judge, opened.settings.objective, [pending], progress=progress)
    return next(entry for entry in list(entries) if entry.ticket_number == pending.ticket)
