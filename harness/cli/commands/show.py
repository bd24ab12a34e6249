"""`packsmith show`: one attempt of a run.

Owns: this verb. Does not know: how an archive is stored, how verdicts and measurements are laid out.
"""

from __future__ import annotations

import difflib

from rich.text import Text

from evaluator import Rejected
from harness.archive import Archive
from harness.cli import measured
from harness.cli.console import Json, emit, output, print_diff_line
from harness.cli.runs import AttemptWord, OpenRun, RunFolder, open_run
from harness.readings.claims import claim_words
from harness.readings.lineage import first_parent
from harness.report import attempts, duels_view, jsonl, measurements_view, tables
from harness.text import one_line, visible
from harness.types import Entry

_LINE = 400


def show(run: RunFolder, id: AttemptWord, json: Json = False) -> None:
    """Show one attempt: its origin, verdict and change.

    Use it to see why an attempt was rejected, or what made it better. With --json it also prints the program and the
    reply.

    \b
    Examples:
    packsmith show runs/mine best
    packsmith show runs/mine 17 --json
    """
    with open_run(run) as opened:
        entry = opened.attempt(id)
        if json:
            _emit(opened, entry)
        else:
            _print(opened, entry)


def _emit(opened: OpenRun, entry: Entry) -> None:
    archive, task = opened.archive, opened.task
    groups = measured.grouped(archive, entry, measured.noted(archive, entry))
    record = jsonl.entry_record(entry, task=task, device=str(archive.config["device"]))
    record |= {
        "duels": duels_view.records(entry),
        "gates": duels_view.gate_records(entry),
        **measurements_view.record(entry, groups, task),
    }
    emit(jsonl.line({**record, "source": archive.source(entry.id), "reply": archive.reply(entry.id)}))


def _print(opened: OpenRun, entry: Entry) -> None:
    archive, task, console = opened.archive, opened.task, output()
    again = measured.noted(archive, entry)
    console.print(Text(f"attempt {entry.number}  {one_line(entry.name, _LINE)}", style="bold"))
    kind = f"{entry.kind} by {one_line(entry.proposer, _LINE)}"
    console.print(f"commit   {entry.id}\nkind     {kind}", markup=False)
    if entry.kind != "seed":
        console.print(f"parents  {_parents(archive, entry)}", markup=False)
    if entry.claimed is not None:
        said = f"{entry.claimed.framework} {entry.claimed.id}: {claim_words(entry.claimed)}"
        console.print(f"claimed  {one_line(said, _LINE)}", markup=False)
    if origin := attempts.verdict_origin(entry, archive.find):
        console.print(f"{origin} (packsmith remeasure {opened.folder} {entry.number} judges it)", markup=False)
    description = "\n".join(map(visible, entry.description.splitlines()))
    console.print(f"\n{description}\n" if description else "", markup=False)
    for warning in entry.warnings:
        console.print(f"warning: {one_line(warning, _LINE)}", style="yellow", markup=False)
    console.print(tables.verdict_view(entry.verdict, program=one_line(entry.name, _LINE), task=task))
    if entry.scored is not None:
        seed = int(archive.config["seed"])
        console.print(tables.environment_line(entry.scored.environment, seed), style="dim", markup=False)
    for line in (*duels_view.lines(entry, task, archive.find), *duels_view.gate_lines(entry, task, archive.find)):
        console.print(line, markup=False)
    if again:
        console.print()
        console.print(measurements_view.view(entry, measured.grouped(archive, entry, again), task))
    for line in _change(archive, entry).splitlines():
        print_diff_line(line)


def _parents(archive: Archive, entry: Entry) -> str:
    known = ((parent, archive.find(parent)) for parent in entry.parents)
    return ", ".join(f"{parent.number if parent else '?'} ({one_line(id_[:12], 12)})" for id_, parent in known)


def _change(archive: Archive, entry: Entry) -> str:
    """What an attempt changed in its first parent; the reply if it gave no program."""
    if isinstance(entry.verdict, Rejected) and entry.verdict.stage == "patch":
        return archive.reply(entry.id)
    parent = first_parent(entry)
    before, after = (archive.source(id_).splitlines(keepends=True) for id_ in (parent, entry.id))
    return "".join(difflib.unified_diff(before, after, f"{parent[:12]}/program.py", f"{entry.id[:12]}/program.py"))
