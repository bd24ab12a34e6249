"""The layout of requests and answers: round trips, and no byte sequence that misleads the judge."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evaluator.confined import wire
from evaluator.types import Array, Call

QUICK = settings(max_examples=80, deadline=None)
SIZE = 1 << 15


def arrays() -> st.SearchStrategy[Array]:
    shapes = hnp.array_shapes(min_dims=0, max_dims=wire.MAX_DIMS, min_side=0, max_side=3)
    plain = st.sampled_from(wire.DTYPES).flatmap(lambda name: hnp.arrays(np.dtype(name), shapes))
    return st.one_of(
        plain,
        plain.map(np.transpose),
        plain.map(np.asfortranarray),
        plain.map(lambda array: np.asarray(np.flip(array))),
    )


def _unpacked(described: dict[str, Any], memory: memoryview, base: int) -> Any:
    if "dtype" not in described:
        return described.get("number", described.get("text"))
    dtype = np.dtype(described["dtype"])
    count = int(np.prod(described["shape"], dtype=np.int64))
    return np.frombuffer(memory, dtype, count, base + described["offset"]).reshape(described["shape"])


@QUICK
@given(
    args=st.lists(st.one_of(st.none(), st.integers(-(2**62), 2**62), st.text(), arrays()), max_size=4),
    offered=st.dictionaries(st.sampled_from(["history", "old"]), st.one_of(st.none(), arrays())),
    seed=st.integers(0, 2**48),
)
def test_calls_round_trip(args: list[Any], offered: dict[str, Any], seed: int) -> None:
    memory = memoryview(wire.pack_call(Call(args=tuple(args), offered=offered), seed))
    header, base = wire.unpack_request(memory)
    assert header["seed"] == seed
    assert base % wire.ALIGN == 0
    pairs = [*zip(header["args"], args, strict=True), *((header["offered"][name], offered[name]) for name in offered)]
    for described, value in pairs:
        unpacked = _unpacked(described, memory, base)
        if isinstance(value, np.ndarray):
            assert (unpacked.dtype, unpacked.shape) == (value.dtype, value.shape)
            np.testing.assert_array_equal(unpacked, value)
            assert described["offset"] % wire.ALIGN == 0
        else:
            assert unpacked == value


@given(source=st.text(st.characters(codec="utf-8")))
@QUICK
def test_programs_round_trip(source: str) -> None:
    header, _ = wire.unpack_request(memoryview(wire.pack_fields({"source": source, "offered": ["a"]})))
    assert header == {"source": source, "offered": ["a"]}


@QUICK
@given(given_arrays=st.lists(arrays(), max_size=wire.MAX_ARRAYS))
def test_answers_round_trip(given_arrays: list[Array]) -> None:
    memory = memoryview(bytearray(1 << 20))
    wire.write_answer(memory, given_arrays)
    answer = wire.read_answer(memory)
    assert isinstance(answer, tuple) and len(answer) == len(given_arrays)
    for before, after in zip(given_arrays, answer, strict=True):
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
        np.testing.assert_array_equal(after, before)


def test_read_answer_is_a_copy() -> None:
    memory = memoryview(bytearray(SIZE))
    wire.write_answer(memory, [np.arange(4)])
    (answer,) = wire.read_answer(memory)
    memory[:] = bytes(SIZE)
    assert isinstance(answer, np.ndarray) and answer.tolist() == [0, 1, 2, 3]


@given(text=st.text(max_size=3 * wire.TEXT_BYTES))
@example(text="\udc80" + "x" * wire.TEXT_BYTES)
@QUICK
def test_error_texts_round_trip(text: str) -> None:
    memory = memoryview(bytearray(SIZE))
    wire.write_error(memory, text)
    answer = wire.read_answer(memory)
    assert isinstance(answer, str)
    assert len(answer.encode()) <= wire.TEXT_BYTES + 3
    raw = text.encode("utf-8", "replace")
    if len(raw) <= wire.TEXT_BYTES:
        assert answer == raw.decode()


def _invariant(raw: bytes) -> None:
    """Any bytes give arrays whose data lie inside the memory, a bounded text, or MalformedAnswer."""
    try:
        answer = wire.read_answer(memoryview(raw))
    except wire.MalformedAnswer:
        return
    if isinstance(answer, str):
        assert len(answer) <= wire.TEXT_BYTES
        return
    assert len(answer) <= wire.MAX_ARRAYS
    for array in answer:
        assert array.dtype.kind in "biufc" and array.nbytes <= len(raw)
        assert array.nbytes == 0 or array.tobytes() in raw or array.dtype.kind == "b"
        if array.dtype.kind == "b":
            assert set(np.unique(array.view(np.uint8)).tolist()) <= {0, 1}


@given(raw=st.binary(min_size=wire.HEADER_BYTES, max_size=wire.HEADER_BYTES + 300))
@QUICK
def test_any_bytes_are_read_safely(raw: bytes) -> None:
    _invariant(raw)


LENGTHS = st.one_of(st.integers(0, 4), st.sampled_from([2**31, 2**32, 2**62, 2**63 - 1, -1, -(2**63)]))


@settings(max_examples=400, deadline=None)
@given(
    status=st.sampled_from([wire.OK, wire.OK, wire.OK, wire.RAISED, 0, 3]),
    count=st.one_of(st.integers(0, wire.MAX_ARRAYS + 1), st.just(2**32 - 1)),
    code=st.integers(0, len(wire.DTYPES) + 1),
    ndim=st.integers(0, wire.MAX_DIMS + 1),
    shape=st.lists(LENGTHS, min_size=wire.MAX_DIMS, max_size=wire.MAX_DIMS),
    offset=st.sampled_from([0, wire.HEADER_BYTES, 1024, 1025, SIZE, SIZE - 8, 2**63, 2**64 - 8]),
    nbytes=st.one_of(st.integers(0, 64), st.sampled_from([2**63, 2**64 - 1, 2**64 - 1024])),
    payload=st.binary(min_size=64, max_size=64),
)
def test_any_header_is_read_safely(
    status: int, count: int, code: int, ndim: int, shape: list[int], offset: int, nbytes: int, payload: bytes
) -> None:
    field = struct.pack("<BB6x8qQQ", code, ndim, *shape, offset, nbytes)
    head = struct.pack("<II", status, count) + field * wire.MAX_ARRAYS
    _invariant((head.ljust(1024, b"\0") + payload).ljust(SIZE, b"\0"))


def _answer(code: int, shape: tuple[int, ...], offset: int, nbytes: int) -> memoryview:
    lengths = shape + (0,) * (wire.MAX_DIMS - len(shape))
    head = struct.pack("<IIBB6x8qQQ", wire.OK, 1, code, len(shape), *lengths, offset, nbytes)
    return memoryview(head.ljust(SIZE, b"\0"))


@pytest.mark.parametrize(
    ("shape", "offset", "nbytes"),
    [
        ((2**32, 2**32), 1024, 0),  # the product is 2**64, which wraps to zero
        ((2**61,), 1024, 0),
        ((2**62, 4), 1024, 0),
        ((0, 2**62, 2**62), 1024, 0),  # empty, yet its extent overflows in numpy
        ((2**62, 0, 2**62), 1024, 0),
        ((4,), SIZE - 24, 32),
        ((4,), 0, 32),
        ((4,), wire.HEADER_BYTES - 8, 32),
        ((4,), 2**64 - 32, 32),
        ((4,), 1024, 24),
        ((-1,), 1024, 0),
        ((-4, -1), 1024, 32),
    ],
)
def test_impossible_arrays_are_refused(shape: tuple[int, ...], offset: int, nbytes: int) -> None:
    with pytest.raises(wire.MalformedAnswer):
        wire.read_answer(_answer(wire.DTYPES.index("i8"), shape, offset, nbytes))


def test_boolean_bytes_other_than_zero_become_one() -> None:
    memory = bytearray(_answer(wire.DTYPES.index("?"), (4,), 1024, 4))
    memory[1024:1028] = bytes([0, 1, 2, 255])
    (answer,) = wire.read_answer(memoryview(memory))
    assert isinstance(answer, np.ndarray)
    assert answer.view(np.uint8).tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([np.zeros(1)] * (wire.MAX_ARRAYS + 1), "at most 8 arrays, found 9"),
        ([np.zeros(SIZE)], "larger than any valid answer"),
        ([np.array([None])], "dtype object"),
        ([np.array(["text"])], "dtype <U4"),
        ([np.zeros(2, "datetime64[s]")], "dtype datetime64"),
        ([np.zeros(2, ">i4")], "dtype >i4"),
        ([np.zeros((1,) * 9)], "9 dimensions"),
        ([np.zeros(1, np.longdouble)], "dtype float128"),
    ],
)
def test_answers_that_do_not_fit_say_why(answer: list[Array], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wire.write_answer(memoryview(bytearray(SIZE)), answer)
