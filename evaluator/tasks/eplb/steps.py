"""The recorded steps of one source, and how they become windows.

Owns: what counts as a load, the checks and their errors, which steps are summed into a window, and lists in messages.
Does not know: files, formats, cases. Pure.

Shapes: T steps, L layers, E experts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.types import WorkloadError

Floats = NDArray[np.float64]

MAX_VALUES = 2**26
MAX_LOAD = 1e30
"""Far above any token count, and so far below float32's maximum that a solver's sums stay finite."""
FEW_PASSES = 16
"""Up to this many forward passes are windows themselves; more are summed into at most this many windows."""
_LISTED = 8
_KEY_LENGTH = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Loads `[T, L, E]` in time order, as recorded. `per_window` is the default number of steps in a window; None is a
    number that depends on how many forward passes have load. `notes` say what was done to the loads.
    """

    where: Path
    loads: Floats
    per_window: int | None
    notes: tuple[str, ...] = ()


def shortened(values: Iterable[object], count: int) -> str:
    """The first few of `count` values, and how many more there are."""
    first = [str(value) for value in islice(values, _LISTED)]
    first = [text if len(text) <= _KEY_LENGTH else f"{text[:_KEY_LENGTH]}..." for text in first]
    more = count - len(first)
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


def keys(content: dict[Any, Any]) -> str:
    """The keys of a dict that has not the expected one, for an error."""
    return f"keys {shortened(sorted(map(str, content)), len(content))}" if content else "no keys"


def with_time(array: Floats, where: Path) -> Floats:
    """`[T, L, E]` of an array that may lack T. Raises WorkloadError."""
    if array.ndim not in (2, 3) or array.size == 0:
        raise WorkloadError(
            f"{where}: expected [layers, experts] or [windows, layers, experts], found the shape {list(array.shape)}"
        )
    return array if array.ndim == 3 else array[None]


def check_loads(loads: NDArray[Any], where: str, first: str = "step", third: str = "expert") -> None:
    """Raises WorkloadError for the first value of `[T, L, E]` that cannot be a load, with its place."""
    if loads.size == 0:
        raise WorkloadError(f"{where}: expected at least one layer and one expert, found the shape {list(loads.shape)}")
    for problem, wrong in (
        ("finite loads", ~np.isfinite(loads)),
        ("loads of at least 0", loads < 0),
        (f"loads of at most {MAX_LOAD:g}", loads > MAX_LOAD),
    ):
        if wrong.any():
            place = np.unravel_index(int(wrong.argmax()), wrong.shape)
            step, layer, expert = map(int, place)
            raise WorkloadError(
                f"{where}: expected {problem}, found {loads[place]} "
                f"at {first} {step}, layer {layer}, {third} {expert}: record or convert the file again"
            )


def layers_experts(loads: NDArray[Any]) -> str:
    return f"{loads.shape[-2]} layers x {loads.shape[-1]} experts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowed:
    """Windows `[W, L, E]` of one source, and the steps `[T, L, E]` that they sum: window i those from i * `size` on.

    Steps after the last window are in none.
    """

    where: Path
    steps: Floats
    size: int
    windows: Floats
    notes: tuple[str, ...]


def windowed(steps: Steps, per_window: int | None) -> Windowed:
    """Windows of `per_window` steps each, or of the source's default number. An incomplete last window is dropped,
    unless it is the only one. Forward passes without load are left out first. Raises WorkloadError.
    """
    loads, notes = steps.loads, list(steps.notes)
    if steps.per_window is None:
        loaded_T = np.asarray(loads.any(axis=(1, 2)))
        if not loaded_T.any():
            raise WorkloadError(
                f"{steps.where}: expected some load, found only zeros in {len(loads)} forward passes: "
                "record while the server answers requests"
            )
        if not loaded_T.all():
            notes.append(
                f"{steps.where}: left out {int((~loaded_T).sum())} of {len(loads)} forward passes without load"
            )
            loads = loads[loaded_T]
    chosen = per_window or steps.per_window or _passes_per_window(len(loads))
    summed, note = _summed(loads, chosen, steps.where)
    if note and per_window is None and steps.per_window is None:
        note += "; steps_per_window sets another number"
    return Windowed(
        where=steps.where,
        steps=loads,
        size=min(chosen, len(loads)),
        windows=summed,
        notes=(*notes, note) if note else tuple(notes),
    )


def windows(steps: Steps, per_window: int | None) -> tuple[Floats, list[str]]:
    """The windows alone, and the notes about them; see `windowed`."""
    made = windowed(steps, per_window)
    return made.windows, list(made.notes)


def _passes_per_window(count: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that makes at most FEW_PASSES windows; it makes at least 6 if more
    passes than FEW_PASSES are there.
    """
    scale = 1
    while True:
        for digit in (1, 2, 5):
            if count // (digit * scale) <= FEW_PASSES:
                return digit * scale
        scale *= 10


def _summed(loads: Floats, per_window: int, where: Path) -> tuple[Floats, str]:
    """Windows of `per_window` steps each, and a note about the summing; "" if nothing was summed."""
    count = len(loads)
    if per_window == 1:
        return loads, ""
    if count < per_window:
        note = f"{where}: {count} steps, fewer than the {per_window} of a window, summed into one window"
        return loads.sum(axis=0, keepdims=True), note
    full, left = divmod(count, per_window)
    note = f"{where}: {count} steps summed into {full} windows of {per_window}"
    if left:
        note += f"; the last {left} steps do not fill a window and are dropped"
    return loads[: full * per_window].reshape(full, per_window, *loads.shape[1:]).sum(axis=1), note
