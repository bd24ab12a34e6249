"""Values that the judge and the process of a task file exchange, as frames: JSON, and the raw bytes of arrays.

Owns: how such a value becomes a frame and is read again. Does not know: processes, what is asked, what a task is.

Arrays are numbers or texts of a fixed width, never objects: nothing is unpickled.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluator.task_protocol import Column, Ladder
from evaluator.types import Array, Call, Case, CaseQuality, HardCase

_SIZES = struct.Struct("<QQ")
SIZES_BYTES = _SIZES.size
MOST_TEXT, MOST_ARRAYS = 1 << 26, 1 << 32
"""Bytes of the JSON and of the arrays of a frame, at most."""
_KINDS = "biufcSU"
_ALIGN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCase(Case):
    """A case that the process of the task has, too, under this key."""

    key: int


class NotSent(Exception):
    """A value that no frame holds. The text says which values do."""


class Frame:
    """A value on its way: the JSON, and the arrays in the order in which the JSON names them.

    `hold` gives the key of a case that is sent, so that the other side may name it later; None sends none. Without
    `whole`, a held case is sent as its key.
    """

    def __init__(self, *, hold: Callable[[Case], int] | None = None, whole: bool = True) -> None:
        self._hold, self._whole = hold, whole
        self._arrays: list[Array] = []

    def bytes(self, value: object) -> bytes:
        """The frame of a value. Raises NotSent."""
        text = json.dumps(self._json(value), separators=(",", ":")).encode("utf-8", "surrogatepass")
        _check_sizes(len(text), sum(array.nbytes for array in self._arrays))
        parts, offset = [], 0
        for array in self._arrays:
            padded = -(-offset // _ALIGN) * _ALIGN
            parts += [bytes(padded - offset), array.tobytes()]
            offset = padded + array.nbytes
        return b"".join([_SIZES.pack(len(text), offset), text, *parts])

    def _json(self, value: object) -> Any:
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, Mapping):
            if not all(isinstance(key, str) for key in value):
                raise NotSent(f"expected texts as keys of a mapping, found {list(value)[:5]}")
            return {"map": {key: self._json(held) for key, held in value.items()}}
        if isinstance(value, list | tuple):
            return [self._json(held) for held in value]
        return self._own(value)

    def _own(self, value: object) -> Any:
        if isinstance(value, Case):
            return self._case(value)
        if isinstance(value, Call):
            return {"call": self._json((value.args, value.offered))}
        if isinstance(value, HardCase):
            return {"hard": self._json((value.case, value.call, value.why))}
        if isinstance(value, CaseQuality):
            return {"quality": self._json((value.case, value.value, value.ceiling, value.metrics))}
        if isinstance(value, Column):
            return {"column": self._json((value.key, value.heading))}
        if isinstance(value, Ladder):
            return {"ladder": self._json((value.programs, value.metric, value.step, value.note))}
        raise NotSent(
            "expected a number, text, None, array, mapping, list, or a value of evaluator.types, found "
            f"{type(value).__name__}"
        )

    def _case(self, case: Case) -> Any:
        held = case.key if isinstance(case, HeldCase) else None
        if held is not None and not self._whole:
            return {"held": held}
        key = held if self._hold is None else self._hold(case)
        return {"case": [key, self._json(case.name), self._json(case.sizes), self._array(case.data)]}

    def _array(self, array: Array) -> Any:
        if array.dtype.kind not in _KINDS:
            raise NotSent(f"expected an array of numbers, found one of {array.dtype}")
        self._arrays.append(array)
        return {"array": [array.dtype.str, list(array.shape)]}


def sizes(head: bytes) -> tuple[int, int]:
    """The bytes of the JSON and of the arrays behind the head of a frame. Raises NotSent."""
    text, arrays = _SIZES.unpack(head)
    _check_sizes(text, arrays)
    return text, arrays


def _check_sizes(text: int, arrays: int) -> None:
    if text > MOST_TEXT or arrays > MOST_ARRAYS:
        raise NotSent(
            f"expected at most {MOST_TEXT:,} bytes of values and {MOST_ARRAYS:,} of arrays, "
            f"found {text:,} and {arrays:,}"
        )


def value_of(text: memoryview, arrays: memoryview, held: Callable[[int], Case] | None = None) -> Any:
    """The value of a frame. `held` finds a case by its key. Raises NotSent for a frame of another form."""
    reader = _Reader(arrays, held)
    try:
        return reader.read(json.loads(bytes(text)))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise NotSent(f"a frame that cannot be read: {error}") from error


class _Reader:
    def __init__(self, arrays: memoryview, held: Callable[[int], Case] | None) -> None:
        self._arrays, self._held, self._offset = arrays, held, 0

    def read(self, found: Any) -> Any:
        if isinstance(found, list):
            return tuple(self.read(part) for part in found)
        if not isinstance(found, dict):
            return found
        [(kind, parts)] = found.items()
        return self._made(kind, parts)

    def _made(self, kind: str, parts: Any) -> Any:
        if kind == "map":
            return {str(key): self.read(part) for key, part in parts.items()}
        if kind == "array":
            return self._array(*parts)
        if kind == "held" and self._held is not None:
            return self._held(int(parts))
        if kind == "case":
            key, *rest = parts
            name, case_sizes, data = map(self.read, rest)
            made = Case if key is None else lambda **fields: HeldCase(key=int(key), **fields)
            return made(name=name, sizes=case_sizes, data=data)
        values = [self.read(part) for part in parts]
        fields: Mapping[str, Callable[..., Any]] = {
            "call": lambda args, offered: Call(args=args, offered=offered),
            "hard": lambda case, call, why: HardCase(case=case, call=call, why=why),
            "quality": lambda case, value, ceiling, metrics: CaseQuality(
                case=case, value=value, ceiling=ceiling, metrics=metrics
            ),
            "column": lambda key, heading: Column(key=key, heading=heading),
            "ladder": lambda programs, metric, step, note: Ladder(
                programs=programs, metric=metric, step=step, note=note
            ),
        }
        return fields[kind](*values)

    def _array(self, dtype: str, shape: Sequence[int]) -> Array:
        kind = np.dtype(dtype)
        if kind.kind not in _KINDS or any(length < 0 for length in shape):
            raise ValueError(f"an array of {dtype} {shape}")
        start = -(-self._offset // _ALIGN) * _ALIGN
        self._offset = start + kind.itemsize * math.prod(shape)
        if self._offset > len(self._arrays):
            raise ValueError("an array that is larger than its frame")
        array: Array = np.frombuffer(self._arrays[start : self._offset], kind)
        return array.reshape(tuple(shape)).copy()
