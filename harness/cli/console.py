"""The two streams of the command: standard output for results, standard error for progress and errors.

Owns: both consoles, how results are written, the options `--json` and `--plain`, and the error a user can fix. Does
not know: any one command, what is written.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from harness.text import visible
from harness.types import HarnessError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line instead of tables.")]
Plain = Annotated[
    bool,
    typer.Option("--plain", help="Print lines only, also on a terminal: no colours, no panel."),
]
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


class UserError(HarnessError):
    """The user can fix it. Exit code 1."""


class OutputClosed(Exception):
    """The reader of our standard output is gone."""


class _Output(Console):
    def on_broken_pipe(self) -> None:
        raise OutputClosed


def output(*, plain: bool = False) -> Console:
    """Standard output, for results. In a pipe or a file no line is wrapped. `plain`: as if it was no terminal, but in
    its width.
    """
    terminal = sys.stdout.isatty()
    width = None if terminal or "COLUMNS" in os.environ else 120
    return _Output(highlight=False, soft_wrap=not terminal, width=width, force_terminal=False if plain else None)


def messages(*, plain: bool = False) -> Console:
    """Standard error, for progress and errors. `plain`: as if it was no terminal."""
    forced = False if plain else None
    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty(), force_terminal=forced)


def warn(text: str) -> None:
    """Print a warning on standard error."""
    messages().print(f"warning: {text}", style="yellow", markup=False)


def emit(line: str) -> None:
    """Write one line of results to standard output, and flush it."""
    emit_text(line + "\n")


def emit_text(text: str) -> None:
    """Write text to standard output as it is, in UTF-8 whatever the locale: a program keeps its bytes."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise OutputClosed from None


def emit_rows(rows: str) -> None:
    """Write many lines for people to standard output at once; a character the terminal lacks is shown as `?`."""
    try:
        sys.stdout.write(rows)
        sys.stdout.flush()
    except BrokenPipeError:
        raise OutputClosed from None


def print_diff_line(line: str) -> None:
    """Print one line of a unified diff on standard output: coloured, and safe for a terminal."""
    output().print(Text(visible(line.removesuffix("\r")), style=_DIFF_STYLES.get(line[:1], "")), soft_wrap=True)


def counted(attempts: int) -> str:
    """A number of attempts, as people read it: `1 attempt`, `1,200 attempts`."""
    return "1 attempt" if attempts == 1 else f"{attempts:,} attempts"
