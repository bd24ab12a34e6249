"""`packsmith verify`, `log`, `show` and `best`: readings of a run's archive.

Owns: these four commands. Does not know: how an archive is stored.
"""

from __future__ import annotations

import difflib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from evaluator import TASKS, Rejected, Task
from harness.archive import Archive
from harness.cli import common
from harness.cli.common import UserError
from harness.report import attempts, jsonl, tables
from harness.report.progress import Waiting
from harness.types import Entry
from harness.verify import verify as verify_archive

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="An attempt: its number, its commit, or best.")]


_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def _open(run: Path) -> tuple[Archive, Task]:
    common.need_git()
    archive = Archive.open(run)
    for damage in archive.damage:
        common.messages().print(f"warning: {damage}", style="yellow", markup=False)
    return archive, TASKS[archive.config["task"]["name"]]({})


def verify(run: Run, json: common.Json = False) -> None:
    """Prove every archived program from its parent and its reply.

    Each stored reply is applied to its stored parent again, offline, and has to give the same bytes.
    Exit code 0 when every attempt is what its reply makes of its parent, 1 when one is not.
    """
    archive, _ = _open(run)
    with Waiting(common.messages()) as waiting:
        waiting.say(f"verifying {len(archive.entries)} attempts")
        report = verify_archive(archive)
    if json:
        common.emit(jsonl.line({"run": str(run), **asdict(report)}))
    else:
        console = common.output()
        for mismatch in report.mismatches:
            where = str(run) if mismatch.number is None else f"attempt {mismatch.number} ({mismatch.id[:12]})"
            text = f"{where}: expected {mismatch.expected}, found {mismatch.found}"
            console.print(text, style="red", markup=False)
        wrong = f"{len(report.mismatches)} faults, see above"
        result = "each is what its reply makes of its parent" if report.ok else wrong
        console.print(f"{_counted(report.checked)} checked: {result}", markup=False)
    if report.mismatches:
        raise typer.Exit(1)


def _counted(attempts_: int) -> str:
    return "1 attempt" if attempts_ == 1 else f"{attempts_} attempts"


def log(run: Run, json: common.Json = False) -> None:
    """List a run's attempts, oldest first.

    Git shows the lineage as a graph: git -C RUN log --graph --all
    """
    archive, task = _open(run)
    if json:
        for entry in archive.entries:
            common.emit(jsonl.line(jsonl.entry_record(entry, task=task, device=str(archive.config["device"]))))
        return
    console = common.output()
    console.print(attempts.heading(task), style="bold", markup=False)
    for entry in archive.entries:
        console.print(attempts.row(entry, archive.entries, console.width))
    reference = Path(archive.config["judge"]["reference"]["file"]).name
    common.messages().print(attempts.legend(reference), style="dim", markup=False)


def show(run: Run, id: Id, json: common.Json = False) -> None:
    """Show one attempt: its origin, verdict and change."""
    archive, task = _open(run)
    entry = archive.entry(id)
    if json:
        record = jsonl.entry_record(entry, task=task, device=str(archive.config["device"]))
        common.emit(jsonl.line({**record, "source": archive.source(entry.id), "reply": archive.reply(entry.id)}))
        return
    console = common.output()
    console.print(Text(f"attempt {entry.number}  {entry.name}", style="bold"))
    console.print(f"commit   {entry.id}\nkind     {entry.kind} by {entry.proposer}", markup=False)
    if entry.kind != "seed":
        numbers = {other.id: other.number for other in archive.entries}
        parents = ", ".join(f"{numbers.get(parent, '?')} ({parent[:12]})" for parent in entry.parents)
        console.print(f"parents  {parents}", markup=False)
    console.print(f"\n{entry.description}\n" if entry.description else "", markup=False)
    for warning in entry.warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False)
    console.print(tables.verdict_view(entry.verdict, program=entry.name, task=task))
    if entry.scored is not None:
        seed = int(archive.config["seed"])
        console.print(tables.environment_line(entry.scored.environment, seed), style="dim", markup=False)
    for line in _change(archive, entry).splitlines():
        console.print(Text(line, style=_STYLES.get(line[:1], "")), soft_wrap=True)


def _change(archive: Archive, entry: Entry) -> str:
    """What an attempt changed in its first parent; the reply where it gave no program."""
    if isinstance(entry.verdict, Rejected) and entry.verdict.stage == "patch":
        return archive.reply(entry.id)
    before, after = (archive.source(id_).splitlines(keepends=True) for id_ in (entry.parents[0], entry.id))
    return "".join(
        difflib.unified_diff(before, after, f"{entry.parents[0][:12]}/program.py", f"{entry.id[:12]}/program.py")
    )


def best(
    run: Run,
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the program here.")] = None,
    json: common.Json = False,
) -> None:
    """Print a run's best program, or write it with -o."""
    archive, task = _open(run)
    if not archive.entries:
        raise UserError(f"{run}: no attempt is archived yet, so there is no best program")
    entry = archive.entry("best")
    source = archive.source(entry.id)
    if out is not None:
        common.write_program(out, source)
    if json:
        record = jsonl.entry_record(entry, task=task, device=str(archive.config["device"]))
        common.emit(jsonl.line({**record, "source": source, "path": None if out is None else str(out)}))
    elif out is None:
        common.emit_text(source)
    else:
        console = common.output()
        console.print(tables.verdict_view(entry.verdict, program=f"attempt {entry.number}, {entry.name}", task=task))
        console.print(f"wrote {out}", markup=False)
