"""Reading single files of Python distributions, from wheels or as they are installed, without importing or unpacking.

Owns: what makes a file a wheel, which project and version it is of, and the limits on what is read. Does not know: what
the files are for, tasks, programs. Nothing of a distribution is executed; a wheel may come from anywhere.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from evaluator.types import EvaluatorError

MAX_TEXT_BYTES = 2**20
"""The largest file that is read."""
MAX_INDEX_BYTES = 2**26
"""The largest index of a wheel: that of an engine with 10,000 files takes a few megabytes."""
_END = b"PK\5\6"
_END_BYTES, _COMMENT_BYTES, _BEYOND = 22, 65_535, 0xFFFFFFFF
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)
"""What `zipfile` raises for a damaged, encrypted or strangely compressed file."""


class Distribution(Protocol):
    """A project at one version. `place` says in words where it was found."""

    @property
    def project(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def place(self) -> str: ...

    def text(self, path: str) -> str | None:
        """A text file by its path, such as `package/module.py`; None if it does not exist. Raises EvaluatorError."""
        ...

    def like(self, word: str) -> list[str]:
        """The paths of Python files that contain a word, sorted."""
        ...


def _same_project(one: str, other: str) -> bool:
    """Names that differ in case or in `-`, `_` and `.` are one project's (the rule of the package index)."""
    return re.sub(r"[-_.]+", "-", one).lower() == re.sub(r"[-_.]+", "-", other).lower()


def _decoded(content: bytes, where: str) -> str:
    if len(content) > MAX_TEXT_BYTES:
        raise EvaluatorError(f"{where}: expected a text of at most {MAX_TEXT_BYTES:,} bytes, found more")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise EvaluatorError(f"{where}: byte {error.start} is not UTF-8; expected UTF-8 text") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel file. `names` are the paths of all its files."""

    path: Path
    project: str
    version: str
    names: frozenset[str]

    @property
    def place(self) -> str:
        return f"the wheel {self.path.name}"

    def text(self, path: str) -> str | None:
        return _member(self.path, path) if path in self.names else None

    def like(self, word: str) -> list[str]:
        return sorted(name for name in self.names if word in name and name.endswith(".py"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A project that is installed for this interpreter, its top package lying in `folder`."""

    project: str
    version: str
    folder: Path

    @property
    def place(self) -> str:
        return f"the installed package in {self.folder}"

    def text(self, path: str) -> str | None:
        file = self.folder.parent / path
        try:
            with file.open("rb") as stream:
                return _decoded(stream.read(MAX_TEXT_BYTES + 1), str(file))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise EvaluatorError(f"{file}: cannot read it: {error.strerror or error}") from None

    def like(self, word: str) -> list[str]:
        found = (file.relative_to(self.folder.parent).as_posix() for file in self.folder.rglob("*.py"))
        return sorted(name for name in found if word in name)


def wheel(path: Path) -> Wheel:
    """The wheel in a file. Raises EvaluatorError if it is not one, or cannot be read."""
    _check_index(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = frozenset(archive.namelist())
    except _UNREADABLE as error:
        raise _no_wheel(path, str(error)) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    stated = [name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
    if len(stated) != 1:
        raise _no_wheel(path, f"{len(stated)} files *.dist-info/METADATA in it")
    head = HeaderParser().parsestr(_member(path, stated[0]))
    project, version = (str(head.get(key) or "").strip() for key in ("Name", "Version"))
    if not all(re.fullmatch(r"[\w.!+-]{1,100}", word, re.ASCII) for word in (project, version)):
        raise _no_wheel(path, f"no Name and Version in {stated[0]}")
    return Wheel(path=path, project=project, version=version, names=names)


def _no_wheel(path: Path, found: str) -> EvaluatorError:
    return EvaluatorError(
        f"{path}: expected a wheel (`pip download --no-deps PROJECT==VERSION` gets one), found {found}"
    )


def _unreadable(path: Path, error: OSError) -> EvaluatorError:
    return EvaluatorError(f"{path}: cannot read it: {error.strerror or error}; expected a wheel")


def _check_index(path: Path) -> None:
    """Refuse a file whose index, which `zipfile` reads whole, is missing or huge. Raises EvaluatorError.

    The end record is that of the zip format: signature, counts, at byte 12 the index's size; then a comment.
    """
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _END_BYTES - _COMMENT_BYTES))
            tail = stream.read(_END_BYTES + _COMMENT_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from None
    at = tail.rfind(_END)
    if at < 0 or at + _END_BYTES > len(tail):
        raise _no_wheel(path, "a file that is no zip archive, or not whole")
    (index,) = struct.unpack_from("<I", tail, at + 12)
    if index == _BEYOND or b"PK\6\7" in tail[max(0, at - 20) : at]:
        raise _no_wheel(path, "an archive of the 64-bit form (beyond 4 GiB or 65,535 files)")
    if index > MAX_INDEX_BYTES:
        raise _no_wheel(path, f"an index of {index:,} bytes, beyond {MAX_INDEX_BYTES:,}")


def _member(path: Path, name: str) -> str:
    """A file of a wheel, at most `MAX_TEXT_BYTES` of it, whatever size the index states."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
            content = stream.read(MAX_TEXT_BYTES + 1)
    except _UNREADABLE as error:
        raise EvaluatorError(f"{path}: {name} in it cannot be read: {error}; download the wheel again") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    return _decoded(content, f"{path}: {name}")


def installed(project: str) -> Installed | None:
    """The project as this interpreter would import it, under a top package of the same name; None if it is not there.

    The package is found, not imported.
    """
    try:
        version = metadata.version(project)
        spec = find_spec(project)
    except (metadata.PackageNotFoundError, ValueError):
        return None
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Installed(project=project, version=version, folder=Path(places[0])) if places else None


def choose(project: str, wheels: Sequence[Wheel]) -> Distribution | None:
    """The wheel of a project, or else the installed one; None if there is neither.

    Raises EvaluatorError for two wheels of the project.
    """
    own = [wheel for wheel in wheels if _same_project(wheel.project, project)]
    if len(own) > 1:
        raise EvaluatorError(f"expected one wheel of {project}, found {' and '.join(str(each.path) for each in own)}")
    return own[0] if own else installed(project)
