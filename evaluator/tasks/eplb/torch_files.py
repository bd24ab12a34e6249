"""Reading and writing files of torch, without importing torch here.

Owns: the short-lived process that loads files weights-only and sends plain numbers, and the one that saves an array.
Does not know: what the numbers mean.

The loading process answers with one line of JSON for each file, which holds `error`, or the facts and the dtypes and
shapes of the arrays whose bytes follow.

Shapes: N records, L layers, P physical experts.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from evaluator.types import WorkloadError

TIMEOUT_S = 120.0
"""For each file."""

# Runs in a new, isolated interpreter. It maps files into memory, because dumps of single tokens are large and only a
# small part of them is used; files of torch's old format cannot be mapped.
LOADER = """
import gc, json, sys
gc.disable()  # an import leaves next to nothing to collect
import numpy, torch
gc.enable()

LIMIT = int(sys.argv[1])

class Wrong(Exception):
    pass

def said(value):
    return " ".join(str(value).split())[:300]

def found(content, *keys):
    if not isinstance(content, dict):
        return type(content).__name__
    names = sorted(map(str, content))
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return "keys " + ", ".join(said(name)[:40] for name in names[:5]) + more

def dense(content, key, where=""):
    value = content[key]
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_complex():
        raise Wrong(f"{where}expected {key} to be a dense tensor of numbers, found {type(value).__name__}")
    if value.dtype == torch.bool:
        raise Wrong(f"{where}expected {key} to hold numbers, found torch.bool")
    return value

def within_limit(count):
    if count > LIMIT:
        raise Wrong(f"expected at most {LIMIT} loads, found {count}: record fewer forward passes at a time")

def whole(record, key, where):
    value = record[key]
    if type(value) is not int or not 0 <= value < 2**63:
        raise Wrong(f"{where}expected {key} to be a whole number of at least 0, found {said(repr(value))[:40]}")
    return value

def of_records(content):
    records, needed = content["records"], ("forward_pass_id", "rank", "global_physical_count")
    if not isinstance(records, list):
        raise Wrong(f"expected records to be a list, found {type(records).__name__}")
    if not records:
        raise Wrong("expected at least one record, found none: nothing was recorded before this dump, leave it out")
    counts, passes, ranks, gatherers = [], [], [], []
    for index, record in enumerate(records):
        where = f"records[{index}]: "
        if not isinstance(record, dict) or not set(needed) <= set(record):
            raise Wrong(f"{where}expected a dict with {', '.join(needed)}, found {found(record)}")
        passes.append(whole(record, "forward_pass_id", where))
        ranks.append(whole(record, "rank", where))
        gatherers.append(said(record.get("gatherer_key", "primary"))[:40])
        count = dense(record, "global_physical_count", where)
        if count.ndim != 2 or not count.numel() or (counts and count.shape != counts[0].shape):
            like = f"the shape {list(counts[0].shape)} as in records[0]" if counts else "[layers, physical experts]"
            raise Wrong(f"{where}expected global_physical_count of {like}, found the shape {list(count.shape)}")
        within_limit(count.numel() * len(records))
        counts.append(count)
    placement = dense(content, "last_physical_to_logical_map")
    if placement.is_floating_point() or placement.shape != counts[0].shape:
        raise Wrong(
            f"expected last_physical_to_logical_map of whole numbers, of the shape {list(counts[0].shape)} as the "
            f"counts, found {placement.dtype} of the shape {list(placement.shape)}"
        )
    return {"passes": passes, "ranks": ranks, "gatherers": gatherers}, [torch.stack(counts), placement]

def read(path):
    with open(path, "rb") as file:
        mapped = file.read(2) == b"PK"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:
        raise Wrong("torch cannot load the file weights-only: " + said(error)) from None
    if isinstance(content, dict) and "logical_count" in content:
        counts = dense(content, "logical_count")
        within_limit(counts.numel())
        return {}, [counts]
    if isinstance(content, dict) and {"records", "last_physical_to_logical_map"} <= set(content):
        return of_records(content)
    raise Wrong(
        "expected a dict with logical_count, or with records and last_physical_to_logical_map, found " + found(content)
    )

