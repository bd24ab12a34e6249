"""The byte layout of messages between the judge and a confined worker, in memory the judge owns.

Owns: the layout of a request and of an answer. Does not know: processes, sockets, tasks, torch.

The judge writes a request, and the worker may trust it: a JSON header and raw arrays. A process that ran untrusted code
writes an answer: fixed binary fields, which we range-check before use, then raw bytes of a known dtype. Never pickle,
never JSON.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluator.types import Answer, Array, Call, Value

ALIGN = 64
MAX_ARRAYS = 8
MAX_DIMS = 8
TEXT_BYTES = 8192
"""We read back at most this many bytes of an error text."""

DTYPES: tuple[str, ...] = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
OK, RAISED = 1, 2

_HEAD = struct.Struct("<II")
_ARRAY = struct.Struct(f"<BB6x{MAX_DIMS}qQQ")
_OWN = struct.Struct("<Q")
_OWN_OFFSET = _HEAD.size + MAX_ARRAYS * _ARRAY.size
HEADER_BYTES = _OWN_OFFSET + _OWN.size
_LENGTH = struct.Struct("<I")


class MalformedAnswer(Exception):
    """The worker's answer breaks the layout. This is the candidate's fault: only its process can have written it."""


def _aligned(offset: int) -> int:
    return -(-offset // ALIGN) * ALIGN


def _describe(value: Value, offset: int, arrays: list[tuple[int, Array]]) -> tuple[dict[str, Any], int]:
    if value is None:
        return {"none": True}, offset
    if isinstance(value, np.ndarray):
        value = np.asarray(value, order="C")  # ascontiguousarray would turn a 0-d array into a 1-d one
        offset = _aligned(offset)
        arrays.append((offset, value))
        return {"dtype": value.dtype.str, "shape": list(value.shape), "offset": offset}, offset + value.nbytes
    return {"text" if isinstance(value, str) else "number": value}, offset


def pack_call(call: Call, seed: int, *, switch_s: float | None = None) -> bytes:
    """The request of one call. Array offsets (bytes) count from the end of the JSON header, rounded up to `ALIGN`.
    `switch_s` is the interpreter's switch interval in a call beside a loop.
    """
    arrays: list[tuple[int, Array]] = []
    offset = 0
    args: list[dict[str, Any]] = []
    for value in call.args:
        described, offset = _describe(value, offset, arrays)
        args.append(described)
    offered: dict[str, dict[str, Any]] = {}
    for name, value in call.offered.items():
        offered[name], offset = _describe(value, offset, arrays)
    return _join({"args": args, "offered": offered, "seed": seed, "switch_s": switch_s}, arrays, offset)


def pack_fields(fields: Mapping[str, Any]) -> bytes:
    """A request without arrays."""
    return _join(dict(fields), [], 0)


def _join(header: dict[str, Any], arrays: Sequence[tuple[int, Array]], size: int) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    base = _aligned(_LENGTH.size + len(text))
    buffer = bytearray(base + size)
    _LENGTH.pack_into(buffer, 0, len(text))
    buffer[_LENGTH.size : _LENGTH.size + len(text)] = text
    for offset, array in arrays:
        buffer[base + offset : base + offset + array.nbytes] = array.tobytes()
    return bytes(buffer)


def unpack_request(memory: memoryview) -> tuple[dict[str, Any], int]:
    """The header of a request, and the offset in bytes at which its arrays begin."""
    (length,) = _LENGTH.unpack_from(memory, 0)
    header = json.loads(bytes(memory[_LENGTH.size : _LENGTH.size + length]))
    return header, _aligned(_LENGTH.size + length)


def write_error(memory: memoryview, text: str) -> None:
    """Write an error text as the answer, cut to what fits."""
    raw = text.encode("utf-8", "replace")[: min(TEXT_BYTES, len(memory) - _HEAD.size)]
    memory[_HEAD.size : _HEAD.size + len(raw)] = raw
    _HEAD.pack_into(memory, 0, RAISED, len(raw))


def write_answer(memory: memoryview, arrays: Sequence[Array]) -> None:
    """Write arrays as the answer. Raises ValueError, which says why, if they do not fit the layout."""
    if len(arrays) > MAX_ARRAYS:
        raise ValueError(f"expected an answer of at most {MAX_ARRAYS} arrays, found {len(arrays)}")
    offset = _aligned(HEADER_BYTES)
    fields: list[bytes] = []
    for position, array in enumerate(arrays):
        name = array.dtype.str.lstrip("<=|")
        if name == "b1":
            name = "?"
        if name not in DTYPES or array.ndim > MAX_DIMS:
            raise ValueError(
                f"array {position} of the answer: expected a numeric dtype and at most {MAX_DIMS} dimensions, found "
                f"dtype {array.dtype} and {array.ndim} dimensions"
            )
        if offset + array.nbytes > len(memory):
            raise ValueError(
                f"array {position} of the answer, {array.dtype} {list(array.shape)}, is larger than any valid answer"
            )
        shape = tuple(array.shape) + (0,) * (MAX_DIMS - array.ndim)
        fields.append(_ARRAY.pack(DTYPES.index(name), array.ndim, *shape, offset, array.nbytes))
        np.frombuffer(memory, np.uint8, array.nbytes, offset)[:] = (
            np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        )
        offset = _aligned(offset + array.nbytes)
    memory[_HEAD.size : _HEAD.size + len(fields) * _ARRAY.size] = b"".join(fields)
    _HEAD.pack_into(memory, 0, OK, len(fields))


def clear_answer(memory: memoryview) -> None:
    """Invalidate the previous call's answer and time in the header."""
    _HEAD.pack_into(memory, 0, 0, 0)
    _OWN.pack_into(memory, _OWN_OFFSET, 0)


