"""What all commands share: where output goes, how a signal ends us, and reading and writing the user's files.

Owns: the two consoles, signals as exceptions, files named on the command line. Does not know: any one command.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer
from rich.console import Console

from evaluator import shipped
from harness.types import HarnessError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line instead of tables.")]


class UserError(HarnessError):
    """Something that the person at the command line can put right. Exit code 1."""


class OutputClosed(Exception):
    """Whoever read our standard output is gone."""


class Interrupted(BaseException):
    """A signal asks us to end; its notes say what is safe and how to go on."""

    def __init__(self, signal_: int) -> None:
        super().__init__(signal_)
        self.signal = signal_


class Interruptible:
    """While this is entered, an error met in cleaning up after a signal is that signal: it is raised in the error's
    place, with a note.
    """

    def __init__(self, note: Callable[[], str] | None = None) -> None:
        self._note = note

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        hidden = error
        while hidden is not None and not isinstance(hidden, Interrupted):
            hidden = hidden.__context__
        if hidden is None:
            return
        if self._note is not None:
            hidden.add_note(self._note())
        if hidden is not error:
            raise hidden from None


def catch_signals() -> None:
    """Turn Ctrl-C, a request to end and a closed terminal into `Interrupted`, where they are not ignored (`nohup`)."""

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


class _Output(Console):
    def on_broken_pipe(self) -> None:
        raise OutputClosed


def output() -> Console:
    """Standard output, for results. In a pipe or a file, lines are as long as they need to be."""
    terminal = sys.stdout.isatty()
    width = None if terminal or "COLUMNS" in os.environ else 120
    return _Output(highlight=False, soft_wrap=not terminal, width=width)


def messages() -> Console:
    """Standard error, for progress and errors."""
    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def emit(line: str) -> None:
    """One line of results on standard output, at once."""
    emit_text(line + "\n")


def emit_text(text: str) -> None:
    """Text on standard output as it is, in UTF-8 whatever the terminal says: a program stays the same program."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise OutputClosed from None


def emit_rows(rows: str) -> None:
    """Lines for people on standard output, many at once; a character that it has no place for is shown as `?`."""
    try:
        sys.stdout.write(rows)
        sys.stdout.flush()
    except BrokenPipeError:
        raise OutputClosed from None


def need_git() -> None:
    """Raises UserError where there is no git, which runs are kept in."""
    if shutil.which("git") is None:
        raise UserError("git was not found on the PATH, and a run is kept as a git repository: install git")


def read_program(path: str) -> str:
    """A program's source, byte-faithful line ends included. Shipped programs are found by name from any folder."""
    return _read(_find(path), "a program")


def read_reply(path: str) -> str:
    """The text of a patch file or of a model's reply; `-` is standard input."""
    if path == "-":
        return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    return _read(_find(path), "a patch or a reply", errors="surrogateescape")


def _find(path: str) -> Path:
    if Path(path).exists() or Path(path).is_absolute():
        return Path(path)
    try:
        return shipped(path)
    except FileNotFoundError:
        return Path(path)


def _read(path: Path, what: str, errors: str = "strict") -> str:
    try:
        return path.read_bytes().decode("utf-8", errors)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected {what}") from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder; expected {what}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8; expected {what} as UTF-8 text") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected {what}") from None


def write_program(path: Path, source: str) -> None:
    """Write a program's source as it is."""
    try:
        path.write_bytes(source.encode("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
