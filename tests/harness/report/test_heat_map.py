"""The map of characters: its golden picture, its bins, and that it fits."""

from __future__ import annotations

import numpy as np
import pytest

from harness.report.heat_map import LEVELS, bin_size, character, heat_map, style


def picture(values: np.ndarray, numbers: list[int], width: int, *, ordered: bool = False) -> list[str]:
    made = heat_map(values, numbers, width, ordered=ordered)
    rows = zip(made.labels, made.cells, made.peaks, strict=True)
    return [*(f"{label} |{cells}|{peak}" for label, cells, peak in rows), " " * 4 + made.axis]


def test_the_golden_map() -> None:
    values = np.array(
        [
            [1.0] * 16,
            [0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.6],
            [8.0, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 4.0],
        ]
    )
    assert picture(values, [3, 4, 60], 40) == [
        " 3 |================|  1.0",
        " 4 | .:-=+*#%      :|  5.0",
        "60 |@..............#|  8.0",
        "    0",
    ]
    assert picture(values, [3, 4, 60], 19) == [
        " 3 |========|  1.0",
        " 4 |.-+#%  :|  5.0",
        "60 |@......#|  8.0",
        "    0",
    ]
    assert picture(values, [3, 4, 60], 40, ordered=True)[1:3] == [
        " 4 |%#*+=-::.       |  5.0",
        "60 |@#..............|  8.0",
    ]


@pytest.mark.parametrize("width", [20, 40, 80, 120, 300])
@pytest.mark.parametrize(("layers", "experts"), [(1, 8), (58, 256), (94, 128), (61, 384), (3, 7)])
def test_the_map_fits_its_width(width: int, layers: int, experts: int) -> None:
    made = heat_map(np.ones((layers, experts)), list(range(layers)), width)
    label = len(made.labels[0])
    assert label + 2 + len(made.cells[0]) + 1 + len(made.peaks[0]) <= width
    assert label + 2 + len(made.axis) <= width
    assert len(made.cells) == -(-layers // made.rows) <= 64
    assert len(made.cells[0]) == -(-experts // made.columns)


def test_bins_keep_to_blocks_of_columns() -> None:
    assert [bin_size(256, most) for most in (300, 256, 110, 70, 30)] == [1, 1, 4, 4, 16]
    assert [bin_size(7, most) for most in (7, 3, 1)] == [1, 3, 7]


def test_rows_are_binned_by_their_largest() -> None:
    values = np.ones((65, 2))
    values[64, 1] = 6.0
    made = heat_map(values, list(range(65)), 40)
    assert (made.rows, len(made.cells), made.labels[-1], made.cells[-1]) == (2, 33, "64", "=%")


def test_each_level_has_its_own_character() -> None:
    signs = [sign for _, sign, _ in LEVELS]
    assert len(set(signs)) == len(signs) and all(len(sign) == 1 and sign.isascii() for sign in signs)
    assert [character(least) for least, _, _ in LEVELS] == signs
    assert character(1e9) == "@" and style("=") == "green"
