"""Writing recorded loads in the formats that `traces` reads.

Owns: the formats by name, their extensions, and how each is written. Does not know: where loads come from, what is
done with a file that exists. Never imports torch: a short-lived child process writes `.pt` files.

- `adrs`: `.json`, `{"load_history": [{"logical_expert_load": [[..E] x L]}, ...]}`, an entry a row.
- `sglang`: `.json` or `.pt`, `{"logical_count": [T][L][E]}`, which SGLang takes as `--init-expert-location` if it has
  all layers of the model, dense ones included (read in version 0.5.23). In `.pt`, whole numbers as int64, others as
  float64.
- `npy`: `.npy`, float64 `[T, L, E]`, or int64 for whole numbers.

Shapes: T rows, L layers, E experts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb.steps import Floats
from evaluator.tasks.eplb.torch_files import save_counts
from evaluator.tasks.eplb.traces import ADRS_STEPS_PER_WINDOW
from evaluator.types import WorkloadError

Shape = tuple[int, ...]
Rows = Iterator[Floats]
"""Parts `[T, L, E]`, one after the other."""

MAX_WHOLE = 2.0**53
"""Whole numbers up to here are exact in float64."""

FORMATS: Mapping[str, tuple[str, ...]] = {"adrs": (".json",), "sglang": (".json", ".pt"), "npy": (".npy",)}
"""The extensions of a file in each format."""


def write(form: str, file: Path, rows: Rows, shape: Shape) -> None:
    """Write rows of the given shape into a file that is new. Raises WorkloadError, OSError."""
    writers: Mapping[tuple[str, str], Callable[[Path, Rows, Shape], None]] = {
        ("adrs", ".json"): _adrs,
        ("sglang", ".json"): _sglang_json,
        ("sglang", ".pt"): _sglang_pt,
        ("npy", ".npy"): _npy,
    }
    if (form, file.suffix) not in writers:
        known = ", ".join(f"{name} in {suffix}" for name, suffix in writers)
        raise WorkloadError(f"{file}: expected one of {known}, found {form} in {file.suffix or 'no extension'}")
    writers[form, file.suffix](file, rows, shape)


def keeps_idle(form: str) -> bool:
    """Whether rows without load are written: in a recorder's ring buffer they are unused, and tell where it begins."""
    return form != "sglang"


def reading_notes(form: str, summed: bool) -> tuple[str, ...]:
    """What to know for reading a file back whose rows are windows or steps."""
    default = {"adrs": f"{ADRS_STEPS_PER_WINDOW} rows", "sglang": "as many rows as make 6 to 16 windows"}.get(form, "")
    if not summed or not default:
        return ()
    return (f"the rows are windows, and such files are read as {default} a window: read it with --steps-per-window 1",)


def _adrs(file: Path, rows: Rows, shape: Shape) -> None:
    _json(file, rows, '{"load_history": [', '{"logical_expert_load": ', "}", "]}")


def _sglang_json(file: Path, rows: Rows, shape: Shape) -> None:
    _json(file, rows, '{"logical_count": [', "", "", "]}")


def _json(file: Path, rows: Rows, begin: str, before: str, after: str, end: str) -> None:
    """One row a line, written as it comes."""
    with file.open("w", encoding="ascii") as out:
        out.write(begin)
        between = "\n"
        for part in rows:
            for row in part:
                out.write(f"{between}{before}{json.dumps(_whole(row).tolist(), separators=(',', ':'))}{after}")
                between = ",\n"
        out.write(f"\n{end}\n")


def _whole(loads: Floats) -> NDArray[Any]:
    """Whole numbers as int64, where all are and stay exact."""
    exact = bool((loads <= MAX_WHOLE).all()) and np.array_equal(loads, np.rint(loads))
    return loads.astype(np.int64) if exact else loads


def _gathered(rows: Rows, shape: Shape) -> NDArray[Any]:
    loads_TLE, at = np.empty(shape), 0
    for part in rows:
        loads_TLE[at : at + len(part)] = part
        at += len(part)
    return _whole(loads_TLE)


def _sglang_pt(file: Path, rows: Rows, shape: Shape) -> None:
    save_counts(file, _gathered(rows, shape))


def _npy(file: Path, rows: Rows, shape: Shape) -> None:
    np.save(file, _gathered(rows, shape), allow_pickle=False)
