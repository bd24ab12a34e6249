"""Folders that a command writes atomically: whole, or not at all.

Owns: when a folder is free, and that its files appear all at once. Does not know: what is written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import UserError

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is new or empty.")]


def free(folder: Path) -> Path:
    """The absolute path of a folder that is new or empty. Raises UserError."""
    path = folder.resolve()
    if path == Path.cwd() or path in Path.cwd().parents:
        raise UserError(f"{folder}: expected a folder other than the working folder: name a new one")
    if path.exists() and not path.is_dir():
        raise UserError(f"{folder}: expected a folder that is new or empty, found a file: name another")
    if path.is_dir() and any(path.iterdir()):
        raise UserError(f"{folder}: expected a folder that is new or empty, found files in it: name another")
    if not path.parent.is_dir():
        raise UserError(f"{folder}: its parent folder {folder.parent} does not exist: create it first")
    return path


@contextlib.contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to write into; it is renamed to `folder` when the block ends.

    If the block raises, it is deleted. Raises UserError if `folder` is not new or empty.
    """
    path = free(folder)
    beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield beside
        beside.chmod(0o777 & ~_mask())
        try:
            os.rename(beside, path)  # noqa: PTH104 (`Path.rename` does not document folders)
        except OSError as error:
            raise UserError(f"{folder}: another process has written to it: {error.strerror}") from error
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _mask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
