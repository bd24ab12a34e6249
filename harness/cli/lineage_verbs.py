"""`packsmith log`, `diff` and `lineage`: the attempts of a run, how two differ, and how one came about.

Owns: these three commands. Does not know: how a graph is drawn, how a chain is found, how patches are written.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from evaluator import Task
from harness.archive import Archive
from harness.cli import common, folders
from harness.cli.run_verbs import Id, Run, open_run
from harness.config import stored_objective
from harness.git.viewing import graph as graph_of
from harness.readings.lineage import lineage as chain_to
from harness.readings.patch_series import SEED, PatchSeries, patch_series
from harness.report import attempts, graph_view, jsonl, lineage_view
from harness.select import standing
from harness.text import visible
from harness.types import Entry

_ROWS = 1000
_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def log(
    run: Run,
    graph: Annotated[bool, typer.Option("--graph", help="Show who was made from whom, newest first.")] = False,
    last: Annotated[int | None, typer.Option("--last", metavar="N", min=1, help="Only the N newest.")] = None,
    scored: Annotated[bool, typer.Option("--scored", help="Only attempts with a score.")] = False,
    json: common.Json = False,
) -> None:
    """List a run's attempts, oldest first, or as a graph.

    \b
    Examples:
    packsmith log runs/quickstart --last 20
    packsmith log runs/quickstart --graph
    packsmith log runs/quickstart --scored --json
    """
    if graph and json:
        raise typer.BadParameter("expected --graph or --json, found both: --json names the parents of each attempt")
    archive, task = open_run(run)
    with archive:
        listed = [entry for entry in archive.entries if entry.scored is not None or not scored]
        shown = listed if last is None else listed[-last:]
        if json:
            for entry in shown:
                common.emit(jsonl.line(jsonl.entry_record(entry, task=task, device=str(archive.config["device"]))))
            return
        rows = _graph(archive, task, shown) if graph else _rows(archive, task, shown)
        _print(rows)
    reference = Path(archive.config["judge"]["reference"]["file"]).name
    common.messages().print(attempts.legend(reference), style="dim", markup=False)


def _rows(archive: Archive, task: Task, shown: Sequence[Entry]) -> Iterator[Text]:
    width = common.output().width
    yield Text(attempts.heading(task), style="bold")
    for entry in shown:
        yield attempts.row(entry, archive.find, width)


def _graph(archive: Archive, task: Task, shown: Sequence[Entry]) -> Iterator[Text]:
    """The attempts beside git's drawing of them, newest first; what they were made of before them is left out."""
    if not shown:
        return
    first = shown[0].number
    parents = {parent for entry in shown for parent in entry.parents}
    before = {one for one in parents if (found := archive.find(one)) is not None and found.number < first}
    drawn = graph_of(archive.path, [entry.id for entry in reversed(shown)], before)
    result = standing(archive.entries, stored_objective(archive.config))
    view = graph_view.graph_view(result, archive.find, drawn.width)
    yield Text(view.heading(task), style="bold")
    for line in drawn.lines():
        if not line.commit:
            yield view.other(line.drawing)
        elif entry := archive.find(line.commit):
            yield view.row(line.drawing, entry, cut=not before.isdisjoint(entry.parents))
        else:
            root = line.commit == archive.root_id
            what = "the seed program and the config" if root else f"{line.commit[:12]}, no attempt of this run"
            yield view.other(line.drawing, what)


def _print(rows: Iterable[Text]) -> None:
    """Rows on standard output, cut at the width of a terminal. Elsewhere many are written at once: a run may have
    100,000 of them.
    """
    console = common.output()
    if console.is_terminal:
        for row in rows:
            row.truncate(console.width, overflow="ellipsis")
            console.print(row)
        return
    remaining = iter(rows)
    while some := list(islice(remaining, _ROWS)):
        common.emit_rows("".join(f"{row.plain}\n" for row in some))


def diff(
    run: Run,
    a: Annotated[str, typer.Argument(metavar="A", help="An attempt: its number, its commit, best or seed.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The attempt to compare with it.")],
    json: common.Json = False,
) -> None:
    """Show how two attempts differ: their scores and their programs.

    What B is against A, case by case: balance in points (hundredths), and speed where it surely differs.

    \b
    Examples:
    packsmith diff runs/quickstart seed best
    packsmith diff runs/quickstart 9 16 > change.diff
    """
    archive, task = open_run(run)
    with archive:
        one, other = archive.entry(a), archive.entry(b)
        names = (f"{one.number:06d}", f"{other.number:06d}")
        text = lineage_view.program_diff(archive.source(one.id), archive.source(other.id), names)
        if json:
            common.emit(jsonl.line(lineage_view.difference_record(one, other, task, text)))
            return
        console = common.output()
        console.print(lineage_view.difference_view(one, other, task))
    if not text:
        console.print("The programs are the same, to the byte.", markup=False)
    elif console.is_terminal:
        for line in text.split("\n")[:-1]:
            console.print(Text(visible(line.removesuffix("\r")), style=_STYLES.get(line[:1], "")), soft_wrap=True)
    else:
        common.emit_text(text)


def lineage(
    run: Run,
    id: Id = "best",
    patches: Annotated[
        Path | None,
        typer.Option(
            "--patches", metavar="DIR", help="Write the chain as patch files, and the seed program, into a new folder."
        ),
    ] = None,
    json: common.Json = False,
) -> None:
    """Show the chain of patches from the seed program to an attempt.

    For each patch: what it bought against the program before it, and what it cost. A crossover is in the chain of its
    first parent; the other one is named after a plus sign.

    With --patches the chain is written as files, which give the same bytes again when they are applied in order.

    \b
    Examples:
    packsmith lineage runs/quickstart
    packsmith lineage runs/quickstart 17 --patches series
    packsmith replay series/*.patch --onto series/seed.py -o child.py
    """
    archive, task = open_run(run)
    with archive:
        line = chain_to(archive.entry(id), archive.find, archive.root_id)
        written = None if patches is None else _write(patches, patch_series(line, archive.source, archive.reply))
    if json:
        for record in lineage_view.chain_records(line, task):
            common.emit(jsonl.line(record))
        return
    common.output().print(lineage_view.chain_view(line, task, archive.find))
    if patches is not None and written is not None:
        _say_written(patches, written)


def _write(folder: Path, series: PatchSeries) -> PatchSeries:
    with folders.made_whole(folder) as inside:
        (inside / SEED).write_bytes(series.seed)
        for file in series.patches:
            (inside / file.name).write_bytes(file.text)
    return series


def _say_written(folder: Path, series: PatchSeries) -> None:
    stored = sum(file.stored for file in series.patches)
    made = len(series.patches) - stored
    kinds = f"{stored} as they came" + (f", {made} made from the programs before and after" if made else "")
    where = shlex.quote(str(folder))
    common.messages().print(
        f"wrote {folder}: {SEED} and {len(series.patches)} patches, {kinds}. The same bytes again:\n"
        f"  packsmith replay {where}/*.patch --onto {where}/{SEED} -o child.py",
        markup=False,
    )