def write_own_ns(memory: memoryview, own_ns: int) -> None:
    """Write how many nanoseconds the call took on the worker's own clock, or how long it held up a loop beside it."""
    _OWN.pack_into(memory, _OWN_OFFSET, max(0, own_ns))


def read_own_ns(memory: memoryview) -> int:
    """The nanoseconds that the worker wrote for this call (see `write_own_ns`); 0 if it wrote none."""
    return int(_OWN.unpack_from(memory, _OWN_OFFSET)[0])


def read_answer(memory: memoryview) -> Answer | str:
    """The judge's own copy of an answer's arrays, or the error text. Raises MalformedAnswer."""
    header = bytes(memory[:HEADER_BYTES])
    status, count = _HEAD.unpack_from(header, 0)
    if status == RAISED:
        return bytes(memory[_HEAD.size : _HEAD.size + min(count, TEXT_BYTES)]).decode("utf-8", "replace")
    if status != OK or count > MAX_ARRAYS:
        raise MalformedAnswer(
            f"the answer's header: expected status {OK} and at most {MAX_ARRAYS} arrays, found status {status} and "
            f"{count} arrays"
        )
    return tuple(_read_array(memory, header, position) for position in range(count))


def _read_array(memory: memoryview, header: bytes, position: int) -> Array:
    code, ndim, *rest = _ARRAY.unpack_from(header, _HEAD.size + position * _ARRAY.size)
    shape, offset, nbytes = tuple(rest[:MAX_DIMS]), rest[MAX_DIMS], rest[MAX_DIMS + 1]
    if code >= len(DTYPES) or ndim > MAX_DIMS or min(shape) < 0:
        raise MalformedAnswer(
            f"array {position} of the answer: expected a dtype code below {len(DTYPES)}, at most {MAX_DIMS} dimensions "
            f"and no negative length, found dtype code {code}, {ndim} dimensions, shape {shape}"
        )
    dtype = np.dtype(DTYPES[code])
    shape = shape[:ndim]
    expected, extent = dtype.itemsize, dtype.itemsize
    for length in shape:
        expected *= length
        extent *= max(length, 1)  # numpy refuses an empty array whose other lengths overflow
    if nbytes != expected or extent > len(memory) or offset < HEADER_BYTES or offset + nbytes > len(memory):
        raise MalformedAnswer(
            f"array {position} of the answer: expected {expected} bytes inside the answer, found {nbytes} bytes at "
            f"offset {offset}"
        )
    copy = bytes(memory[offset : offset + nbytes])
    array: Array = np.frombuffer(copy, dtype)
    if dtype.kind == "b":  # numpy treats a boolean of a byte other than 0 or 1 inconsistently
        array = array.view(np.uint8) != 0
    return array.reshape(shape)
