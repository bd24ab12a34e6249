"""Checkpoints of OpenEvolve and of SkyDiscover: a folder `programs` with one JSON file for each program.

Owns: the two layouts, as openevolve 0.4.1 (`openevolve/database.py`, `ProgramDatabase.save`) and skydiscover 0.1.0
(`skydiscover/search/utils/checkpoint_manager.py`) write them. Does not know: runs, how programs are judged.

A checkpoint holds only what the population kept, so all checkpoints of a folder are read, and a program counts as the
last one that holds it says. OpenEvolve records one parent and no inspirations; its copies of programs for other islands
(`metadata.migrant`) have the original as parent and the same text. SkyDiscover records the other programs of the prompt
as `other_context_ids`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.imports.files import listed, numbered, read_object
from harness.imports.foreign import (
    ForeignProgram,
    ImportProblem,
    Unordered,
    id_text,
    id_texts,
    label,
    place_of,
    program_text,
    prose,
    scores_of,
    shown,
    unique,
)

_PROGRAMS = "programs"


def read_openevolve(path: Path, component: str) -> Unordered:
    """The programs of a checkpoint of OpenEvolve, or of a folder of checkpoints. Raises ImportProblem."""
    _no_component(component)
    return _read(path, "openevolve", "code")


def read_skydiscover(path: Path, component: str) -> Unordered:
    """The programs of a checkpoint of SkyDiscover, or of a folder of checkpoints. Raises ImportProblem."""
    _no_component(component)
    return _read(path, "skydiscover", "solution")


def _no_component(component: str) -> None:
    if component:
        raise ImportProblem(f"--component {shown(component)}: only candidates of gepa have components; leave it out")


def _read(path: Path, framework: str, text_key: str) -> Unordered:
    found: dict[str, ForeignProgram] = {}
    for folder in _checkpoints(path, framework):
        here = unique(
            (_program(file, text_key) for file in listed(folder / _PROGRAMS, ".json") if not file.name.startswith(".")),
            str(folder),
        )
        for program in here:
            before = found.get(program.id)
            if before is not None and before.source != program.source:
                raise ImportProblem(
                    f"{folder}: the program {shown(program.id)} has another text than in an earlier checkpoint; "
                    f"expected checkpoints of one run: name a single one"
                )
            found[program.id] = program
    return Unordered(programs=unique(found.values(), str(path)))


def _checkpoints(path: Path, framework: str) -> Iterator[Path]:
    """The checkpoint folders under a path, oldest first. Raises ImportProblem if it has none."""
    if (path / _PROGRAMS).is_dir():
        yield path
        return
    for folder in (path, path / "checkpoints", path / "openevolve_output" / "checkpoints"):
        hits = [hit for _, hit in numbered(folder, "checkpoint")] if folder.is_dir() else []
        if hits := [hit for hit in hits if (hit / _PROGRAMS).is_dir()]:
            yield from hits
            return
    raise ImportProblem(
        f"{path}: expected a checkpoint of {framework} (a folder with {_PROGRAMS}/*.json), or a folder with "
        f"checkpoint_<number> folders, found neither"
    )


def _program(path: Path, text_key: str) -> ForeignProgram:
    where, record = str(path), read_object(path, "a program")
    if text_key not in record:
        other = "solution" if text_key == "code" else "code"
        hint = f"; its key {other!r} is that of the other of openevolve and skydiscover" if other in record else ""
        raise ImportProblem(f"{where}: expected a program with the key {text_key!r}, found none{hint}")
    metadata = record.get("metadata")
    details: Mapping[str, Any] = metadata if isinstance(metadata, dict) else {}
    parent = record.get("parent_id")
    scores, notes = scores_of(record.get("metrics"))
    changes = prose(details.get("changes"))
    return ForeignProgram(
        id=id_text(record.get("id"), where),
        source=program_text(record[text_key], where),
        parents=() if parent is None else (id_text(parent, where),),
        inspirations=id_texts(record.get("other_context_ids"), where),
        scores=scores,
        name=label(changes.partition("\n")[0]) or ("initial program" if parent is None else ""),
        description=changes if "\n" in changes else "",
        model=label(details.get("llm_model")),
        place=place_of(record.get("iteration_found"), record.get("timestamp")),
        notes=notes,
    )
