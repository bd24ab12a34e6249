"""Folders that a command makes: whole, or not at all.

Owns: when a folder is free, and how what is written into it appears there all at once. Does not know: what is written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.cli.common import UserError


def free(folder: Path) -> Path:
    """The folder's own path, if it is new or empty. Raises UserError."""
    path = folder.resolve()
    if path == Path.cwd() or path in Path.cwd().parents:
        raise UserError(f"{folder}: expected another folder than the one you are in: name a new one")
    if path.exists() and not path.is_dir():
        raise UserError(f"{folder}: expected a folder that is new or empty, found a file: name another")
    if path.is_dir() and any(path.iterdir()):
        raise UserError(f"{folder}: expected a folder that is new or empty, found files in it: name another")
    if not path.parent.is_dir():
        raise UserError(f"{folder}: there is no folder {folder.parent} to make it in")
    return path


@contextlib.contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to write into; when the block ends it takes that one's place, which is new or empty.

    Nothing is left of it where the block raises. Raises UserError.
    """
    path = free(folder)
    beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield beside
        beside.chmod(0o777 & ~_mask())
        try:
            os.rename(beside, path)  # noqa: PTH104 (`Path.rename` says nothing of folders)
        except OSError as error:
            raise UserError(f"{folder}: another process has put something there: {error.strerror}") from error
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _mask() -> int:
    """The user's mask of rights, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
