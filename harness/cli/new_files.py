"""New files that a command writes atomically: whole, or not at all, and never over another.

Owns: when a name is free, and that the file appears all at once. Does not know: what is written, folders.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.cli.console import UserError


def check_free(file: Path) -> None:
    """Raises UserError if there is something of that name, or no folder to hold it."""
    if file.exists() or file.is_symlink():
        raise UserError(f"{file}: expected the name of a new file, found that it exists: name another or delete it")
    if not file.parent.is_dir():
        raise UserError(f"{file}: its folder {file.parent} does not exist: create it first")


@contextlib.contextmanager
def new_file(file: Path) -> Iterator[Path]:
    """A path of the same name in a folder of its own beside `file`, to write to; it becomes `file` when the block ends.

    If the block raises, nothing is left. Raises UserError if `file` exists, or comes to exist meanwhile.
    """
    check_free(file)
    folder = Path(tempfile.mkdtemp(prefix=f".{file.name}.", dir=file.parent))
    try:
        yield folder / file.name
        with (folder / file.name).open("rb") as written:
            os.fsync(written.fileno())
        try:
            os.link(folder / file.name, file)
        except FileExistsError:
            raise UserError(f"{file}: another process has written it meanwhile: name another") from None
        except OSError:  # a file system without hard links
            check_free(file)
            (folder / file.name).rename(file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
