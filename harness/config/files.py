"""The files that a config names: their paths, and their content hashes.

Owns: how a path in a config is looked up, and the portable identity of a file.
Does not know: what the files are for.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluator.shipped import shipped
from harness.config.document import ConfigError

PATCH_SUFFIXES = (".patch", ".txt", ".md")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that a config names, or a folder of measured loads. `name` is the path as written (of an absolute path
    only the last part); `sha256` is that of the content, of a folder that of its files' names and contents.
    """

    name: str
    path: Path
    sha256: str

    def identity(self) -> dict[str, str]:
        """The portable identity that is stored: nothing specific to this machine."""
        return {"file": self.name, "sha256": self.sha256}

    def text(self) -> str:
        """The content, line ends unchanged. Raises ConfigError if it is not UTF-8 or cannot be read."""
        try:
            return self.path.read_bytes().decode()
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot read it: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{self.path}: byte {error.start} is not UTF-8; expected UTF-8 text") from error


def _shipped(written: str) -> Path | None:
    if Path(written).is_absolute() or ".." in Path(written).parts:
        return None
    try:
        return shipped(written)
    except FileNotFoundError:
        return None


def _identified(written: str, path: Path, where: str) -> File:
    try:
        digest = _folder_digest(path) if path.is_dir() else _digest(path)
    except OSError as error:
        raise ConfigError(f"{where}: {written}: cannot read {path}: {error.strerror or error}") from error
    return File(name=path.name if Path(written).is_absolute() else written, path=path, sha256=digest)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _folder_digest(folder: Path) -> str:
    """Of the files directly in a folder, without those whose names begin with a dot."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    lines = "".join(f"{_digest(path)} {path.name}\n" for path in files)
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()


def find(written: str, folder: Path, where: str, *, or_folder: bool = False) -> File:
    """The file that a config in `folder` calls `written`: relative to the config, else shipped. With `or_folder` it may
    also be a folder of files. Raises ConfigError.
    """
    beside = folder / written
    path = beside if beside.exists() else _shipped(written)
    if path is None:
        raise ConfigError(
            f"{where}: no such file: {written} (looked beside the config, as {beside}, and among the shipped files)"
        )
    if not path.is_file() and not (or_folder and path.is_dir()):
        raise ConfigError(f"{where}: expected a file, found something else at {path}")
    return _identified(written, path, where)


def _expanded(written: str, folder: Path) -> list[tuple[str, Path]]:
    """The files that a path, a folder or a glob matches under one folder, sorted, each with its name relative to it."""
    paths: list[tuple[str, Path]] = []
    for hit in sorted(glob.glob(written, root_dir=folder)):  # noqa: PTH207 - Path.glob takes no absolute pattern
        path = folder / hit
        if path.is_dir():
            held = sorted(inner for inner in path.iterdir() if inner.suffix in PATCH_SUFFIXES and inner.is_file())
            paths.extend((f"{hit.rstrip('/')}/{inner.name}", inner) for inner in held)
        else:
            paths.append((hit, path))
    return paths


def find_all(written: Sequence[str], folder: Path, where: str) -> tuple[File, ...]:
    """The files of several paths, folders and globs, in their order, each once. Raises ConfigError for one that matches
    nothing.
    """
    files: dict[Path, File] = {}
    for entry in written:
        hits = _expanded(entry, folder)
        if not hits and not Path(entry).is_absolute() and ".." not in Path(entry).parts:
            hits = _expanded(entry, shipped("programs").parent)
        if not hits:
            raise ConfigError(
                f"{where}: {entry} matches no file (expected a file, a glob, or a folder of *.patch files)"
            )
        for name, path in hits:
            files.setdefault(path.resolve(), _identified(name, path, where))
    return tuple(files.values())
