"""Recorded expert loads: reading them from files into windows.

Owns: the file formats by their extensions, the limits of a trace, which layers are dropped, and errors about bad files.
Does not know: cases, plans, scores. Never imports torch: a short-lived child process reads `.pt` files.

Formats, by extension:
- `.json`, `{"load_history": [{"logical_expert_load": [[..E] x L]}, ...]}`: one entry per step (ADRS).
- `.json`, `{"logical_count": [L][E]}` or `[T][L][E]`: the SGLang recorder's counts as JSON.
- `.pt`: what the SGLang recorder writes, loaded weights-only; see `recorder`. A folder of them is one trace.
- A folder with `meta_info.json` and `rankR.safetensors`: TensorRT-LLM's statistics; see `expert_statistics`.
- `.npy`, an array `[T, L, E]` or `[L, E]`.

Shapes: T windows or steps, L layers, E experts.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.tasks.eplb import expert_statistics, recorder
from evaluator.tasks.eplb.steps import (
    MAX_VALUES,
    Floats,
    Steps,
    Windowed,
    check_loads,
    keys,
    layers_experts,
    shortened,
    windowed,
    with_time,
)
from evaluator.types import WorkloadError

ADRS_STEPS_PER_WINDOW = 100
MAX_BYTES = 2**29
MAX_PT_BYTES = 2**33
"""Dumps of single tokens are large; the child process maps them into memory and sends their counts only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Windows, float64 `[T, L, E]`; each layer has load in at least one. `notes` say what was dropped or summed.

    `rows` are the numbers `[L]` that these layers have among those `recorded`, from 0: the others are without load.
    """

    loads: Floats
    rows: tuple[int, ...]
    recorded: int
    notes: tuple[str, ...] = ()


def read_traces(paths: Sequence[Path], *, steps_per_window: int | None = None) -> Trace:
    """The windows of files and folders, in the given order, as one sequence; all must agree in layers and experts.

    `steps_per_window` steps are summed into one window. The default is 100 for ADRS files, whose entries are single
    steps; for counts of the SGLang recorder, whose rows are forward passes, a number that makes 6 to 16 windows of more
    than 16 passes, and 1 for fewer; and 1 for `.npy`. An incomplete last window is dropped, unless it is the only one
    of its file or folder. Forward passes without load are left out, and layers without load in every window are
    dropped. `.pt` files of single ranks that follow each other are one recording. Raises WorkloadError.
    """
    loads: list[Floats] = []
    notes: list[str] = []
    for part in read_windowed(paths, steps_per_window):
        notes.extend(part.notes)
        loads.append(part.windows)
        if sum(each.size for each in loads) > MAX_VALUES:
            raise WorkloadError(
                f"expected at most {MAX_VALUES} loads in all files: give fewer, or sum more steps into a window"
            )
    return _drop_empty_layers(np.concatenate(loads), notes)


def read_windowed(paths: Sequence[Path], steps_per_window: int | None) -> Iterator[Windowed]:
    """The windows of each source with their steps, in order, one source at a time in memory; see `read_traces`. All
    have the layers and experts of the first, layers without load included. Raises WorkloadError.
    """
    if not paths:
        raise WorkloadError("expected at least one trace file, found none")
    if steps_per_window is not None and steps_per_window < 1:
        raise WorkloadError(f"expected steps_per_window to be at least 1, found {steps_per_window}")
    first: tuple[int, ...] | None = None
    for steps in _all_steps(paths):
        if first is not None and steps.loads.shape[1:] != first:
            raise WorkloadError(
                f"{steps.where}: expected {first[0]} layers x {first[1]} experts as in {paths[0]}, found "
                f"{layers_experts(steps.loads)}"
            )
        first = steps.loads.shape[1:]
        yield windowed(steps, steps_per_window)


def _all_steps(paths: Sequence[Path]) -> Iterator[Steps]:
    for kind, group in itertools.groupby(paths, _kind):
        these = list(group)
        try:
            if kind == "folder":
                yield from map(_read_folder, these)
            elif kind == ".pt":
                for path in these:
                    _check_file(path, MAX_PT_BYTES)
                yield from recorder.read_files(these, these[0])
            else:
                yield from map(_read_file, these)
        except OSError as error:
            raise WorkloadError(f"{error.filename or these[0]}: cannot be read: {error.strerror or error}") from error


def _kind(path: Path) -> str:
    return "folder" if path.is_dir() else path.suffix.lower()


def _read_folder(folder: Path) -> Steps:
    if (folder / expert_statistics.META).is_file():
        of_ranks = expert_statistics.folder_files(folder)
        for file in of_ranks:
            _check_file(file, MAX_PT_BYTES)
        return expert_statistics.read_folder(folder, of_ranks)
    files, notes = recorder.folder_files(folder)
    for file in files:
        _check_file(file, MAX_PT_BYTES)
    return recorder.read_folder(folder, files, notes)


def _read_file(path: Path) -> Steps:
    readers = {".json": _read_json, ".npy": _read_npy}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise WorkloadError(
            f"{path}: expected a trace file ending in .json, .pt, .npy, or a folder of a recorder, "
            f"found {path.suffix or 'no extension'}"
        )
    _check_file(path, MAX_BYTES)
    steps = reader(path)
    check_loads(steps.loads, str(path))
    return steps


def _check_file(path: Path, most: int) -> None:
    size = path.stat().st_size
    if not path.is_file():
        raise WorkloadError(f"{path}: expected a trace file, found something that is not a file")
    if size == 0:
        raise WorkloadError(f"{path}: expected a trace, found an empty file")
    if size > most:
        raise WorkloadError(f"{path}: expected a trace of at most {most} bytes, found {size}: split it")


def _read_json(path: Path) -> Steps:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise WorkloadError(f"{path}: expected JSON, but it does not parse: {error}") from error
    if isinstance(content, dict) and "load_history" in content:
        loads = _adrs_steps(content["load_history"], path)
        return Steps(where=path, loads=loads, per_window=ADRS_STEPS_PER_WINDOW)
    if isinstance(content, dict) and "logical_count" in content:
        loads = with_time(_numbers(content["logical_count"], f"{path}: logical_count"), path)
        loads, notes = recorder.in_order(loads, path)
        return Steps(where=path, loads=loads, per_window=None, notes=notes)
    actual = keys(content) if isinstance(content, dict) else type(content).__name__
    raise WorkloadError(f"{path}: expected an object with load_history or logical_count, found {actual}")


def _adrs_steps(history: Any, path: Path) -> Floats:
    if not isinstance(history, list) or not history:
        raise WorkloadError(f"{path}: expected load_history to be a list of steps, at least one")
    steps: list[Floats] = []
    for index, entry in enumerate(history):
        where = f"{path}: load_history[{index}]"
        if not isinstance(entry, dict) or "logical_expert_load" not in entry:
            raise WorkloadError(f"{where}: expected an object with logical_expert_load")
        step = _numbers(entry["logical_expert_load"], where)
        if step.ndim != 2 or (steps and step.shape != steps[0].shape):
            like = f"{layers_experts(steps[0])} as in the first step" if steps else "[layers, experts]"
            raise WorkloadError(f"{where}: expected {like}, found the shape {list(step.shape)}")
        steps.append(step)
    return np.stack(steps)


def _read_npy(path: Path) -> Steps:
    try:
        # We map the file instead of reading it: a header that claims more than the file holds then fails before any
        # memory is allocated.
        mapped = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, TypeError, OverflowError, EOFError) as error:
        raise WorkloadError(f"{path}: expected a numeric .npy array: {error}") from error
    return Steps(where=path, loads=with_time(_numbers(mapped, str(path)), path), per_window=1)


def _numbers(content: Any, where: str) -> Floats:
    try:
        array = np.asarray(content)
    except ValueError as error:
        raise WorkloadError(f"{where}: expected rows of equal length, found a ragged list") from error
    if array.dtype.kind not in "iuf":
        raise WorkloadError(f"{where}: expected numbers, found something else (dtype {array.dtype})")
    if array.size > MAX_VALUES:
        raise WorkloadError(f"{where}: expected at most {MAX_VALUES} loads, found {array.size}: split the file")
    return array.astype(np.float64)


def _drop_empty_layers(loads: Floats, notes: list[str]) -> Trace:
    loaded_L = np.asarray(loads.any(axis=(0, 2)))
    if not loaded_L.any():
        raise WorkloadError("expected some load in the trace, found only zeros")
    if not loaded_L.all():
        empty = np.flatnonzero(~loaded_L)
        listed = shortened(empty, len(empty))
        notes = [*notes, f"dropped {len(empty)} of {len(loaded_L)} layers, zero in every window: {listed}"]
    kept = np.ascontiguousarray(loads[:, loaded_L])
    idle = np.flatnonzero(~kept.any(axis=(1, 2)))
    if idle.size:
        notes = [
            *notes,
            f"windows without any load, whose balance is 1 under every plan: {shortened(idle, len(idle))}",
        ]
    kept.setflags(write=False)
    rows = tuple(map(int, np.flatnonzero(loaded_L)))
    return Trace(loads=kept, rows=rows, recorded=len(loaded_L), notes=tuple(notes))
