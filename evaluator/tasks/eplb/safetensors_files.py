"""Reading files in the safetensors format, without its library or torch.

Owns: the format, and errors about files that break it. Does not know: what the tensors mean.

A file is the length of its header (8 bytes, little endian), the header (JSON: for each name the dtype, the shape, and
where its bytes begin and end after the header), and the bytes of all tensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.types import WorkloadError

MAX_HEADER = 10**8
"""The limit of the format's own library."""
_DTYPES = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "F64": "<f8", "F32": "<f4"}


def read_tensors(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """Each tensor with its name, read when it is reached; the file is mapped into memory, not read as a whole. Raises
    WorkloadError, OSError.
    """
    data = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.empty(0, np.uint8)
    length = int(data[:8].view("<u8")[0]) if len(data) >= 8 else 0
    if not 2 <= length <= min(MAX_HEADER, len(data) - 8):
        raise WorkloadError(f"{path}: expected a safetensors file, found no header that fits into {len(data)} bytes")
    try:
        header = json.loads(data[8 : 8 + length].tobytes())
    except (ValueError, RecursionError) as error:
        raise WorkloadError(f"{path}: expected a safetensors file, but its header does not parse: {error}") from error
    if not isinstance(header, dict):
        raise WorkloadError(f"{path}: expected a safetensors file, found the header {type(header).__name__}")
    content = data[8 + length :]
    for name, entry in header.items():
        if name != "__metadata__":
            yield name, _tensor(content, entry, f"{path}: {name[:40]!r}")


def _tensor(content: NDArray[np.uint8], entry: Any, where: str) -> NDArray[Any]:
    known = isinstance(entry, dict) and {"dtype", "shape", "data_offsets"} <= set(entry)
    if not known or not _whole_list(entry["shape"]) or not _whole_list(entry["data_offsets"]):
        raise WorkloadError(f"{where}: expected dtype, shape and data_offsets in the header, found something else")
    dtype = _DTYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if dtype is None:
        raise WorkloadError(f"{where}: expected a dtype of {', '.join(_DTYPES)}, found {entry['dtype']!r:.40}")
    offsets = entry["data_offsets"]
    needed = math.prod(entry["shape"]) * np.dtype(dtype).itemsize
    if len(offsets) != 2 or not offsets[0] <= offsets[1] <= len(content) or offsets[1] - offsets[0] != needed:
        raise WorkloadError(
            f"{where}: expected {needed} bytes within the {len(content)} of the file, found {offsets}: it is truncated"
        )
    return np.frombuffer(content[offsets[0] : offsets[1]].tobytes(), dtype).reshape(entry["shape"])


def _whole_list(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is int and 0 <= each < 2**48 for each in value)
