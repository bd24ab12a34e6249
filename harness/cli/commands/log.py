"""`packsmith log`: the attempts of a run, as a list or as a graph.

Owns: this verb. Does not know: how a graph is drawn, how a row is laid out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from evaluator import Task
from harness.archive import Archive
from harness.cli.console import Json, emit, emit_rows, messages, output
from harness.cli.runs import OpenRun, RunFolder, open_run
from harness.git.viewing import graph as graph_of
from harness.report import attempts, graph_view, jsonl
from harness.types import Entry

_ROWS = 1000


def log(
    run: RunFolder,
    graph: Annotated[
        bool, typer.Option("--graph", help="Show which attempt was made from which, newest first.")
    ] = False,
    last: Annotated[int | None, typer.Option("--last", metavar="N", min=1, help="Only the N newest.")] = None,
    scored: Annotated[bool, typer.Option("--scored", help="Only attempts with a score.")] = False,
    json: Json = False,
) -> None:
    """List a run's attempts, oldest first, or as a graph.

    Use it to follow a search, or to read the scores of all attempts into another program with --json.

    \b
    Examples:
    packsmith log runs/mine --last 20
    packsmith log runs/mine --graph
    packsmith log runs/mine --scored --json
    """
    if graph and json:
        raise typer.BadParameter("expected --graph or --json, found both: --json names the parents of each attempt")
    with open_run(run) as opened:
        archive, task = opened.archive, opened.task
        listed = [entry for entry in archive.entries if entry.scored is not None or not scored]
        shown = listed if last is None else listed[-last:]
        if json:
            for entry in shown:
                emit(jsonl.line(jsonl.entry_record(entry, task=task, device=str(archive.config["device"]))))
            return
        rows = _graph(opened, task, shown) if graph else _rows(archive, task, shown)
        _print(rows)
    reference = Path(archive.config["judge"]["reference"]["file"]).name
    messages().print(attempts.legend(reference), style="dim", markup=False)


def _rows(archive: Archive, task: Task, shown: Sequence[Entry]) -> Iterator[Text]:
    width = output().width
    yield Text(attempts.heading(task), style="bold")
    for entry in shown:
        yield attempts.row(entry, archive.find, width)


def _graph(opened: OpenRun, task: Task, shown: Sequence[Entry]) -> Iterator[Text]:
    """The attempts beside git's drawing of them, newest first; their older ancestors are left out."""
    if not shown:
        return
    archive = opened.archive
    first = shown[0].number
    parents = {parent for entry in shown for parent in entry.parents}
    before = {id_ for id_ in parents if (parent := archive.find(id_)) is not None and parent.number < first}
    drawn = graph_of(archive.path, [entry.id for entry in reversed(shown)], before)
    view = graph_view.graph_view(opened.standing(), archive.find, drawn.width)
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
    """Print rows, cut at the width of a terminal. To a pipe or file many are written at once: a run may have 100,000
    of them.
    """
    console = output()
    if console.is_terminal:
        for row in rows:
            row.truncate(console.width, overflow="ellipsis")
            console.print(row)
        return
    remaining = iter(rows)
    while some := list(islice(remaining, _ROWS)):
        emit_rows("".join(f"{row.plain}\n" for row in some))
