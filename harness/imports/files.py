"""Files of foreign archives, read with limits and without following links, which may lead out of the archive.

Owns: how much is read, and the errors about files. Does not know: any framework's layout.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.imports.foreign import MOST_PROGRAM, ImportProblem, shown

MOST_JSON = 64_000_000
"""Bytes of a JSON file: programs are stored with prompts and embeddings."""
_MOST_FILES = 200_000


def read_bytes(path: Path, most: int, what: str) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises ImportProblem, which calls it `what`."""
    try:
        if path.is_symlink():
            raise ImportProblem(f"{path}: a symbolic link, which may lead out of the archive; expected {what}")
        if not path.is_file():
            raise ImportProblem(f"{path}: expected {what}, found {'a folder' if path.is_dir() else 'no such file'}")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise ImportProblem(f"{path}: cannot read it: {error.strerror or error}; expected {what}") from error
    if len(data) > most:
        raise ImportProblem(f"{path}: more than {most:,} bytes; expected {what} of at most that")
    return data


def read_json(path: Path, what: str) -> Any:
    """The value of a JSON file. Raises ImportProblem."""
    data = read_bytes(path, MOST_JSON, what)
    try:
        return json.loads(data)
    except RecursionError:
        raise ImportProblem(f"{path}: expected {what} as JSON, found values nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, an integer of too many digits
        raise ImportProblem(
            f"{path}: expected {what} as JSON, found {len(data):,} other bytes: {shown(str(error))}"
        ) from None


def read_object(path: Path, what: str) -> dict[str, Any]:
    """The object of a JSON file. Raises ImportProblem."""
    value = read_json(path, what)
    if not isinstance(value, dict):
        raise ImportProblem(f"{path}: expected {what} as a JSON object, found {shown(value)}")
    return value


def read_program(path: Path) -> str:
    """The text of a program's file. Raises ImportProblem."""
    data = read_bytes(path, MOST_PROGRAM, "a program")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ImportProblem(f"{path}: byte {error.start} is not UTF-8; expected a program") from None


def numbered(folder: Path, stem: str) -> list[tuple[int, Path]]:
    """The folders `<stem>_<number>` in a folder, by number."""
    pattern = re.compile(rf"{re.escape(stem)}_(\d{{1,9}})")
    hits = ((pattern.fullmatch(path.name), path) for path in listed(folder))
    return sorted((int(hit[1]), path) for hit, path in hits if hit and path.is_dir() and not path.is_symlink())


def listed(folder: Path, suffix: str = "") -> Iterator[Path]:
    """What a folder holds, by name. Raises ImportProblem if it cannot be listed, or holds far too much."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.endswith(suffix))
    except OSError as error:
        raise ImportProblem(f"{folder}: cannot list it: {error.strerror or error}") from error
    if len(paths) > _MOST_FILES:
        raise ImportProblem(f"{folder}: {len(paths):,} files; expected at most {_MOST_FILES:,}")
    yield from paths
