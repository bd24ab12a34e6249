"""Counts of ranks become loads of logical experts: the sum, what belongs together, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.tasks.eplb.placed_counts import Dump, RankCounts, add, joined
from evaluator.tasks.eplb.steps import Floats
from evaluator.types import WorkloadError

FOLDER = Path("dumps")
PLACEMENT = np.array([[0, 1, 2, 3, 0, 1], [3, 2, 1, 0, 3, 2]])


def part(rank: int, counts: Any, passes: Sequence[int] | None = None, placement: Any = PLACEMENT) -> RankCounts:
    counts = np.asarray(counts)
    where = FOLDER / f"rank{rank}.pt"
    passes = range(1, len(counts) + 1) if passes is None else passes
    return RankCounts(where=where, rank=rank, passes=tuple(passes), counts=counts, placement=np.asarray(placement))


def merged(*parts: RankCounts) -> tuple[Floats, list[str]]:
    dumps: list[Dump] = []
    for one in parts:
        add(dumps, one)
    return joined(dumps, FOLDER)


def random_counts(passes: int = 3, seed: int = 0, placement: np.ndarray = PLACEMENT) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 50, (passes, *placement.shape)).astype(np.int32)


def by_hand(counts: np.ndarray, placement: np.ndarray) -> np.ndarray:
    loads = np.zeros((*counts.shape[:2], placement.max() + 1))
    for number, layer, slot in np.ndindex(counts.shape):
        loads[number, layer, placement[layer, slot]] += counts[number, layer, slot]
    return loads


@st.composite
def recordings(draw: st.DrawFn) -> tuple[np.ndarray, list[np.ndarray]]:
    """A placement, and the counts of 1 to 4 ranks."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    layers, experts, extra = draw(st.integers(1, 3)), draw(st.integers(1, 6)), draw(st.integers(0, 5))
    spare = rng.integers(experts, size=(layers, extra))
    row = np.concatenate([np.tile(np.arange(experts), (layers, 1)), spare], axis=1)
    placement = rng.permuted(row, axis=1)
    shape = (draw(st.integers(1, 5)), *placement.shape)
    return placement, [rng.integers(1, 9, shape).astype(np.int32) for _ in range(draw(st.integers(1, 4)))]


