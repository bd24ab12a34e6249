"""Recorded expert loads: reading them from files into windows.

Owns: the file formats, how steps are summed into windows, which layers are dropped, and the errors about bad files.
Does not know: cases, plans, scores. Never imports torch: a short-lived child process reads `.pt` files.

Formats, by extension:
- `.json`, `{"load_history": [{"logical_expert_load": [[..E] x L]}, ...]}`: one entry per step (ADRS).
- `.json`, `{"logical_count": [L][E]}` or `[T][L][E]`: the SGLang recorder's counts as JSON.
- `.pt`, a dict with the tensor `logical_count`, `[L, E]` or `[T, L, E]`: the recorder's own file, loaded
  weights-only.
- `.npy`, an array `[T, L, E]` or `[L, E]`.

Shapes: T windows, L layers, E experts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb.torch_files import load_pt_counts
from evaluator.types import WorkloadError

Floats = NDArray[np.float64]

ADRS_STEPS_PER_WINDOW = 100
MAX_BYTES = 2**29
MAX_VALUES = 2**26
MAX_LOAD = 1e30
"""Far above any token count, and so far below float32's maximum that a solver's sums stay finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Windows, float64 `[T, L, E]`; each layer has load in at least one. `notes` say what was dropped or summed."""

    loads: Floats
    notes: tuple[str, ...] = ()


def read_traces(paths: Sequence[Path], *, steps_per_window: int | None = None) -> Trace:
    """The windows of the files, in the given order, as one sequence; all files must agree in layers and experts.

    `steps_per_window` steps of a file are summed into one window; the default is 100 for ADRS files, whose entries are
    single steps, and 1 for the others. An incomplete last window is dropped, unless it is the file's only one. Layers
    without load in every window are dropped. Raises WorkloadError.
    """
    if not paths:
        raise WorkloadError("expected at least one trace file, found none")
    if steps_per_window is not None and steps_per_window < 1:
        raise WorkloadError(f"expected steps_per_window to be at least 1, found {steps_per_window}")
    windows: list[Floats] = []
    notes: list[str] = []
    for path in paths:
        steps, default_steps = _read_steps(path)
        _check_loads(steps, path)
        loads, note = _sum_steps(steps, steps_per_window or default_steps, path)
        notes.extend(note)
        if windows and loads.shape[1:] != windows[0].shape[1:]:
            raise WorkloadError(
                f"{path}: expected {_layers_experts(windows[0])} as in {paths[0]}, found {_layers_experts(loads)}"
            )
        windows.append(loads)
    if sum(loads.size for loads in windows) > MAX_VALUES:
        raise WorkloadError(
            f"expected at most {MAX_VALUES} loads in all files: give fewer, or sum more steps into a window"
        )
    return _drop_empty_layers(np.concatenate(windows), notes)


def _read_steps(path: Path) -> tuple[Floats, int]:
    """A file's loads `[T, L, E]`, and the default number of its steps per window."""
    readers = {".json": _read_json, ".pt": _read_pt, ".npy": _read_npy}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise WorkloadError(
            f"{path}: expected a trace file ending in {', '.join(readers)}, found {path.suffix or 'no extension'}"
        )
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise WorkloadError(f"{path}: expected a trace file, found something that is not a file")
        if size == 0:
            raise WorkloadError(f"{path}: expected a trace, found an empty file")
        if size > MAX_BYTES:
            raise WorkloadError(f"{path}: expected a trace of at most {MAX_BYTES} bytes, found {size}: split it")
        return reader(path)
    except OSError as error:
        raise WorkloadError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read_json(path: Path) -> tuple[Floats, int]:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise WorkloadError(f"{path}: expected JSON, but it does not parse: {error}") from error
    if isinstance(content, dict) and "load_history" in content:
        return _adrs_steps(content["load_history"], path), ADRS_STEPS_PER_WINDOW
    if isinstance(content, dict) and "logical_count" in content:
        return _with_time(_numbers(content["logical_count"], f"{path}: logical_count"), path), 1
    actual = f"keys {', '.join(sorted(map(str, content))[:5])}" if isinstance(content, dict) else type(content).__name__
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
            like = f"{_layers_experts(steps[0])} as in the first step" if steps else "[layers, experts]"
            raise WorkloadError(f"{where}: expected {like}, found the shape {list(step.shape)}")
        steps.append(step)
    return np.stack(steps)


def _read_pt(path: Path) -> tuple[Floats, int]:
    return _with_time(load_pt_counts(path, MAX_VALUES), path), 1


def _read_npy(path: Path) -> tuple[Floats, int]:
    try:
        # We map the file instead of reading it: a header that claims more than the file holds then fails before any
        # memory is allocated.
        mapped = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, TypeError, OverflowError, EOFError) as error:
        raise WorkloadError(f"{path}: expected a numeric .npy array: {error}") from error
    return _with_time(_numbers(mapped, str(path)), path), 1


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


def _with_time(array: Floats, path: Path) -> Floats:
    if array.ndim not in (2, 3) or array.size == 0:
        raise WorkloadError(
            f"{path}: expected [layers, experts] or [windows, layers, experts], found the shape {list(array.shape)}"
        )
    return array if array.ndim == 3 else array[None]


def _check_loads(loads: Floats, path: Path) -> None:
    if loads.size == 0:
        raise WorkloadError(f"{path}: expected at least one layer and one expert, found the shape {list(loads.shape)}")
    for problem, wrong in (
        ("finite loads", ~np.isfinite(loads)),
        ("loads of at least 0", loads < 0),
        (f"loads of at most {MAX_LOAD:g}", loads > MAX_LOAD),
    ):
        if wrong.any():
            step, layer, expert = np.argwhere(wrong)[0]
            raise WorkloadError(
                f"{path}: expected {problem}, found {loads[step, layer, expert]} "
                f"at step {step}, layer {layer}, expert {expert}"
            )


def _sum_steps(steps: Floats, per_window: int, path: Path) -> tuple[Floats, list[str]]:
    """Windows of `per_window` steps each, and notes about the summing."""
    count = len(steps)
    if per_window == 1:
        windows, note = steps, []
    elif count < per_window:
        windows = steps.sum(axis=0, keepdims=True)
        note = [f"{path}: {count} steps, fewer than the {per_window} of a window, summed into one window"]
    else:
        full, left = divmod(count, per_window)
        windows = steps[: full * per_window].reshape(full, per_window, *steps.shape[1:]).sum(axis=1)
        note = [f"{path}: {count} steps summed into {full} windows of {per_window}"]
        if left:
            note[0] += f"; the last {left} steps do not fill a window and are dropped"
    return windows, note


def _drop_empty_layers(loads: Floats, notes: list[str]) -> Trace:
    loaded_L = np.asarray(loads.any(axis=(0, 2)))
    if not loaded_L.any():
        raise WorkloadError("expected some load in the trace, found only zeros")
    if not loaded_L.all():
        empty = ", ".join(map(str, np.flatnonzero(~loaded_L)))
        notes = [*notes, f"dropped {int((~loaded_L).sum())} of {len(loaded_L)} layers, zero in every window: {empty}"]
    kept = np.ascontiguousarray(loads[:, loaded_L])
    idle = np.flatnonzero(~kept.any(axis=(1, 2)))
    if idle.size:
        notes = [
            *notes,
            f"windows without any load, whose balance is 1 under every plan: {', '.join(map(str, idle))}",
        ]
    kept.setflags(write=False)
    return Trace(loads=kept, notes=tuple(notes))


def _layers_experts(loads: Floats) -> str:
    return f"{loads.shape[-2]} layers x {loads.shape[-1]} experts"
