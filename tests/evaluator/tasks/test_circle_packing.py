"""Circle packing: what is valid is decided exactly, claims that need a tolerance are named, and the contract holds."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator import shipped
from evaluator.screen import screen
from evaluator.task_protocol import Task
from evaluator.tasks.circle_packing import CirclePacking
from evaluator.tasks.circle_packing.answers import read_answer
from evaluator.tasks.circle_packing.bounds import radii_bound
from evaluator.tasks.circle_packing.exact import Floats, inside, shrink, violations, worst
from evaluator.types import Answer, Call, Case, InvalidAnswer, WorkloadError
from harness.git import merge_file
from harness.patch import apply_reply
from tests.evaluator.contracts import TaskContract
from tests.evaluator.replay import answer_of, entry_of

TOUCHING = np.array([[0.25, 0.25, 0.25], [0.75, 0.25, 0.25], [0.25, 0.75, 0.25], [0.75, 0.75, 0.25]])
"""Four circles that fill the unit square: all walls and four pairs touch."""


def squares(n: int, width: float, height: float) -> Answer:
    """Equal circles of a diameter a little below the side of the cells of a grid."""
    side = math.ceil(math.sqrt(n))
    at = np.arange(n)
    centres = np.stack([(at % side + 0.5) * width / side, (at // side + 0.5) * height / side], axis=1)
    return centres, np.full(n, 0.4999 * min(width, height) / side)


class TestCirclePacking(TaskContract):
    def make(self) -> Task:
        return CirclePacking(circles=(10,))

    def option_texts(self, folder: Path) -> dict[str, tuple[str, ...]]:
        return {"--circles": ("26", "32")}

    def answer(self, task: Task, case: Case, call: Call) -> Answer:
        return squares(case.sizes["circles"], *case.data.tolist())


def by_fractions(packing_N3: Floats, width: float, height: float) -> bool:
    """The definition of a valid packing, in rational numbers."""
    rows = [[Fraction(value) for value in row] for row in packing_N3.tolist()]
    wide, high = Fraction(width), Fraction(height)
    walls = all(r <= x <= wide - r and r <= y <= high - r for x, y, r in rows)
    return walls and all(
        (x - u) ** 2 + (y - v) ** 2 >= (r + s) ** 2 for i, (x, y, r) in enumerate(rows) for u, v, s in rows[:i]
    )


def test_touching_circles_are_valid_and_one_float_more_is_not() -> None:
    assert worst(TOUCHING, 1.0, 1.0) is None
    for row in range(4):
        larger = TOUCHING.copy()
        larger[row, 2] = np.nextafter(larger[row, 2], 1)
        found = list(violations(larger, 1.0, 1.0))
        assert [violation.circles for violation in found[:1]] == [(row,)] and len(found) == 3
        assert all(violation.depth == 2.0**-54 for violation in found)
        assert worst(shrink(larger, 1.0, 1.0), 1.0, 1.0) is None


def test_an_overlap_that_floats_do_not_see_is_found() -> None:
    """The distance is below 1 by 2^-120: rounded, it is 1."""
    off = 2.0**-60
    packing = np.array([[0.5, 0.5, 0.5], [1.5, 0.5 + off, 0.5], [2.5, 0.5, 0.5 + 2.0**-54]])
    assert worst(packing[:2], 2.0, 2.0) is None
    touching = packing.copy()
    touching[2, 2] = 0.5
    touching[1, 0] = np.nextafter(1.5, 0)
    [violation] = violations(touching[:2], 2.0, 2.0)
    assert violation.circles == (0, 1) and violation.depth == pytest.approx(2.0**-53)
    assert math.hypot(1.0, off) == 1.0, "so a check in floats tells nothing of the first pair"


numbers = st.floats(0.01, 0.99) | st.sampled_from([0.25, 0.5, 0.75, 1e-300, 5e-324])
rows = st.tuples(numbers, numbers, st.floats(1e-9, 0.5) | st.sampled_from([0.25, 5e-324]))


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, min_size=1, max_size=5), st.floats(1, 1.1), st.floats(1, 1.1))
def test_what_is_valid_agrees_with_rational_numbers(circles: list[tuple[float, ...]], wide: float, high: float) -> None:
    packing = np.array(circles)
    found = list(violations(packing, wide, high))
    assert (not found) == by_fractions(packing, wide, high)
    assert inside(packing, wide, high) == all(len(violation.circles) == 2 for violation in found)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.floats(0, 1e-6), st.integers(0, 2**32))
def test_a_packing_that_needs_a_tolerance_shrinks_to_a_valid_one(n: int, excess: float, seed: int) -> None:
    centres, radii = squares(n, 1.0, 1.0)
    spread = np.random.default_rng(seed).uniform(-1, 1, n)
    packing = np.concatenate([centres, (radii / 0.9998 + excess * spread)[:, None]], axis=1)
    deepest = worst(packing, 1.0, 1.0)
    fitted = shrink(packing, 1.0, 1.0)
    assert by_fractions(fitted, 1.0, 1.0)
    np.testing.assert_array_equal(fitted[:, :2], packing[:, :2])
    lost = packing[:, 2].sum() - fitted[:, 2].sum()
    assert 0 <= lost <= n * (deepest.depth if deepest else 0) + 1e-13


def test_a_circle_within_another_cannot_be_shrunk() -> None:
    with pytest.raises(ValueError, match="vanishes"):
        shrink(np.array([[0.5, 0.5, 0.4], [0.5, 0.5, 0.1]]), 1.0, 1.0)


def refused(centres: object, radii: object, n: int = 4) -> InvalidAnswer:
    with pytest.raises(InvalidAnswer) as error:
        read_answer((np.array(centres), np.array(radii)), n, 1.0, 1.0)
    return error.value


def test_a_claim_that_needs_a_tolerance_is_refused_by_that_name() -> None:
    centres, radii = TOUCHING[:, :2], TOUCHING[:, 2] + np.array([8e-7, 0, 0, 0])
    error = refused(centres, radii)
    assert error.reason == "needs_tolerance"
    assert "tolerance of 8e-07, expected none: circle 0 reaches beyond a wall by 8e-07" in error.detail
    assert "sum to 1.000000800000, and to 0.999999200000" in error.detail
    assert refused(centres, radii + np.array([1e-5, 0, 0, 0])).reason == "outside"
    assert refused(0.5 + 0.9 * (centres - 0.5), radii - 0.005).reason == "overlap"


def test_other_answers_are_refused_with_what_was_found() -> None:
    centres, radii = TOUCHING[:, :2], TOUCHING[:, 2]
    assert refused(centres, radii * [1, 1, 1, -1]).reason == "radius"
    assert refused(centres * 1e200, radii).detail == "expected circles in the rectangle, found circle 1 far outside"
    assert refused(centres * [1, np.nan], radii).detail == "centres: expected finite numbers, found nan at 0, 1"
    assert refused(centres, radii.astype(np.complex128)).reason == "dtype"
    assert refused(centres.T, radii).detail == "centres: expected the shape [4, 2], found [2, 4]"
    assert refused(centres.astype(np.longdouble), radii).reason == "dtype"
    assert read_answer((centres.astype(np.float32), radii), 4, 1.0, 1.0).dtype == np.float64


def test_the_bound_is_that_of_the_hexagonal_lattice() -> None:
    """A large circle-free cell of area 2 sqrt(3) r^2 for each circle."""
    assert radii_bound(1, 2 * math.sqrt(3), 1.0) == pytest.approx(1.0)
    assert radii_bound(26, 1.0, 1.0) == pytest.approx(2.739627, abs=1e-6)
    assert radii_bound(32, 1.0, 1.0) == pytest.approx(3.039342, abs=1e-6)


def test_more_sides_give_a_cell_less_and_less() -> None:
    """As the bound's proof needs it: cot(pi / k) / k rises with k, and is concave."""
    steps = np.diff([1 / (k * math.tan(math.pi / k)) for k in range(3, 200)])
    assert (steps > 0).all() and (np.diff(steps) < 0).all()