@given(recordings(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_ranks_are_summed_and_mapped_in_any_order_of_files(recording: Any, order: Any) -> None:
    placement, counts = recording
    parts = [part(rank, one, placement=placement) for rank, one in enumerate(counts)]
    order.shuffle(parts)
    loads, notes = merged(*parts)
    np.testing.assert_array_equal(loads, by_hand(sum(counts), placement))
    assert len(notes) == (len(counts) == 1)


def test_passes_are_in_the_order_of_their_numbers_whatever_that_of_the_records() -> None:
    counts = random_counts()
    loads, _ = merged(part(0, counts, (9, 4, 7)))
    np.testing.assert_array_equal(loads, by_hand(counts[[1, 2, 0]], PLACEMENT))


def test_the_kth_files_of_the_ranks_are_the_kth_dump() -> None:
    first, second = random_counts(seed=1), random_counts(seed=2)
    later = np.roll(PLACEMENT, 1, axis=1)
    parts = [part(rank, first) for rank in (0, 1)] + [part(rank, second, (5, 6, 7), later) for rank in (1, 0)]
    loads, notes = merged(*parts)
    np.testing.assert_array_equal(loads, np.concatenate([by_hand(2 * first, PLACEMENT), by_hand(2 * second, later)]))
    assert "the placement changed between dumps" in notes[0]


def test_passes_at_the_ends_that_some_rank_lacks_are_left_out() -> None:
    counts = random_counts(4)
    loads, notes = merged(part(0, counts, (1, 2, 3, 4)), part(1, counts, (2, 3, 4, 5)))
    np.testing.assert_array_equal(loads, by_hand(counts[1:] + counts[:-1], PLACEMENT))
    assert notes == ["dumps: left out 2 forward passes at the ends, which not every rank recorded"]


def test_an_idle_rank_may_lack_passes_or_have_no_load() -> None:
    counts = random_counts(4)
    loads, notes = merged(part(0, counts), part(1, counts[[0, 3]], (1, 4)), part(2, 0 * counts))
    np.testing.assert_array_equal(loads, by_hand(counts * np.array([2, 1, 1, 2])[:, None, None], PLACEMENT))
    assert not notes


def test_passes_of_a_draft_model_without_load_do_not_count_as_repeated() -> None:
    counts = np.concatenate([random_counts(2), np.zeros((3, *PLACEMENT.shape), dtype=np.int32)])
    loads, _ = merged(part(0, counts, (1, 2, 1, 2, 3)))
    np.testing.assert_array_equal(loads, by_hand(counts[:2], PLACEMENT))


def own(rank: int, ranks: int) -> np.ndarray:
    """Counts of a rank that sees only the tokens for its own physical experts."""
    counts = np.zeros((3, *PLACEMENT.shape), dtype=np.int32)
    width = PLACEMENT.shape[1] // ranks
    counts[:, :, rank * width : (rank + 1) * width] = 1 + rank
    return counts


def test_ranks_that_count_their_own_experts_are_summed() -> None:
    loads, notes = merged(*(part(rank, own(rank, 3)) for rank in range(3)))
    np.testing.assert_array_equal(loads, by_hand(sum(own(rank, 3) for rank in range(3)), PLACEMENT))
    assert not notes


def test_one_rank_alone_is_noted() -> None:
    _, notes = merged(part(5, random_counts()))
    assert notes == ["dumps: the counts of rank 5 alone; if there were more ranks, give the folder of their files"]


FULL = random_counts()


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([part(0, FULL), part(2, FULL)], "expected the files of ranks 0 to 2, found none of rank 1: add them"),
        ([part(0, FULL), part(40, FULL)], "found none of ranks 1, 2, 3, 4, 5, 6, 7, 8 and 31 more"),
        ([part(0, own(0, 3)), part(1, own(1, 3))], "found those of ranks 0, 1, which .* as if there were 3 ranks"),
        ([part(0, own(0, 2))], "found those of rank 0, which have load on their own .* as if there were 2 ranks"),
        ([part(1, own(1, 3))], "as if there were 3 ranks: add the files of the others"),
        (
            [part(0, FULL), part(1, FULL), part(0, FULL, (7, 8, 9))],
            "expected as many files of each rank, found a dump of ranks 0, 1 and one of rank 0: add the missing files",
        ),
        ([part(0, FULL), part(0, FULL)], "expected forward passes after 3, .* found pass 1: it is of another run"),
        ([part(0, FULL, (4, 5, 6)), part(0, FULL)], "after 6, .* found pass 1: .*, so give each recording a folder"),
        ([part(0, FULL, (1, 2, 2))], "found records with load of pass 2 twice"),
        (
            [part(0, FULL), part(1, FULL, (7, 8, 9))],
            "all ranks recorded, found passes 7 to 9 of rank 1 and 1 to 3 of rank 0",
        ),
        ([part(0, 0 * FULL)], r"expected some load in the dump of dumps/rank0\.pt, found only zeros: record while"),
        (
            [part(0, FULL), part(1, FULL, placement=PLACEMENT[::-1])],
            r"rank1\.pt: expected last_physical_to_logical_map as in dumps/rank0\.pt, found another",
        ),
        (
            [part(0, FULL, placement=PLACEMENT - 1)],
            "expected experts of 0 to 5, found -1 at layer 0, physical expert 0",
        ),
        (
            [part(0, FULL, placement=PLACEMENT * 10**15)],
            "expected experts of 0 to 5, found 1000000000000000 at layer 0",
        ),
        (
            [part(0, FULL, placement=np.where(PLACEMENT == 2, 3, PLACEMENT)[[0, 0]])],
            "expected each expert in each layer, found none of expert 2 in layer 0",
        ),
        ([part(0, FULL - 10**6)], "loads of at least 0, found .* at record 0, layer 0, physical expert 0: record or"),
        ([part(0, np.where(FULL.max() == FULL, np.nan, FULL))], "expected finite loads, found nan at record"),
        (
            [part(0, FULL), part(0, FULL[:, :1], (7, 8, 9), PLACEMENT[:1])],
            r"expected 2 layers x 4 experts as in dumps/rank0\.pt, found 1 layers x 4 experts: give each model's",
        ),
    ],
)
def test_files_that_do_not_belong_together_are_refused(parts: list[RankCounts], says: str) -> None:
    with pytest.raises(WorkloadError, match=says):
        merged(*parts)
