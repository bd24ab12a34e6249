"""`packsmith ask`: a prompt and its ticket, for a person or program to answer.

Owns: this verb. Does not know: who answers, how prompts are worded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from harness.cli.console import Json, emit, emit_text, messages
from harness.cli.runs import ConfigOption, RunFolder, open_run
from harness.cli.user_files import check_replaceable, write_program
from harness.report import jsonl
from harness.runs import asking
from harness.types import Pending, Request

AskedKind = Literal["patch", "rewrite", "crossover", "repair"]


def ask(
    run: RunFolder,
    kind: Annotated[
        AskedKind | None, typer.Option("--kind", help="The kind of proposal; by default drawn by the run's shares.")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the prompt here.")] = None,
    program: Annotated[
        Path | None,
        typer.Option(
            "--program", metavar="FILE", help="Also write the program to be changed here, so that you can edit it."
        ),
    ] = None,
    config: ConfigOption = None,
    json: Json = False,
) -> None:
    """Print one prompt and its ticket, for anybody to answer.

    Use it to be the model yourself, or to connect a program of your own. Standard output is only the prompt; the
    ticket, which `packsmith tell` needs with the answer, is on standard error (or in the object of --json). Several
    tickets may be open at once.

    \b
    Examples:
    packsmith ask runs/mine -o prompt.md
    packsmith ask runs/mine --kind rewrite --json
    packsmith ask runs/mine --program child.py -o prompt.md

    Start a new run with: packsmith search mine.yaml -s proposer.kind=ask
    """
    with open_run(run, config) as opened:
        if program is not None:
            check_replaceable(program, lambda known: opened.archive.known(known) is not None)
        pending = asking.ask(opened, kind)
        request = pending.request
        assert request is not None
        source = opened.archive.source(request.parents[0])
    prompt = asking.prompt_text(request.messages)
    if program is not None:
        write_program(program, source)
    if out is not None:
        write_program(out, prompt)
    if json:
        emit(jsonl.line(_asked_record(run, pending, request, prompt)))
        return
    if out is None:
        emit_text(prompt)
    said = f"ticket {pending.ticket}: a {request.kind}"
    said += f"; the prompt is in {out}" if out is not None else ""
    said += f"; the program to edit is in {program}" if program is not None else ""
    how = f"packsmith tell {run} {pending.ticket} REPLY_FILE"
    other = f"packsmith tell {run} {pending.ticket} --program {program or 'FILE'}"
    messages().print(f"{said}\nanswer it with: {how}\nor, having edited the program: {other}", markup=False)


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
