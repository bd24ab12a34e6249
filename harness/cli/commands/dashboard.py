"""`packsmith dashboard`: runs as a live page in a browser.

Owns: this verb: opening the runs, and printing the page's address. Does not know: what the page shows, how it is
secured.
"""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from harness.archive.feed import Feed
from harness.cli.answering import Verbs
from harness.cli.completing import run_folders
from harness.cli.console import UserError, emit, messages
from harness.cli.runs import ConfigOption, need_git, runs_here, task_of
from harness.report.progress import Waiting
from harness.text import one_line

if TYPE_CHECKING:
    from harness.page.run import Run, Subject

_MOST_RUNS, _LINE, _LISTED = 16, 300, 12
_READ_S = 1.5
"""Seconds that runs are read before the page's address is printed."""


def dashboard(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN...", help="Folders of runs, shown side by side.", autocompletion=run_folders),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", min=0, max=65535, help="The port; by default 8765 or the next free one."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in your browser.")] = False,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; any but this machine demands a token.")
    ] = "127.0.0.1",
    token: Annotated[
        bool, typer.Option("--token", help="Demand a token on this machine too, which others may share.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A further name by which the page is reached."),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Only show: no advice, stop or answers.")] = False,
    marks: Annotated[
        list[Path] | None,
        typer.Option("--marks", metavar="FILE", help="Draw the programs of `packsmith evaluate --json` as well."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Show runs as a live page in your browser.

    Use it to follow a search, to look at attempts and their diffs, and to advise, stop or answer tickets from the page.
    It works beside a running search and for finished runs; it changes nothing unless you do. Standard output is the
    page's address. Ctrl-C ends it.

    \b
    Examples:
    packsmith dashboard runs/mine --open
    packsmith dashboard runs/first runs/second --port 9000
    packsmith evaluate policy.py --json > marks.jsonl
    packsmith dashboard runs/mine --marks marks.jsonl

    From another machine, keep the page where it is and tunnel to it: ssh -L 8765:127.0.0.1:8765 MACHINE
    """
    from harness.page.app import Page
    from harness.page.serving import door_of, listen, serve

    need_git()
    runs = runs or _unnamed()
    with ExitStack() as stack:
        opened = stack.enter_context(_opened(runs, marks or ()))
        place = listen(host, port)
        stack.enter_context(closing(place.socket))
        door = door_of(place, token=token, names=frozenset(allow_host or ()), readonly=read_only)
        verbs = stack.enter_context(closing(Verbs(config)))
        url = place.url(door.token)
        emit(url)
        messages().print(f"shows {', '.join(map(str, runs))}; Ctrl-C ends it", style="dim", markup=False)
        if open_:
            # In a thread: a browser that runs in this terminal comes back when it ends.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        serve(Page(runs=opened, actions=verbs, door=door, version=metadata.version("packsmith")), place)


def _unnamed() -> NoReturn:
    """Tell somebody who named no run which ones there are. Raises BadParameter."""
    raise typer.BadParameter(_which(), param_hint="RUN...")


def _which() -> str:
    """The runs in and below the working folder, and how to name one."""
    found = [one_line(str(folder), _LINE) for folder in runs_here()]
    if not found:
        return "expected a run to show, found none here: packsmith search configs/quickstart.yaml starts one"
    more = f"\n  and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    listed = "".join(f"\n  {name}" for name in found[:_LISTED])
    return f"expected a run to show: packsmith dashboard {found[0]}\nThe runs here, newest first:{listed}{more}"


@contextmanager
def _opened(folders: Sequence[Path], marks: Sequence[Path]) -> Iterator[list[Run]]:
    """The runs, read. Raises UserError and HarnessError."""
    from harness.page.marks import read_marks
    from harness.page.run import Subject

    if len(folders) > _MOST_RUNS:
        raise UserError(f"expected at most {_MOST_RUNS} runs, found {len(folders)}")
    drawn = [mark for file in marks for mark in read_marks(file)]
    opened: list[Run] = []
    with ExitStack() as stack:
        with Waiting(messages()) as waiting:
            for folder, name in zip(folders, _names(folders), strict=True):
                waiting.say(f"reading {folder}")
                feed = Feed(folder)
                stack.callback(feed.close)
                subject = Subject(folder=folder, name=name, task=task_of(feed.config, folder), marks=drawn)
                run = _run(subject, feed, len(opened))
                stack.callback(run.close)
                run.poll(for_s=_READ_S / len(folders))  # the rest is read while the page is open
                if run.problem:
                    raise UserError(run.problem)
                opened.append(run)
        yield opened


def _run(subject: Subject, feed: Feed, place: int) -> Run:
    """A run to be followed. Raises UserError if no search wrote its config."""
    from harness.page.run import Run

    try:
        return Run(subject, feed, place)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{subject.folder}: expected the config of a search in the root commit, found one that packsmith did not "
            f"write: {one_line(str(error), _LINE)}"
        ) from error


def _names(folders: Sequence[Path]) -> list[str]:
    """A short name for each folder, no two equal."""
    names: list[str] = []
    for folder in folders:
        name = folder.resolve().name or "run"
        taken = sum(known == name or known.rpartition("-")[0] == name for known in names)
        names.append(f"{name}-{taken + 1}" if taken else name)
    return names