for path in sys.argv[2:]:
    try:
        facts, tensors = read(path)
        tensors = [tensor.detach() for tensor in tensors]
        tensors = [tensor.double() if tensor.is_floating_point() else tensor for tensor in tensors]
        arrays = [numpy.ascontiguousarray(tensor.numpy()) for tensor in tensors]
        facts["arrays"] = [[array.dtype.str, array.shape] for array in arrays]
    except Exception as error:
        other = "" if isinstance(error, Wrong) else "the file's tensors cannot be read: "
        facts, arrays = {"error": other + said(error)}, []
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\\n")
    for array in arrays:
        sys.stdout.buffer.write(array.data)
    sys.stdout.buffer.flush()
"""

# Runs in a new, isolated interpreter; the array's bytes come on standard input.
_SAVER = """
import gc, sys
gc.disable()
import numpy, torch

path, dtype, *shape = sys.argv[1:]
array = numpy.frombuffer(bytearray(sys.stdin.buffer.read()), dtype).reshape([int(size) for size in shape])
torch.save({"logical_count": torch.from_numpy(array)}, path)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A file with the tensor `logical_count`, in a numeric dtype, of any shape."""

    path: Path
    counts: NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """A file of `records`: their passes, ranks and gatherers (`gatherer_key`) `[N]`, their counts `[N, L, P]` in a
    numeric dtype, and the logical expert of each physical one `[L, P]`; N, L and P are at least 1.
    """

    path: Path
    passes: tuple[int, ...]
    ranks: tuple[int, ...]
    gatherers: tuple[str, ...]
    counts: NDArray[Any]
    placement: NDArray[Any]


def load_files(paths: Sequence[Path], max_values: int) -> Iterator[Counts | Records]:
    """What each file holds, in order, one at a time in memory. Raises WorkloadError for the first bad one."""
    command = [sys.executable, "-I", "-c", LOADER, str(max_values), *(str(path.absolute()) for path in paths)]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env={"PATH": os.defpath}) as process,
    ):
        assert process.stdout is not None
        try:
            for path in paths:
                yield _next(path, process, process.stdout, errors)
        finally:
            process.kill()


def _next(path: Path, process: subprocess.Popen[bytes], answers: IO[bytes], errors: IO[bytes]) -> Counts | Records:
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(TIMEOUT_S, stop)
    timer.start()
    try:
        line = answers.readline()
        facts = json.loads(line) if line.endswith(b"\n") else {}
        arrays = [_array(answers, dtype, shape) for dtype, shape in facts.get("arrays", ())]
    finally:
        timer.cancel()
        timer.join()
    if facts.get("error"):
        raise WorkloadError(f"{path}: {facts['error']}")
    if late.is_set():
        raise WorkloadError(f"{path}: torch did not load the file within {TIMEOUT_S:g} s: record fewer forward passes")
    if not facts or any(array is None for array in arrays):
        code = process.wait()
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
        raise WorkloadError(f"{path}: {lines[-1][:300] if lines else f'the loader ended with exit code {code}'}")
    complete = [array for array in arrays if array is not None]
    if len(complete) == 1:
        return Counts(path=path, counts=complete[0])
    counts, placement = complete
    return Records(
        path=path,
        passes=tuple(facts["passes"]),
        ranks=tuple(facts["ranks"]),
        gatherers=tuple(facts["gatherers"]),
        counts=counts,
        placement=placement,
    )


def _array(answers: IO[bytes], dtype: str, shape: Sequence[int]) -> NDArray[Any] | None:
    """The array whose bytes come next; None if they end before."""
    content = bytearray(math.prod(shape) * np.dtype(dtype).itemsize)
    view, at = memoryview(content), 0
    while at < len(content):
        count = answers.readinto(view[at:])  # type: ignore[attr-defined]
        if not count:
            return None
        at += count
    return np.frombuffer(content, dtype).reshape(shape)


def save_counts(path: Path, counts: NDArray[Any]) -> None:
    """Save `{"logical_count": counts}` as `load_files` reads it. Raises WorkloadError."""
    command = [sys.executable, "-I", "-c", _SAVER, str(path.absolute()), counts.dtype.str, *map(str, counts.shape)]
    try:
        subprocess.run(
            command,
            input=counts.tobytes(),
            capture_output=True,
            check=True,
            env={"PATH": os.defpath},
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise WorkloadError(f"{path}: torch did not save the file within {TIMEOUT_S:g} s: write fewer steps") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        found = lines[-1][:300] if lines else f"the process ended with exit code {error.returncode}"
        raise WorkloadError(f"{path}: torch cannot save the file: {found}") from error
