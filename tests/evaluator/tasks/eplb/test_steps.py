"""Summing recorded steps into windows, and short lists in messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.tasks.eplb.steps import Steps, shortened, windows
from evaluator.types import WorkloadError


def passes(loads: np.ndarray) -> Steps:
    return Steps(where=Path("t.pt"), loads=loads.astype(np.float64), per_window=None)


@given(st.integers(1, 5000))
def test_passes_become_a_few_windows(count: int) -> None:
    made, notes = windows(passes(np.arange(1, count + 1).reshape(count, 1, 1)), None)
    if count <= 16:
        assert len(made) == count and not notes
        return
    assert 6 <= len(made) <= 16
    per_window = int(np.searchsorted(np.cumsum(np.arange(1, count + 1)), made[0, 0, 0])) + 1
    assert made.sum() == sum(range(1, len(made) * per_window + 1)), "each pass is in one window, in order"
    assert count - len(made) * per_window < per_window
    assert f"{count} steps summed into {len(made)} windows of {per_window}" in notes[0]
    assert notes[0].endswith("steps_per_window sets another number")


def test_a_thousand_passes_are_ten_windows() -> None:
    made, notes = windows(passes(np.ones((1000, 2, 3))), None)
    np.testing.assert_array_equal(made, np.full((10, 2, 3), 100))
    assert notes == ["t.pt: 1000 steps summed into 10 windows of 100; steps_per_window sets another number"]


@given(st.lists(st.booleans(), min_size=1, max_size=60).filter(any), st.integers(1, 5))
def test_passes_without_load_are_left_out_before_summing(loaded: list[bool], per_window: int) -> None:
    loads = np.where(loaded, np.arange(1, len(loaded) + 1), 0)[:, None, None]
    made, notes = windows(passes(loads), per_window)
    kept = loads[loads.ravel() > 0]
    expected, _ = windows(Steps(where=Path("t.npy"), loads=kept.astype(float), per_window=1), per_window)
    np.testing.assert_array_equal(made, expected)
    empty = len(loaded) - sum(loaded)
    assert (notes[0] if empty else "").startswith(f"t.pt: left out {empty} of {len(loaded)}" if empty else "")


def test_only_passes_without_load_are_an_error() -> None:
    with pytest.raises(
        WorkloadError, match=r"t\.pt: expected some load, found only zeros in 1000 forward passes: record"
    ):
        windows(passes(np.zeros((1000, 2, 3))), None)


def test_steps_of_other_formats_are_kept_when_empty() -> None:
    made, notes = windows(Steps(where=Path("t.npy"), loads=np.zeros((40, 1, 1)), per_window=1), None)
    assert made.shape == (40, 1, 1) and not notes


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (range(3), "0, 1, 2"),
        (range(8), "0, 1, 2, 3, 4, 5, 6, 7"),
        (range(10**6), "0, 1, 2, 3, 4, 5, 6, 7 and 999992 more"),
        (["x" * 1000], "x" * 40 + "..."),
        ([], ""),
    ],
)
def test_lists_are_short(values: range | list[str], text: str) -> None:
    assert shortened(values, len(values)) == text
