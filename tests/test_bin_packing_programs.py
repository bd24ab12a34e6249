"""The shipped programs and patches of both bin-packing tasks: what they pack, their order, and where patches apply."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluator import TASKS
from evaluator.screen import screen
from evaluator.task_protocol import driver_of
from harness.patch import apply_reply
from tests.evaluator.replay import answer_of, entry_of

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
ORDERS = {
    "bin_packing": ("worst_fit", "first_fit", "best_fit", "no_dust"),
    "bin_packing_offline": ("next_fit_decreasing", "first_fit_decreasing", "best_fit_decreasing", "least_slack"),
}
"""Worst first; the second and the third differ by little."""
SEEDS = {"bin_packing": "best_fit", "bin_packing_offline": "first_fit_decreasing"}
# What each patch needs below it, and whether it packs better than the seed program on the case below.
PATCHES = {
    ("bin_packing", "keep_from_dust"): ((), True),
    ("bin_packing", "price_of_dust"): (("keep_from_dust",), True),
    ("bin_packing", "brim_first"): ((), False),
    ("bin_packing_offline", "tightest_bin"): ((), False),
    ("bin_packing_offline", "bin_by_bin"): ((), True),
}
CASE = {"kind": "uniform", "items": 500, "capacity": 150, "lists": 20}


def program(task: str, name: str) -> str:
    return (PROGRAMS / task / f"{name}.py").read_text()


def patched(task: str, *names: str) -> str:
    source = program(task, SEEDS[task])
    for name in names:
        source = apply_reply((PROGRAMS / task / "patches" / f"{name}.patch").read_text(), source).source
    return source


def quality(name: str, source: str) -> float:
    """On the case, once every hard case is answered validly."""
    task = TASKS[name]({"cases": [CASE]})
    assert screen(source, task.entry_point) is None
    entry = entry_of(source, task.entry_point, driver_of(task))
    for hard in (*task.hard_cases(0), *task.agreement_calls(0)):
        task.read(hard.case, answer_of(entry, hard.call))
    [case] = task.cases(1)
    return task.score(case, (task.read(case, answer_of(entry, task.call(case, 0, ()))),)).value


@pytest.mark.parametrize("name", ORDERS)
def test_qualities_are_in_order(name: str) -> None:
    assert {path.stem for path in (PROGRAMS / name).glob("*.py")} == set(ORDERS[name])
    qualities = [quality(name, program(name, stem)) for stem in ORDERS[name]]
    assert qualities == sorted(qualities)
    assert qualities[1] > qualities[0] + 0.05 and qualities[3] > qualities[2] + 0.005


@pytest.mark.parametrize(("task", "name"), PATCHES)
def test_a_patch_applies_and_packs(task: str, name: str) -> None:
    below, better = PATCHES[task, name]
    source = patched(task, *below, name)
    assert (quality(task, source) > quality(task, program(task, SEEDS[task])) + 0.005) == better


def test_every_patch_is_tried() -> None:
    assert {(path.parts[-3], path.stem) for task in SEEDS for path in (PROGRAMS / task / "patches").iterdir()} == {
        *PATCHES
    }
