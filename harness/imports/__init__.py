"""Archives of other frameworks, read as programs with lineage and claims.

Owns: which frameworks can be read, and the one function that reads them. Does not know: runs, judges, what becomes of
the programs. Nothing that is read is ever executed or unpickled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from harness.imports import checkpoints, gepa, shinka
from harness.imports.foreign import ForeignArchive, ForeignProgram, ImportProblem, Unordered
from harness.imports.lineage import in_order

__all__ = ["IMPORTERS", "ForeignArchive", "ForeignProgram", "ImportProblem", "read_archive"]

IMPORTERS: Mapping[str, Callable[[Path, str], Unordered]] = MappingProxyType(
    {
        "openevolve": checkpoints.read_openevolve,
        "shinka": shinka.read,
        "skydiscover": checkpoints.read_skydiscover,
        "gepa": gepa.read,
    }
)
"""Each takes a folder or a file, and the name of the component that is the program where a candidate has several."""


def read_archive(framework: str, path: Path, component: str = "") -> ForeignArchive:
    """The programs of another framework's archive, every parent before its children. Raises ImportProblem."""
    if not path.exists():
        raise ImportProblem(f"{path}: no such file or folder; expected an archive of {framework}")
    found = IMPORTERS[framework](path.resolve() if path.is_symlink() else path, component)
    if not found.programs:
        raise ImportProblem(f"{path}: expected an archive of {framework}, found one without programs")
    programs = in_order(found.programs, str(path))
    return ForeignArchive(framework=framework, programs=programs, notes=found.notes)
