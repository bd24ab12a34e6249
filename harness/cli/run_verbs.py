"""`packsmith verify`, `show` and `best`: readings of a run's archive.

Owns: these three commands. Does not know: how an archive is stored.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from evaluator import TASKS, Rejected, Task
from harness.archive import Archive, glance
from harness.archive.glance import Glance
from harness.cli import common, measured
from harness.cli.common import UserError
from harness.cli.opening import open_archive
from harness.readings.lineage import first_parent
from harness.readings.verify import verify as verify_archive
from harness.report import jsonl, measurements_view, tables
from harness.report.progress import Waiting
from harness.text import one_line, visible
from harness.types import Entry

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="An attempt: its number, its commit, or best.")]


_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_LINE = 400


def open_run(run: Path, *, cached: bool = True) -> tuple[Archive, Task]:
    """A run and what its programs solve, after warnings of what is damaged. Raises UserError and ArchiveError."""
    common.need_git()
    archive = open_archive(run, cached=cached)
    for damage in archive.damage:
        common.messages().print(f"warning: {damage}", style="yellow", markup=False)
    return archive, task_of(archive.config, run)


def task_of(config: Mapping[str, Any], run: Path) -> Task:
    """What the programs of a run solve. Raises UserError where its config is none that a search wrote."""
    try:
        for needed in (config["device"], config["seed"], config["judge"]["reference"]["file"]):
            str(needed)
        return TASKS[config["task"]["name"]]({})
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{run}: expected the config of a search in the root commit (`git -C {run} show seed:config.yaml`), "
            f"found one without {error}: a run of another hand, or of a later version"
        ) from error


def verify(run: Run, json: common.Json = False) -> None:
    """Prove every archived program from its parent and its reply.

    Each stored reply is applied to its stored parent again, offline, and has to give the same bytes.
    Exit code 0 when every attempt is what its reply makes of its parent, 1 when one is not.
    """
    archive, _ = open_run(run, cached=False)
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


def show(run: Run, id: Id, json: common.Json = False) -> None:
    """Show one attempt: its origin, verdict and change."""
    archive, task = open_run(run)
    entry = archive.entry(id)
    again = measured.noted(archive, entry)
    groups = measured.grouped(archive, entry, again)
    if json:
        record = jsonl.entry_record(entry, task=task, device=str(archive.config["device"]))
        record |= measurements_view.record(entry, groups, task)
        common.emit(jsonl.line({**record, "source": archive.source(entry.id), "reply": archive.reply(entry.id)}))
        return
    console = common.output()
    console.print(Text(f"attempt {entry.number}  {one_line(entry.name, _LINE)}", style="bold"))
    kind = f"{entry.kind} by {one_line(entry.proposer, _LINE)}"
    console.print(f"commit   {entry.id}\nkind     {kind}", markup=False)
    if entry.kind != "seed":
        known = ((parent, archive.find(parent)) for parent in entry.parents)
        parents = ", ".join(
            f"{found.number if found else '?'} ({one_line(parent[:12], 12)})" for parent, found in known
        )
        console.print(f"parents  {parents}", markup=False)
    description = "\n".join(map(visible, entry.description.splitlines()))
    console.print(f"\n{description}\n" if description else "", markup=False)
    for warning in entry.warnings:
        console.print(f"warning: {one_line(warning, _LINE)}", style="yellow", markup=False)
    console.print(tables.verdict_view(entry.verdict, program=one_line(entry.name, _LINE), task=task))
    if entry.scored is not None:
        seed = int(archive.config["seed"])
        console.print(tables.environment_line(entry.scored.environment, seed), style="dim", markup=False)
    if again:
        console.print()
        console.print(measurements_view.view(entry, groups, task))
    for line in _change(archive, entry).splitlines():
        console.print(Text(visible(line), style=_STYLES.get(line[:1], "")), soft_wrap=True)


def _change(archive: Archive, entry: Entry) -> str:
    """What an attempt changed in its first parent; the reply where it gave no program."""
    if isinstance(entry.verdict, Rejected) and entry.verdict.stage == "patch":
        return archive.reply(entry.id)
    parent = first_parent(entry)
    before, after = (archive.source(id_).splitlines(keepends=True) for id_ in (parent, entry.id))
    return "".join(difflib.unified_diff(before, after, f"{parent[:12]}/program.py", f"{entry.id[:12]}/program.py"))


def best(
    run: Run,
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the program here.")] = None,
    json: common.Json = False,
) -> None:
    """Print a run's best program, or write it with -o."""
    common.need_git()
    found = glance.best(run) or _best(run)
    entry, source = found.entry, found.source
    task = task_of(found.config, run)
    if out is not None:
        common.write_program(out, source)
    if json:
        record = jsonl.entry_record(entry, task=task, device=str(found.config["device"]))
        common.emit(jsonl.line({**record, "source": source, "path": None if out is None else str(out)}))
    elif out is None:
        common.emit_text(source)
    else:
        console = common.output()
        console.print(tables.verdict_view(entry.verdict, program=f"attempt {entry.number}, {entry.name}", task=task))
        console.print(f"wrote {out}", markup=False)


def _best(run: Path) -> Glance:
    """The same of a run of which something is missing or damaged, which is said."""
    archive, _ = open_run(run)
    with archive:
        if not archive.entries:
            raise UserError(f"{run}: no attempt is archived yet, so there is no best program")
        entry = archive.entry("best")
        return Glance(config=archive.config, entry=entry, source=archive.source(entry.id))
