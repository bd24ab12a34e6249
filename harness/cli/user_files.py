"""The files that a user names on the command line.

Owns: finding, reading and writing them, and the errors about them. Does not know: any one command, folders.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from evaluator import shipped
from harness.cli.console import UserError
from harness.identity import program_id


def read_program(path: str) -> str:
    """Read a program's source, line ends unchanged. A shipped program is found by its name from any folder."""
    return _read(_find(path), "a program")


def read_reply(path: str) -> str:
    """Read the text of a patch file or of a model's reply; `-` is standard input."""
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
    """Write a program's source, line ends unchanged. Raises UserError."""
    try:
        path.write_bytes(source.encode("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def check_replaceable(path: Path, archived: Callable[[str], bool]) -> None:
    """Raises UserError if there is a file of this name whose text is no program of the run, such as one that somebody
    is editing. `archived`: whether the run has a program, by its `program_id`.
    """
    try:
        there = path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return  # it is not there, or writing says why not
    if there and not archived(program_id(there)):
        raise UserError(
            f"{path}: expected a new name, or a file with a program of this run, found another text, which would be "
            f"lost: name another, or delete it"
        )
