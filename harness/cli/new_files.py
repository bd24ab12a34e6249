"""Files that a command writes atomically: whole, or not at all, and over another only where the user says so.

Owns: when a name is free, and that the file appears all at once. Does not know: what is written, folders.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.cli.console import UserError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def check_free(file: Path, *, force: bool | None = None) -> None:
    """Raises UserError if there is something of that name, or no folder to hold it. `force`: what the command's
    `--force` says, True for a file that may be replaced; None if it has no such option.
    """
    if not force and (file.exists() or file.is_symlink()):
        instead = "delete it" if force is None else "replace it with --force"
        raise UserError(f"{file}: expected the name of a new file, found that it exists: name another or {instead}")
    if file.is_dir():
        raise UserError(f"{file}: expected the name of a file, found a folder: name another")
    if not file.parent.is_dir():
        raise UserError(f"{file}: its folder {file.parent} does not exist: create it first")


@contextlib.contextmanager
def new_file(file: Path, *, force: bool | None = None) -> Iterator[Path]:
    """A path of the same name in a folder of its own beside `file`, to write to; it becomes `file` when the block ends.

    If the block raises, nothing is left, and what was there stays. Raises UserError if `file` is not free, or comes to
    exist meanwhile, or cannot be written.
    """
    check_free(file, force=force)
    with _told(file):
        folder = Path(tempfile.mkdtemp(prefix=f".{file.name}.", dir=file.parent))
    try:
        yield folder / file.name
        with _told(file):
            _put(folder / file.name, file, force=force)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise UserError(f"{file}: cannot be written: {os.strerror(error.errno)}; nothing is left of it") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_whole(file: Path, content: bytes, *, force: bool | None = None) -> None:
    """Write a file at once. Raises UserError as `new_file` does."""
    with new_file(file, force=force) as beside, _told(file):
        beside.write_bytes(content)


def _put(written: Path, file: Path, *, force: bool | None) -> None:
    with written.open("rb") as content:
        os.fsync(content.fileno())
    if force:
        written.replace(file)
        return
    try:
        os.link(written, file)
    except FileExistsError:
        raise UserError(f"{file}: another process has written it meanwhile: name another") from None
    except OSError:  # a file system without hard links
        check_free(file, force=force)
        written.rename(file)


@contextlib.contextmanager
def _told(file: Path) -> Iterator[None]:
    """What the system refuses, as an error about the file."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{file}: cannot be written: {error.strerror}") from None
