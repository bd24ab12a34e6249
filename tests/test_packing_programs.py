"""The shipped programs of balanced packing and their patches: valid answers, and what the literature says of them."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluator.screen import installed, screen
from evaluator.tasks.balanced_packing import BalancedPacking
from evaluator.tasks.balanced_packing.cases import PackingCase
from evaluator.types import Case
from harness import starts
from harness.patch import apply_reply
from tests.evaluator.replay import answer_of, entry_of
from tests.evaluator.tasks.balanced_packing.packings import least_largest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "programs" / "balanced_packing"
TASK = BalancedPacking()
ENTRY = "balanced_packing"

PROGRAMS = ("lpt", "vectorised_lpt", "snake", "folding", "bldm", "random_packing", "lpt_swap")
IN_NUMBA = "lpt_swap_numba"
needs_numba = pytest.mark.skipif(not installed("numba"), reason="numba is not installed")
BASES: dict[str, tuple[str, ...]] = {
    "vectorise_packing": (),
    "fold_start": (),
    "differencing_start": (),
    "swap_refinement": (),
    "level_pairs": ("swap_refinement",),
}
"""What each patch needs below it to apply to `lpt.py`."""
WORST = {3: Fraction(4, 3), 4: Fraction(19, 12), 5: Fraction(103, 60), 6: Fraction(643, 360)}
"""BLDM's largest pack load / the optimum by items a pack (Michiels et al. 2003)."""

Solver = Callable[..., Any]


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def text(name: str) -> str:
    return (FOLDER / f"{name}.py").read_text(encoding="utf-8")


def patched(*patches: str) -> str:
    source = text("lpt")
    for name in patches:
        reply = apply_reply((FOLDER / "patches" / f"{name}.patch").read_text(encoding="utf-8"), source)
        assert reply.name == name and reply.description
        assert set(reply.tiers) == {"exact"} and not reply.warnings
        source = reply.source
    return source


def solver(name: str) -> Solver:
    return entry_of(text(name), ENTRY)


def largest(solver: Solver, rows: Any, packs: int) -> list[float]:
    """The largest pack load of each row, of a validated answer."""
    data = np.asarray(rows, dtype=np.float64)
    case = Case(name="this", sizes={"rows": len(data), "items": data.shape[1], "packs": packs}, data=data)
    slots = TASK.read(case, tuple(part.numpy() for part in solver(torch.from_numpy(data.copy()), packs)))
    by_slot = np.empty_like(data)
    np.put_along_axis(by_slot, slots, data, axis=1)
    return by_slot.reshape(len(data), packs, -1).sum(axis=2).max(axis=1).tolist()


def check_valid(solver: Solver) -> None:
    for hard in (*TASK.hard_cases(0), *TASK.agreement_calls(0)):
        TASK.read(hard.case, answer_of(solver, hard.call))
    weight = torch.tensor([[3.0, 1.0, 2.0, 5.0, 4.0, 6.0]])
    before = weight.clone()
    solver(weight, 2)
    assert torch.equal(weight, before), "the solver changed its input"


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_answer_hard_inputs_validly(name: str) -> None:
    check_valid(solver(name))


@pytest.mark.parametrize("name", [*PROGRAMS, pytest.param(IN_NUMBA, marks=needs_numba)])
def test_programs_pass_the_screen_and_mark_what_may_be_changed(name: str) -> None:
    source = text(name)
    assert screen(source, ENTRY) is None
    start, end = source.index("# EVOLVE-BLOCK-START"), source.index("# EVOLVE-BLOCK-END")
    assert start < source.index(f"def {ENTRY}(weight, num_packs)") < end


