"""The shipped EPLB programs and patches: plans, balances, edge cases, and that patches apply where their table says."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from evaluator.screen import installed, screen
from evaluator.tasks.eplb import Eplb
from evaluator.tasks.eplb.answers import read_answer
from evaluator.tasks.eplb.cases import STANDARD_CASES
from evaluator.tasks.eplb.workloads import LoadModel, generate_loads
from harness.git import merge_file
from harness.patch import PatchError, apply_reply

ROOT = Path(__file__).resolve().parents[1]
EPLB = ROOT / "programs" / "eplb"
SHARED = ROOT / ".." / "shared"
TRACE = SHARED / "traces" / "prefill_in1024.json"

PROGRAMS = ("greedy", "vectorised_greedy", "snake", "random_placement", "lpt_swap", "topk_swap")
# What each patch needs below it, in order, to apply to the program.
BASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "all_pairs_refinement": ("topk_swap", ()),
    "vectorise_packing": ("greedy", ()),
    "vectorise_replication": ("greedy", ()),
    "exact_group_pairing": ("greedy", ()),
    "swap_refinement": ("greedy", ()),
    "blend_history": ("greedy", ()),
    "skip_finished_rows": ("greedy", ("swap_refinement",)),
    "level_pairs": ("greedy", ("swap_refinement",)),
    "few_partners": ("greedy", ("swap_refinement",)),
    "zigzag_start": ("greedy", ("swap_refinement",)),
    "even_shares": ("lpt_swap", ()),
}
ON_GREEDY = tuple(name for name, base in BASES.items() if base == ("greedy", ()))
ON_SWAPS = tuple(name for name, base in BASES.items() if base == ("greedy", ("swap_refinement",)))
IMPROVED = ("vectorise_packing", "vectorise_replication", "swap_refinement", "skip_finished_rows", "level_pairs")

# layers, experts, replicas, groups, nodes, gpus: hierarchy; one slot a GPU; no spare replica; one GPU; two groups for
# three nodes (global); three groups a node; one layer; primes; many replicas of few experts.
SMALL = (
    (3, 16, 24, 4, 2, 4),
    (2, 8, 12, 1, 1, 12),
    (2, 12, 12, 4, 2, 4),
    (2, 5, 7, 1, 1, 1),
    (2, 6, 12, 2, 3, 6),
    (2, 18, 24, 6, 2, 6),
    (1, 16, 16, 2, 2, 8),
    (5, 13, 21, 1, 1, 7),
    (2, 4, 32, 2, 2, 4),
)

IN_NUMBA = "lpt_swap_numba"
DISPATCH_AWARE = "dispatch_aware_numba"
"""Has tests of its own in `test_dispatch_program.py`."""
needs_numba = pytest.mark.skipif(not installed("numba"), reason="numba is not installed")

GOLDEN_WEIGHT = (
    (90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86),
    (20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27),
)
GOLDEN_PLAN = [
    [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
    [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
]

Solver = Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor]]


@pytest.fixture(autouse=True)
def _one_thread_and_no_bytecode(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _solver(path: Path) -> Solver:
    spec = importlib.util.spec_from_file_location(f"program_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    solver: Solver = module.rebalance_experts
    return solver


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Solver:
    return _solver(EPLB / f"{request.param}.py")


def _text(name: str) -> str:
    return (EPLB / f"{name}.py").read_text(encoding="utf-8")


def _reply(patch: str) -> str:
    return (EPLB / "patches" / f"{patch}.patch").read_text(encoding="utf-8")


def _patched(program: str, *patches: str) -> str:
    source = _text(program)
    for patch in patches:
        source = apply_reply(_reply(patch), source).source
    return source


def _solver_of(source: str, folder: Path) -> Solver:
    path = folder / "patched.py"
    path.write_text(source, encoding="utf-8")
    return _solver(path)


def _sizes(numbers: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(("layers", "experts", "replicas", "groups", "nodes", "gpus"), numbers, strict=True))


def _plan(solver: Solver, weight: torch.Tensor, sizes: dict[str, int], **offered: Any) -> torch.Tensor:
    """A validated plan; also holds the solver to leaving its input alone."""
    before = weight.clone()
    answer = solver(weight, sizes["replicas"], sizes["groups"], sizes["nodes"], sizes["gpus"], **offered)
    assert torch.equal(weight, before), "the solver changed its input"
    arrays = tuple(part.cpu().numpy() for part in answer)
    assert all(array.dtype == np.int64 for array in arrays)
    return torch.from_numpy(read_answer(arrays, {**sizes, "layers": len(weight)}, "triple").copy())


def _largest_load(plan: torch.Tensor, weight: torch.Tensor, gpus: int) -> torch.Tensor:
    """The load of the busiest GPU of each layer [L]."""
    load = weight.to(torch.float64)
    count = torch.zeros_like(load).scatter_add_(1, plan, torch.ones(plan.shape, dtype=torch.float64))
    return (load / count).gather(1, plan).reshape(len(load), gpus, -1).sum(dim=2).amax(dim=1)


def _balance(plan: torch.Tensor, weight: torch.Tensor, gpus: int) -> float:
    mean = weight.to(torch.float64).sum() / gpus
    return float(mean / _largest_load(plan, weight, gpus).sum())


def _loads(seed: int, layers: int, experts: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (1000 * torch.randn(layers, experts, generator=generator).exp()).round().double()


def _hard_weights(layers: int, experts: int) -> Iterator[torch.Tensor]:
    usual = _loads(3, layers, experts)
    yield usual.float()
    yield usual.long()
    yield usual // 500
    yield torch.zeros(layers, experts)
    yield torch.ones(layers, experts, dtype=torch.int64)
    yield torch.nn.functional.one_hot(torch.arange(layers) % experts, experts).float() * 1e6
    yield (usual * 1e27).float()
    yield usual.float() * 1e-30
    yield torch.cat((usual[:1] * 0, usual))[:layers].T.contiguous().T


@pytest.mark.parametrize(
    "name", [*PROGRAMS, *(pytest.param(name, marks=needs_numba) for name in (IN_NUMBA, DISPATCH_AWARE))]
)
def test_programs_pass_the_screen_and_mark_what_may_be_changed(name: str) -> None:
    source = _text(name)
    assert screen(source, "rebalance_experts") is None
    start, end = source.index("# EVOLVE-BLOCK-START"), source.index("# EVOLVE-BLOCK-END")
    packing, replicating = ("pack", "count") if name == DISPATCH_AWARE else ("balanced_packing", "replicate_experts")
    assert start < source.index(f"def {packing}") < source.index("def rebalance_experts") < end
    assert f"def {replicating}" in source


@pytest.mark.parametrize("name", ["greedy", "vectorised_greedy", "topk_swap"])
def test_golden_example_of_the_published_algorithm(name: str) -> None:
    weight = torch.tensor(GOLDEN_WEIGHT)
    plan = _plan(_solver(EPLB / f"{name}.py"), weight, _sizes((2, 12, 16, 4, 2, 8)))
    assert plan.tolist() == GOLDEN_PLAN


@pytest.mark.parametrize("numbers", SMALL)
def test_every_program_answers_hard_inputs_validly(program: Solver, numbers: tuple[int, ...]) -> None:
    sizes = _sizes(numbers)
    for weight in _hard_weights(sizes["layers"], sizes["experts"]):
        _plan(program, weight, sizes)


def test_huge_loads_are_balanced_like_small_ones() -> None:
    sizes = _sizes((3, 16, 24, 4, 2, 4))
    weight = _loads(5, 3, 16).float()
    for name in ("greedy", "vectorised_greedy", "snake", "lpt_swap", "topk_swap"):
        solver = _solver(EPLB / f"{name}.py")
        assert torch.equal(_plan(solver, weight, sizes), _plan(solver, weight * 2.0**90, sizes)), name


@pytest.mark.parametrize("numbers", SMALL)
def test_vectorised_greedy_makes_the_plan_of_greedy(numbers: tuple[int, ...]) -> None:
    greedy, vectorised = _solver(EPLB / "greedy.py"), _solver(EPLB / "vectorised_greedy.py")
    sizes = _sizes(numbers)
    rng = np.random.default_rng(sum(numbers))
    weights = list(_hard_weights(sizes["layers"], sizes["experts"]))
    for top in (2, 4, 50, 10**9):
        weights += [torch.from_numpy(rng.integers(0, top, (sizes["layers"], sizes["experts"]))) for _ in range(8)]
    for weight in weights:
        arguments = (weight, sizes["replicas"], sizes["groups"], sizes["nodes"], sizes["gpus"])
        for one, other in zip(greedy(*arguments), vectorised(*arguments), strict=True):
            assert torch.equal(one, other)


def test_greedy_meets_the_known_maximum_and_swaps_go_below_it() -> None:
    weight = torch.tensor([[600, 560, 120, 120, 20, 10, 10, 10]])
    sizes = _sizes((1, 8, 16, 1, 1, 8))
    largest = {
        name: float(_largest_load(_plan(_solver(EPLB / f"{name}.py"), weight, sizes), weight, 8))
        for name in ("greedy", "lpt_swap")
    }
    assert largest["greedy"] == pytest.approx(232)
    assert 196.66 < largest["lpt_swap"] <= 232


# The program in numba: compiled once for all its tests


@pytest.fixture(scope="module")
def compiled() -> Solver:
    pytest.importorskip("numba", reason="numba is not installed")
    return _solver(EPLB / f"{IN_NUMBA}.py")


@pytest.mark.slow
def test_the_program_in_numba_answers_hard_inputs_validly_and_always_alike(compiled: Solver) -> None:
    for numbers in SMALL:
        sizes = _sizes(numbers)
        for weight in _hard_weights(sizes["layers"], sizes["experts"]):
            assert torch.equal(_plan(compiled, weight, sizes), _plan(compiled, weight, sizes))
    for hard in Eplb().hard_cases(0):
        weight, *others = (torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in hard.call.args)
        Eplb().read(hard.case, tuple(part.numpy() for part in compiled(weight, *others)))
    sizes, weight = _sizes((3, 16, 24, 4, 2, 4)), _loads(5, 3, 16).float()
    assert torch.equal(_plan(compiled, weight, sizes), _plan(compiled, weight * 2.0**90, sizes))


@pytest.mark.slow
def test_no_call_of_the_program_in_numba_compiles(compiled: Solver) -> None:
    functions = [value for value in compiled.__globals__.values() if hasattr(value, "signatures")]
    assert len(functions) == 4
    sizes = _sizes((3, 16, 24, 4, 2, 4))
    for weight in _hard_weights(3, 16):
        _plan(compiled, weight, sizes)
    assert [len(function.signatures) for function in functions] == [1, 1, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["hier-ep32", "global-ep32", "global-ep72", "hier-ep32-tight", "global-ep32-tight"])
def test_the_program_in_numba_balances_like_its_model(compiled: Solver, case: str) -> None:
    loads = generate_loads(LoadModel(layers=20, experts=256, group_size=32), np.random.default_rng(1))
    weight, sizes = torch.from_numpy(loads[0]), dict(STANDARD_CASES[case].sizes) | {"layers": 20}
    balances = [
        _balance(_plan(solver, weight, sizes), weight, sizes["gpus"])
        for solver in (compiled, _solver(EPLB / "lpt_swap.py"))
    ]
    assert balances[0] == pytest.approx(balances[1], abs=0.0005)


def test_random_placement_knows_neither_loads_nor_the_generator_of_everyone() -> None:
    solver, sizes = _solver(EPLB / "random_placement.py"), _sizes((3, 16, 24, 4, 2, 4))
    plans = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        plans.append(_plan(solver, _loads(seed, 3, 16), sizes))
    assert torch.equal(*plans)
    assert not torch.equal(plans[0][0], plans[0][1]), "layers differ"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_every_program_takes_loads_on_a_gpu(program: Solver) -> None:
    for numbers in SMALL:
        sizes = _sizes(numbers)
        for weight in _hard_weights(sizes["layers"], sizes["experts"]):
            _plan(program, weight.cuda(), sizes)


# The trace


@pytest.fixture(scope="module")
def trace() -> torch.Tensor:
    if not TRACE.exists():
        pytest.skip("the shared traces are not here")
    loads = torch.tensor(json.loads(TRACE.read_text(encoding="utf-8"))["logical_count"], dtype=torch.float64)
    loads = loads[loads.sum(dim=1) > 0]
    assert loads.shape == (58, 256)
    return loads


@pytest.mark.parametrize(
    ("name", "case", "expected"),
    [
        ("greedy", "hier-ep32", 0.8573),
        ("greedy", "global-ep32", 0.9930),
        ("vectorised_greedy", "hier-ep32", 0.8573),
        ("vectorised_greedy", "global-ep32", 0.9930),
        ("vectorised_greedy", "global-ep72", 0.9769),
        ("vectorised_greedy", "global-ep144", 0.8651),
        ("vectorised_greedy", "hier-ep32-tight", 0.7859),
        ("vectorised_greedy", "global-ep32-tight", 0.8768),
        ("snake", "hier-ep32", 0.8363),
        ("snake", "global-ep32", 0.9726),
        ("snake", "global-ep72", 0.9579),
        ("lpt_swap", "hier-ep32", 0.8615),
        ("lpt_swap", "global-ep32", 0.9998),
        ("lpt_swap", "global-ep72", 0.9972),
        ("lpt_swap", "global-ep144", 0.8651),
        ("lpt_swap", "hier-ep32-tight", 0.8053),
        ("lpt_swap", "global-ep32-tight", 0.9110),
        ("topk_swap", "hier-ep32", 0.8618),
        ("topk_swap", "global-ep32", 0.9991),
        ("topk_swap", "global-ep72", 0.9883),
    ],
)
def test_balances_on_the_recorded_trace(trace: torch.Tensor, name: str, case: str, expected: float) -> None:
    sizes = dict(STANDARD_CASES[case].sizes)
    plan = _plan(_solver(EPLB / f"{name}.py"), trace, sizes)
    assert _balance(plan, trace, sizes["gpus"]) == pytest.approx(expected, abs=0.001)


# The patches


def test_the_design_documents_patch_is_shipped_unchanged() -> None:
    original = SHARED / "seeds" / "all_pairs_refinement.txt"
    if not original.exists():
        pytest.skip("the shared seed is not here")
    assert (EPLB / "patches" / "all_pairs_refinement.patch").read_bytes() == original.read_bytes()


def test_every_shipped_patch_has_a_documented_base_and_a_row_in_the_readme() -> None:
    shipped = {path.stem for path in (EPLB / "patches").iterdir()}
    assert shipped == set(BASES)
    readme = (ROOT / "programs" / "README.md").read_text(encoding="utf-8")
    for name in (
        *(f"{program}.py" for program in (*PROGRAMS, IN_NUMBA, DISPATCH_AWARE)),
        *(f"{patch}.patch" for patch in BASES),
    ):
        assert f"`{name}`" in readme, name


@pytest.mark.parametrize("patch", BASES)
def test_a_patch_applies_exactly_and_gives_a_valid_program(patch: str, tmp_path: Path) -> None:
    program, below = BASES[patch]
    child = apply_reply(_reply(patch), _patched(program, *below))
    assert child.name == patch and child.description
    assert set(child.tiers) == {"exact"} and not child.warnings
    assert screen(child.source, "rebalance_experts") is None
    assert max(map(len, child.source.splitlines())) <= 120
    solver = _solver_of(child.source, tmp_path)
    for numbers in SMALL:
        sizes = _sizes(numbers)
        for weight in _hard_weights(sizes["layers"], sizes["experts"]):
            _plan(solver, weight, sizes)


@pytest.mark.parametrize(
    ("program", "patches"),
    [
        *((program, ()) for program in PROGRAMS),
        *((program, (*below, patch)) for patch, (program, below) in BASES.items()),
        ("greedy", IMPROVED),
    ],
)
def test_everything_shipped_passes_the_judges_hard_cases(
    program: str, patches: tuple[str, ...], tmp_path: Path
) -> None:
    task = Eplb()
    solver = _solver_of(_patched(program, *patches), tmp_path)
    declared = inspect.signature(solver).parameters
    for hard in task.hard_cases(0):
        weight, *sizes = (torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in hard.call.args)
        history = torch.from_numpy(hard.call.offered["history"].copy())
        offered = {"history": history, "old_phy2log": None}
        answer = solver(weight, *sizes, **{name: value for name, value in offered.items() if name in declared})
        task.read(hard.case, tuple(part.numpy() for part in answer))


@pytest.mark.parametrize("patch", BASES)
def test_a_patch_does_not_apply_to_its_own_result(patch: str) -> None:
    program, below = BASES[patch]
    with pytest.raises(PatchError):
        apply_reply(_reply(patch), _patched(program, *below, patch))


@pytest.mark.parametrize("patches", [("vectorise_packing",), ("vectorise_replication",), IMPROVED[:2]])
def test_vectorising_patches_keep_the_plan(patches: tuple[str, ...], tmp_path: Path) -> None:
    greedy, patched = _solver(EPLB / "greedy.py"), _solver_of(_patched("greedy", *patches), tmp_path)
    for numbers in SMALL:
        sizes = _sizes(numbers)
        for weight in _hard_weights(sizes["layers"], sizes["experts"]):
            assert torch.equal(_plan(greedy, weight, sizes), _plan(patched, weight, sizes))


@pytest.mark.parametrize("first", ["", "swap_refinement"])
def test_patches_that_stand_side_by_side_merge(first: str, tmp_path: Path) -> None:
    base = _patched("greedy", *filter(None, [first]))
    applicable = [name for name in ON_GREEDY if name != first] + [name for name in ON_SWAPS if first]
    for one, other in itertools.combinations(applicable, 2):
        both = merge_file(apply_reply(_reply(one), base).source, base, apply_reply(_reply(other), base).source)
        assert both is not None, f"{one} and {other} conflict"
        _plan(_solver_of(both, tmp_path), _loads(1, 3, 16), _sizes((3, 16, 24, 4, 2, 4)))


def test_exact_group_pairing_beats_the_greedy_rule_where_nodes_hold_more_than_two_groups(tmp_path: Path) -> None:
    greedy, exact = _solver(EPLB / "greedy.py"), _solver_of(_patched("greedy", "exact_group_pairing"), tmp_path)
    sizes, weight = _sizes((20, 32, 32, 8, 2, 2)), _loads(2, 20, 32)
    largest_greedy = _largest_load(_plan(greedy, weight, sizes), weight, 2)
    largest_exact = _largest_load(_plan(exact, weight, sizes), weight, 2)
    # With as many GPUs as nodes and no spare replica the busiest GPU is the heaviest node: try every split.
    group = weight.reshape(20, 8, 4).sum(dim=2)
    halves = [sum(group[:, g] for g in half) for half in itertools.combinations(range(8), 4)]
    best = torch.stack([torch.maximum(half, group.sum(dim=1) - half) for half in map(torch.as_tensor, halves)])
    torch.testing.assert_close(largest_exact, best.amin(dim=0))
    assert (largest_exact <= largest_greedy + 1e-9).all() and (largest_exact < largest_greedy - 1).any()


def test_blend_history_plans_on_the_windows_so_far(tmp_path: Path) -> None:
    solver = _solver_of(_patched("greedy", "blend_history"), tmp_path)
    assert "history" in inspect.signature(solver).parameters
    sizes, windows = _sizes((3, 16, 24, 4, 2, 4)), torch.stack([_loads(seed, 3, 16) for seed in (1, 2)])
    newest = _plan(_solver(EPLB / "greedy.py"), windows[1], sizes)
    assert torch.equal(newest, _plan(solver, windows[1], sizes, history=None))
    assert torch.equal(newest, _plan(solver, windows[1], sizes, history=windows[1:]))
    assert not torch.equal(newest, _plan(solver, windows[1], sizes, history=windows))


@pytest.mark.parametrize("patches", [IMPROVED[:3], IMPROVED, (*IMPROVED, "few_partners", "zigzag_start")])
def test_refining_patches_balance_better_than_greedy(patches: tuple[str, ...], tmp_path: Path) -> None:
    greedy, improved = _solver(EPLB / "vectorised_greedy.py"), _solver_of(_patched("greedy", *patches), tmp_path)
    model = LoadModel(layers=58, experts=256, group_size=32)
    windows = torch.from_numpy(generate_loads(model, np.random.default_rng(0)))
    for case in ("hier-ep32", "global-ep32"):
        sizes = dict(STANDARD_CASES[case].sizes)
        same, after = [], []
        for now, later in itertools.pairwise(windows):
            plans = [_plan(solver, now, sizes) for solver in (greedy, improved)]
            same.append([_balance(plan, now, sizes["gpus"]) for plan in plans])
            after.append([_balance(plan, later, sizes["gpus"]) for plan in plans])
        (same_greedy, same_improved), (next_greedy, next_improved) = np.mean(same, axis=0), np.mean(after, axis=0)
        assert same_improved > same_greedy + 0.003, case
        assert next_improved > next_greedy - 0.0005, case


def test_the_improved_program_is_many_times_faster_than_greedy(tmp_path: Path) -> None:
    greedy, improved = _solver(EPLB / "greedy.py"), _solver_of(_patched("greedy", *IMPROVED), tmp_path)
    weight, sizes = _loads(0, 58, 256), STANDARD_CASES["global-ep32"].sizes
    arguments = (weight, sizes["replicas"], sizes["groups"], sizes["nodes"], sizes["gpus"])

    def seconds(solver: Solver) -> float:
        start = time.perf_counter()
        solver(*arguments)
        return time.perf_counter() - start

    seconds(improved)
    assert seconds(greedy) > 20 * min(seconds(improved) for _ in range(5))


@pytest.mark.slow
def test_the_design_documents_patch_improves_its_parent_on_the_trace(trace: torch.Tensor, tmp_path: Path) -> None:
    child = _solver_of(_patched("topk_swap", "all_pairs_refinement"), tmp_path)
    sizes = dict(STANDARD_CASES["hier-ep32"].sizes)
    assert _balance(_plan(child, trace, sizes), trace, sizes["gpus"]) == pytest.approx(0.8618, abs=0.001)
