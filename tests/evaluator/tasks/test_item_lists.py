"""OR-Library's layout, the bounds, and the lists that are generated."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.tasks import TASKS
from evaluator.tasks.item_lists import bounds
from evaluator.tasks.item_lists.or_library import read_set
from evaluator.tasks.item_lists.sources import STANDARD, Source
from evaluator.types import WorkloadError

TRIPLETS = "2\n t6_00\n 100.0 3 1\n 49.5\n 25.0\n 25.5\n t6_01\n 100.0 3 1\n40\n30.1\n29.9\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "set.txt"
    path.write_text(text)
    return path


def test_a_set_with_decimals_becomes_whole_numbers(tmp_path: Path) -> None:
    found = read_set(written(tmp_path, TRIPLETS))
    assert (found.items.tolist(), found.capacity) == ([[495, 250, 255], [400, 301, 299]], 1000)
    assert found.best_known == (1, 1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected the number of lists, found the end of the file"),
        ("1\n a\n 150 2 0\n 20\n", "expected the size of an item, found the end of the file"),
        ("1\n a\n 150 1 0\n 20\n 30\n", "line 5: expected the end of the file after the last list, found '30'"),
        ("1\n a\n 150 1 0\n 151\n", "line 4: expected a size above 0 and at most the capacity 150, found '151'"),
        ("1\n a\n 150 1 0\n nan\n", "line 4: expected the size of an item, found 'nan'"),
        ("1\n a\n 150 1\n 20\n", "line 3: expected capacity, items and best known, found '150 1'"),
        ("1\n a\n 150 1.5 0\n 20\n", "line 3: expected the number of items, a whole number"),
        ("2\n a\n 150 1 0\n 20\n b\n 150 2 0\n 20\n 30\n", "expected 1 items and capacity 150 as in the first list"),
        ("1\n a\n 150 1 0\n 1e-9\n", "at most 6 decimals"),
        ("1\n a\n 1e300 1 0\n 20\n", "found a capacity of"),
        ("1\n a\n 150 1 0\n 1e9999999\n", "line 4: expected a size"),
    ],
)
def test_a_file_of_another_layout_is_refused_with_the_place(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(WorkloadError) as refused:
        read_set(written(tmp_path, text))
    assert why in str(refused.value) and "set.txt" in str(refused.value)


@settings(max_examples=40, deadline=None)
@given(text=st.text(alphabet="0123456789.-e \nna", max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = written(tmp_path_factory.getbasetemp(), text)
    try:
        found = read_set(path)
    except WorkloadError:
        return
    assert found.items.min() >= 1 and found.items.max() <= found.capacity


def fewest_bins(items: tuple[int, ...], capacity: int) -> int:
    """By trying all ways to number the bins."""
    best = len(items)
    for bins in product(range(len(items)), repeat=len(items)):
        loads = np.bincount(bins, weights=items)
        if loads.max() <= capacity:
            best = min(best, len(set(bins)))
    return best


@settings(max_examples=40, deadline=None)
@given(items=st.lists(st.integers(1, 10), min_size=1, max_size=4))
def test_the_bounds_are_below_the_fewest_bins(items: list[int]) -> None:
    sizes = np.array(items)
    assert bounds.l1(sizes, 10) <= bounds.l2(sizes, 10) <= fewest_bins(tuple(items), 10)


@settings(max_examples=60, deadline=None)
@given(items=st.lists(st.integers(1, 20), min_size=1, max_size=20))
def test_l2_is_the_largest_over_all_k(items: list[int]) -> None:
    """By its definition, with every K from 0 to half the capacity."""
    capacity, found = 20, []
    for k in range(capacity // 2 + 1):
        large = [s for s in items if s > capacity // 2]
        beside = [s for s in large if s <= capacity - k]
        small = [s for s in items if k <= s <= capacity // 2]
        beyond = sum(small) - (len(beside) * capacity - sum(beside))
        found.append(len(large) + max(0, -(-beyond // capacity)))
    assert bounds.l2(np.array(items), capacity) == max(found)


def test_generated_lists_are_as_the_literature_has_them() -> None:
    rng = np.random.default_rng(0)
    uniform, weibull, triplet = (STANDARD[name].draw(rng) for name in ("uniform-1000", "weibull-10k", "triplet-60"))
    assert (uniform.min(), uniform.max()) == (20, 100)
    assert 1 <= weibull.min() < 5 and 85 < weibull.max() <= 100
    # 50,000 sizes: a mean of 39.67 with a deviation of .07. Rounded to whole numbers, not cut, they have 40.17.
    assert 39.4 < weibull.mean() < 39.93
    assert triplet.sum(axis=1).tolist() == [20_000] * 20 and triplet.min() >= 250


def test_fresh_lists_of_a_set_have_its_sizes_in_another_order(tmp_path: Path) -> None:
    source = Source.of_set("set", read_set(written(tmp_path, TRIPLETS)))
    drawn = source.draw(np.random.default_rng(0))
    assert drawn.shape == (2, 3) and set(drawn.reshape(-1)) <= {495, 250, 255, 400, 301, 299}


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ({"kind": "uniform", "items": 9, "capacity": 50}, "expected low <= high <= capacity"),
        ({"kind": "triplet", "items": 10, "capacity": 1000}, "expected items in threes"),
        ({"kind": "weibull", "items": 10, "capacity": 99}, "capacity of at least 100"),
        ({"kind": "uniform", "items": 0, "capacity": 150}, "expected items to be a whole number"),
        ({"kind": "uniform", "items": 2**30, "capacity": 150}, "at most 4,194,304 items"),
        ({"kind": "uniform", "items": 9, "capacity": 5000}, "expected a capacity of at most 4,096"),
        ({"kind": "unifrom", "items": 9, "capacity": 150}, "did you mean uniform?"),
        ("weibull-5", "did you mean weibull-"),
    ],
)
def test_sizes_that_cannot_be_are_refused(case: object, why: str) -> None:
    with pytest.raises(WorkloadError, match=why.replace("?", r"\?")):
        TASKS["bin_packing"]({"cases": [case]})


SET = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "binpack3_or3.txt"


@pytest.mark.skipif(not SET.exists(), reason="the set is not beside this checkout")
def test_or3_has_its_shape() -> None:
    found = read_set(SET)
    assert found.items.shape == (20, 500) and found.capacity == 150
    assert sum(bounds.l1(items, 150) for items in found.items) == 4024