def test_every_program_and_patch_has_a_row_in_the_readme() -> None:
    readme = (ROOT / "programs" / "README.md").read_text(encoding="utf-8")
    section = readme.partition("(`balanced_packing/`)")[2]
    assert {path.stem for path in (FOLDER / "patches").iterdir()} == set(BASES)
    files = [path.name for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(files) == len(PROGRAMS) + 1 + len(BASES)
    assert [name for name in files if f"`{name}`" not in section] == []


@pytest.mark.parametrize("name", BASES)
def test_a_patch_applies_exactly_and_gives_a_valid_program(name: str) -> None:
    source = patched(*BASES[name], name)
    assert screen(source, ENTRY) is None
    assert max(map(len, source.splitlines())) <= 120
    check_valid(entry_of(source, ENTRY))


def test_patches_lead_from_the_seed_to_better_programs() -> None:
    case = TASK.cases(0)[2]
    seed, started, swapped, both = (
        largest(entry_of(patched(*names), ENTRY), case.data, 16)
        for names in (
            (),
            ("differencing_start",),
            ("vectorise_packing", "swap_refinement"),
            ("differencing_start", "swap_refinement", "level_pairs"),
        )
    )
    assert sum(seed) > sum(started) > sum(swapped) > sum(both)


def test_the_vectorised_programs_make_the_packing_of_the_loops() -> None:
    plain, fast, by_patch = solver("lpt"), solver("vectorised_lpt"), entry_of(patched("vectorise_packing"), ENTRY)
    rng = np.random.default_rng(0)
    for top in (2, 5, 1000):
        weight = torch.from_numpy(rng.integers(0, top, (6, 35)))
        for other in (fast, by_patch):
            assert all(map(torch.equal, plain(weight, 7), other(weight, 7)))


def test_programs_are_in_order_on_weights_of_two_families() -> None:
    means = []
    families = ("loads", "normal")
    task = BalancedPacking(sizes=tuple(PackingCase(rows=12, items=64, packs=16, weights=each) for each in families))
    for name in ("random_packing", "snake", "vectorised_lpt", "lpt_swap"):
        solve = solver(name)
        plans = [(case, task.read(case, answer_of(solve, task.call(case, 0, ())))) for case in task.cases(0)]
        means.append([task.score(case, (plan,)).metrics["tightness"] for case, plan in plans])
    assert all(below[at] < above[at] for below, above in itertools.pairwise(means) for at in (0, 1))


@pytest.mark.parametrize("name", ["folding", "bldm", "lpt", "snake"])
def test_two_items_a_pack_are_packed_optimally(name: str) -> None:
    rng = np.random.default_rng(2)
    for packs in (2, 3, 4):
        rows = rng.integers(0, 9, (25, 2 * packs)).tolist()
        assert largest(solver(name), rows, packs) == [least_largest(tuple(row), packs) for row in rows]


def test_the_brief_tells_a_model_the_cases_and_what_is_hard() -> None:
    brief = starts.files(ENTRY)["CONTRACT.md"]
    assert "- loads-256x32: 58 x 256, 32 packs, loads\n" in brief and "def balanced_packing(weight, num_packs)" in brief
    assert all(f"\n- {hard.why}\n" in brief for hard in TASK.hard_cases(0))


# BLDM and LPT: the worst ratios that are proved


def cut(rng: np.random.Generator, held: int, packs: int, few: int) -> list[int]:
    """Weights that fill `packs` packs of weight `few` exactly, `held` to each; many of them are equal or 0."""
    parts = [np.diff(np.sort(rng.integers(0, few + 1, held - 1)), prepend=0, append=few) for _ in range(packs)]
    return np.concatenate(parts).tolist()


@pytest.mark.parametrize("held", WORST)
def test_differencing_keeps_to_its_worst_ratio(held: int) -> None:
    """On perfect packings of few values, where the optimum is known, and where heavy items meet many equal ones."""
    rng, solve = np.random.default_rng(held), solver("bldm")
    for packs in (2, 3, 5, 8, 13):
        for few in (held - 1, held, 12, 1000):
            rows = [cut(rng, held, packs, few) for _ in range(20)]
            assert max(largest(solve, rows, packs)) <= few * WORST[held] + 1e-9
        heavy = [held] + [0] * (held - 1) + [1] * held * (packs - 1)
        assert largest(solve, [heavy], packs)[0] <= held * WORST[held]


PACKINGS: dict[int, tuple[tuple[int, tuple[int, ...]], ...]] = {
    3: ((1, (3, 0, 0)), (3, (1, 1, 1))),
    4: ((1, (12, 0, 0, 0)), (5, (4, 4, 4, 0)), (2, (3, 3, 3, 3))),
    5: ((1, (60, 0, 0, 0, 0)), (29, (16, 16, 16, 12, 0)), (11, (15, 15, 15, 15, 0)), (3, (12, 12, 12, 12, 12))),
    6: (
        (1, (360, 0, 0, 0, 0, 0)),
        (189, (76, 76, 76, 72, 60, 0)),
        (71, (75, 75, 75, 75, 60, 0)),
        (19, (72, 72, 72, 72, 72, 0)),
        (4, (60, 60, 60, 60, 60, 60)),
    ),
}
"""By items a pack, packs of equal weight and how many there are of each, on which differencing does its worst. Each of
its tuples but the first then holds one value throughout, and the first one heavy item, which gets one of each value.
"""


@pytest.mark.parametrize("held", PACKINGS)
def test_differencing_reaches_its_worst_ratio(held: int) -> None:
    packs = sum(count for count, _ in PACKINGS[held])
    row = [weight for count, pack in PACKINGS[held] for weight in pack * count]
    optimum = row[0]
    assert len(row) == held * packs and all(sum(pack) == optimum for _, pack in PACKINGS[held])
    [load] = largest(solver("bldm"), [row], packs)
    assert Fraction(int(load), optimum) == WORST[held]


def test_lpt_keeps_to_its_worst_ratio_with_three_items_a_pack_and_reaches_it() -> None:
    """4/3 - 1/(3 m) on m packs (Kellerer and Woeginger 1993), reached by Graham's jobs, padded with zeros."""
    rng, solve = np.random.default_rng(0), solver("vectorised_lpt")
    for packs in (2, 3, 4, 7):
        worst = Fraction(4, 3) - Fraction(1, 3 * packs)
        for few in (6, 12, 1000):
            rows = [cut(rng, 3, packs, few) for _ in range(20)]
            assert max(largest(solve, rows, packs)) <= few * worst + 1e-9
        graham = sorted([*range(packs, 2 * packs), *range(packs, 2 * packs), packs])
        [load] = largest(solve, [graham + [0] * (packs - 1)], packs)
        assert Fraction(int(load), 3 * packs) == worst


# The program in numba: compiled once for all its tests


@pytest.fixture(scope="module")
def compiled() -> Solver:
    pytest.importorskip("numba", reason="numba is not installed")
    return solver(IN_NUMBA)


@pytest.mark.slow
def test_the_program_in_numba_answers_validly_as_well_as_its_model_and_never_compiles_in_a_call(
    compiled: Solver,
) -> None:
    check_valid(compiled)
    functions = [value for value in compiled.__globals__.values() if hasattr(value, "signatures")]
    assert [len(function.signatures) for function in functions] == [1, 1, 1]
    for case in (TASK.cases(1)[1], TASK.cases(1)[-1]):
        packs = case.sizes["packs"]
        ours, model = (sum(largest(solve, case.data, packs)) for solve in (compiled, solver("lpt_swap")))
        assert ours == pytest.approx(model, rel=0.001)
