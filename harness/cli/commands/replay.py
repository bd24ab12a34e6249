"""`packsmith replay`: patches applied to a program, and what they change.

Owns: this verb. Does not know: searching, runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evaluator import Rejected, Scored
from harness import patch as patch_format
from harness.cli.console import Json, UserError, emit, emit_text, messages, output, warn
from harness.cli.judge_options import JudgeOptions, takes_judge_options
from harness.cli.user_files import read_program, read_reply, write_program
from harness.cli.verdicts import judge_all, say_notes
from harness.report import jsonl, tables
from harness.types import Candidate


@takes_judge_options
def replay(
    *,
    patches: Annotated[
        list[str],
        typer.Argument(metavar="PATCH", help="Patches or model replies, applied in this order; - is standard input."),
    ],
    onto: Annotated[str, typer.Option("--onto", metavar="PROGRAM", help="The program to patch.")],
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="OUT", help="Write the result here.")] = None,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Judge the program before and after.")] = False,
    options: JudgeOptions,
    json: Json = False,
) -> None:
    """Apply patches to a program, and judge what they change.

    All blocks of a patch apply, or none. Without -o and --evaluate the patched program is printed. Exit code 1 if a
    patch is refused or a program rejected.

    \b
    Examples:
    packsmith replay reply.txt --onto mine.py -o child.py
    packsmith replay first.patch second.patch --onto mine.py --evaluate
    """
    parent = read_program(onto)
    child = parent
    for path in patches:
        child = _apply(path, child, json=json)
    if out is not None:
        write_program(out, child)
        if not json:
            output().print(f"wrote {out}", markup=False)
    if not evaluate:
        if out is None and not json:
            emit_text(child)
        return
    built = options.build_task()
    say_notes(built)
    described = options.judge(built)
    options.check_wheels((), built)
    with described as judge:
        names = (onto, str(out) if out is not None else f"{onto} patched")
        sources = dict(zip(names, (parent, child), strict=True))
        before, after = judge_all(judge, sources, split=options.split, json=json)
    if isinstance(before, Scored) and isinstance(after, Scored) and not json:
        output().print(tables.change_table(before, after, task=built))
    if isinstance(after, Rejected) or isinstance(before, Rejected):
        raise typer.Exit(1)


def _apply(path: str, source: str, *, json: bool) -> str:
    try:
        candidate: Candidate = patch_format.apply_reply(read_reply(path), source)
    except patch_format.PatchError as error:
        if json:
            emit(jsonl.line({"patch": path, "applied": False, "reason": error.reason, "detail": error.detail}))
        raise UserError(f"{path}: refused ({error.reason})\n{error.detail}") from None
    if json:
        record = {"patch": path, "applied": True, "name": candidate.name, "tiers": list(candidate.tiers)}
        emit(jsonl.line({**record, "warnings": list(candidate.warnings)}))
    else:
        blocks = "block" if len(candidate.tiers) == 1 else "blocks"
        console = messages()
        name, tiers = candidate.name or "unnamed", ", ".join(candidate.tiers)
        console.print(f"{path}: {name}: {len(candidate.tiers)} {blocks} applied ({tiers})", markup=False)
        for warning in candidate.warnings:
            warn(warning)
    return candidate.source