def test_a_packing_of_the_square_is_valid_in_every_draw_and_wins_nothing_by_the_room() -> None:
    task = CirclePacking(circles=(26,))
    [case] = task.cases(0)
    answer = squares(26, 1.0, 1.0)
    rng = np.random.default_rng(0)
    in_square = task.pass_quality(case, 0, task.read(case, answer))
    for drawn in (task.draw(case, rng) for _ in range(5)):
        assert task.pass_quality(drawn, 0, task.read(drawn, answer)) < in_square
        fitted = task.read(drawn, squares(26, *drawn.data.tolist()))
        assert task.pass_quality(case, 0, fitted) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"circles": []}, "at least one"),
        ({"circles": [26, 26]}, "different"),
        ({"circles": [201]}, "at most 200"),
        ({"circles": ["26"]}, "whole number"),
        ({"circles": 26}, "a list"),
        ({"circle": [26]}, "did you mean circles"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(WorkloadError, match=said):
        CirclePacking.from_options(options)


SUMS = {"grid": 2.166, "gaps": 2.541, "barrier": 2.6359}
"""What each program reaches at least, for 26 circles in the unit square."""


@pytest.mark.parametrize("name", SUMS)
def test_shipped_programs_are_valid_and_as_good_as_the_page_says(name: str) -> None:
    task = CirclePacking(circles=(26,))
    source = shipped(f"programs/circle_packing/{name}.py").read_text()
    assert screen(source, task.entry_point) is None
    entry = entry_of(source, task.entry_point)
    [case] = task.cases(0)
    plan = task.read(case, answer_of(entry, task.call(case, 0, ())))
    assert task.score(case, (plan,)).metrics["sum_of_radii"] > SUMS[name]


PATCHED = {"shifted_rows": 1.38, "gaps": 1.56, "newton": 1.57}
"""What the seed program, which reaches 1.25, does at least with each patch, for 10 circles in the unit square."""


def with_patch(name: str) -> str:
    folder = shipped("programs/circle_packing")
    child = apply_reply((folder / "patches" / f"{name}.patch").read_text(), (folder / "grid.py").read_text())
    assert child.name == name and set(child.tiers) == {"exact"} and not child.warnings
    assert max(map(len, child.source.splitlines())) <= 120
    return child.source


def test_every_shipped_patch_makes_the_seed_program_better_for_any_number_of_circles() -> None:
    assert {path.stem for path in shipped("programs/circle_packing/patches").iterdir()} == set(PATCHED)
    for name, least in PATCHED.items():
        entry = entry_of(with_patch(name), "pack_circles")
        for n in (1, 2, 3, 10):
            task = CirclePacking(circles=(n,))
            [case] = task.cases(0)
            plan = task.read(case, answer_of(entry, task.call(case, 0, ())))
        assert task.score(case, (plan,)).metrics["sum_of_radii"] > least


@pytest.mark.parametrize("layout", ["gaps", "shifted_rows"])
def test_a_layout_and_the_optimisation_of_it_merge(layout: str) -> None:
    seed = shipped("programs/circle_packing/grid.py").read_text()
    both = merge_file(with_patch(layout), seed, with_patch("newton"))
    assert both is not None and screen(both, "pack_circles") is None
    task = CirclePacking(circles=(12,))
    [case] = task.cases(0)
    alone, merged = (entry_of(source, "pack_circles") for source in (with_patch(layout), both))
    before, after = (task.read(case, answer_of(entry, task.call(case, 0, ()))) for entry in (alone, merged))
    assert after[:, 2].sum() > before[:, 2].sum() + 0.01
