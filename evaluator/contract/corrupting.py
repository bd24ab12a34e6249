"""Valid answers made invalid, or worse: what a task has to refuse, and what it has to notice.

Owns: these changes. Does not know: any task. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evaluator.types import Answer, Array

_LEAST, _LARGEST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrupted:
    """A changed answer. `name` says how. `must`: no valid answer looks like that, so it has to be refused."""

    name: str
    answer: Answer
    must: bool


def corrupted(answer: Answer, rng: np.random.Generator) -> Iterator[Corrupted]:
    """Every change of an answer that changes anything, for each of its arrays."""
    yield Corrupted(name="no array", answer=(), must=True)
    yield Corrupted(name="four times the arrays", answer=(answer * 4)[:8], must=True)
    for at, array in enumerate(answer):
        where = "" if len(answer) == 1 else f" in array {at}"
        for must, changes in ((True, _malformed(array)), (False, _altered(array, rng))):
            for name, changed in changes:
                if not _same(array, changed):
                    made = (*answer[:at], changed, *answer[at + 1 :])
                    yield Corrupted(name=f"{name}{where}", answer=made, must=must)


def _same(array: Array, other: Array) -> bool:
    same_form = array.dtype == other.dtype and array.shape == other.shape
    return bool(same_form and np.array_equal(array, other))


def _malformed(array: Array) -> Iterator[tuple[str, Array]]:
    yield "an axis more", array[None]
    if array.ndim:
        yield "no element", array[..., :0]
        yield "an element less", array[..., :-1]
        yield "an element more", np.concatenate([array, array[..., -1:]], axis=-1)
    if array.dtype.kind in "iu":
        yield "numbers with a fraction", array + 0.5
        yield "the least number of int64", np.full_like(array, _LEAST, dtype=np.int64)
        yield "the largest number of int64", np.full_like(array, _LARGEST, dtype=np.int64)
    if array.dtype.kind in "iuf":
        spoilt = array.astype(np.float64)
        spoilt[(0,) * array.ndim] = np.nan
        yield "NaN in one place", spoilt


def _altered(array: Array, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    flat = array.reshape(-1)
    if flat.size < 2 or array.dtype.kind not in "iuf":
        return
    step = array.dtype.type(1)
    for name, at in (("the first", 0), ("one in the middle", flat.size // 2), ("the last", flat.size - 1)):
        changed = flat.copy()
        changed[at] = changed[at] + step
        yield f"{name} element plus 1", changed.reshape(array.shape)
    swapped = flat.copy()
    swapped[[0, -1]] = swapped[[-1, 0]]
    yield "two elements swapped", swapped.reshape(array.shape)
    yield "one element copied to all", np.full_like(array, flat[0])
    yield "an element missing, its neighbour twice", np.concatenate([flat[:1], flat[:-1]]).reshape(array.shape)
    yield "zeros", np.zeros_like(array)
    yield "the order reversed", flat[::-1].copy().reshape(array.shape)
    yield "the elements shuffled", rng.permutation(flat).reshape(array.shape)
    if array.dtype.kind == "f":
        yield "infinity in one place", np.concatenate([[np.inf], flat[1:]]).astype(array.dtype).reshape(array.shape)
