"""Sequences and sets that grow at their end and stay values."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from harness.series import Names, Series


@given(st.lists(st.integers()), st.lists(st.integers(), min_size=1), st.integers(0, 5))
def test_extending_a_series_leaves_the_shorter_one_unchanged(first: list[int], more: list[int], branch: int) -> None:
    grown = [Series(first)]
    for item in more:
        grown.append(grown[-1].plus(item))
    other = grown[branch % len(grown)].plus(-1)
    for size, one in enumerate(grown):
        assert one == [*first, *more[:size]] == list(one) and len(one) == len(first) + size
    assert other == [*grown[branch % len(grown)], -1]


def test_series_behaves_as_a_tuple() -> None:
    items = Series([1, 2]).plus(3)
    shorter = Series([1, 2])
    assert (items[0], items[-1], items[1:], items[::-1], items[-2:]) == (1, 3, (2, 3), (3, 2, 1), (2, 3))
    assert items == (1, 2, 3) and items == (1, 2, 3) and items != (1, 2) and items != "123"
    assert (*items, 4) == (1, 2, 3, 4) and 3 in items and 3 not in shorter
    assert sorted(random.Random(0).sample(items, 3)) == [1, 2, 3]
    for wrong in (3, -4):
        try:
            items[wrong]
        except IndexError:
            continue
        raise AssertionError(f"expected no item {wrong}")
    before = items
    after = items.plus(4)
    assert list(before) == [1, 2, 3] and 4 not in before and after[3] == 4


@given(st.lists(st.sampled_from("abcde")), st.lists(st.sampled_from("abcde")))
def test_names_behave_as_sets(first: list[str], more: list[str]) -> None:
    names = Names(first)
    grown = names
    for name in more:
        grown = grown.plus(name)
    assert set(names) == set(first) and len(names) == len(set(first))
    assert set(grown) == {*first, *more} and len(grown) == len({*first, *more})
    assert all((name in names) == (name in first) for name in "abcdef")
    other = names.plus("f")
    assert "f" not in names and "f" not in grown and set(other) == {*first, "f"}
    assert names == Names(reversed(first))
