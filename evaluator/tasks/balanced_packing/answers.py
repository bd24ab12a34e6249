"""Validating an answer of balanced packing: every pack full, every place taken once.

Owns: what a valid answer is, and the texts that say what is wrong. Does not know: weights, scores.

Shapes: X rows, n items, P packs of k = n / P places. Arrays may arrive in any dtype and shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evaluator.types import Answer, Array, InvalidAnswer

Ints = NDArray[np.int64]


def answer_bytes(sizes: Mapping[str, int]) -> int:
    """The size in bytes of a valid answer, with 8 bytes per entry."""
    return 2 * 8 * sizes["rows"] * sizes["items"]


def read_answer(answer: Answer, sizes: Mapping[str, int]) -> Ints:
    """The slot of each item, `pack_index * k + rank_in_pack`, int64 `[X, n]`, a permutation of 0..n-1 in every row and
    read-only. Raises InvalidAnswer.
    """
    if len(answer) != 2:
        found = f"{len(answer)} array{'s' if len(answer) != 1 else ''}"
        raise InvalidAnswer("form", f"expected two arrays (pack_index, rank_in_pack), found {found}")
    packs, held = sizes["packs"], sizes["items"] // sizes["packs"]
    pack_Xn = _whole_numbers("pack_index", answer[0], sizes, packs)
    rank_Xn = _whole_numbers("rank_in_pack", answer[1], sizes, held)
    _check_full(pack_Xn, packs, held)
    slot_Xn = pack_Xn * held + rank_Xn
    _check_ranks(slot_Xn, held)
    slot_Xn.setflags(write=False)
    return slot_Xn


def _whole_numbers(name: str, array: Array, sizes: Mapping[str, int], above: int) -> Ints:
    """The array in int64, if it has the right shape and holds whole numbers from 0 to below `above`."""
    if array.dtype.kind not in "iu":
        raise InvalidAnswer("dtype", f"{name}: expected an integer dtype, found {array.dtype}")
    shape = (sizes["rows"], sizes["items"])
    if array.shape != shape:
        raise InvalidAnswer(
            "shape", f"{name}: expected the shape [rows, items] = {_text(shape)}, found {_text(array.shape)}"
        )
    whole_Xn = array.astype(np.int64)
    # Unsigned numbers beyond int64 become negative here, which is out of range too.
    outside_Xn = (whole_Xn < 0) | (whole_Xn >= above)
    if outside_Xn.any():
        row, item = _first(outside_Xn)
        raise InvalidAnswer(
            "range", f"{name}: expected 0 to {above - 1}, found {array[row, item]} for item {item} of row {row}"
        )
    return whole_Xn


def _check_full(pack_Xn: Ints, packs: int, held: int) -> None:
    rows = len(pack_Xn)
    keys_Xn = pack_Xn + np.arange(rows)[:, None] * packs
    count_XP = np.bincount(keys_Xn.ravel(), minlength=rows * packs).reshape(rows, packs)
    if (count_XP != held).any():
        row, pack = _first(count_XP != held)
        raise InvalidAnswer(
            "cardinality",
            f"pack_index: expected {held} items in every pack, found {count_XP[row, pack]} in pack {pack} of row {row}",
        )


def _check_ranks(slot_Xn: Ints, held: int) -> None:
    """With every pack full, ranks differ within a pack exactly if all slots are taken."""
    sorted_Xn = np.sort(slot_Xn, axis=1)
    missing_Xn = sorted_Xn != np.arange(slot_Xn.shape[1])
    if missing_Xn.any():
        row, _ = _first(missing_Xn)
        twice = int(np.flatnonzero(np.bincount(slot_Xn[row]) > 1)[0])
        items = np.flatnonzero(slot_Xn[row] == twice)
        raise InvalidAnswer(
            "rank",
            f"rank_in_pack: expected 0 to {held - 1}, each once in a pack, found {twice % held} for items "
            f"{_text(items)} of pack {twice // held} in row {row}",
        )


def _first(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def _text(numbers: Sequence[int] | Array) -> str:
    shown = ", ".join(str(number) for number in numbers[:12])
    return f"[{shown}, ...]" if len(numbers) > 12 else f"[{shown}]"
