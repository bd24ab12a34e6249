"""The landscape's seed program and patches: they apply in any order, and every program made of them gives valid plans.

The measured file belongs to them: each of its programs is the one that its patches make.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from evaluator.screen import installed, screen
from evaluator.tasks.eplb.answers import read_answer
from harness.patch import parse
from tests.benchmarks.laboratory import catalogue, landscape, peers
from tests.benchmarks.laboratory.searches import Found, search

SIZES = ((3, 16, 24, 4, 2, 4), (2, 8, 12, 1, 1, 12), (2, 12, 12, 4, 2, 4), (2, 5, 7, 1, 1, 1), (5, 13, 21, 1, 1, 7))
"""Layers, experts, replicas, groups, nodes, GPUs."""


@pytest.fixture(scope="module")
def world() -> landscape.Landscape:
    return landscape.read()


@pytest.fixture(scope="module")
def ways(world: landscape.Landscape) -> dict[str, tuple[str, ...]]:
    """Each patch, with the shortest way to a program that has it last."""
    names, found = world.facts["patches"], dict[str, tuple[str, ...]]()
    for program in world.programs:
        if program.path:
            found.setdefault(names[program.path[-1]], tuple(names[at] for at in program.path))
    return found


def made(path: tuple[str, ...]) -> str:
    texts, source = catalogue.patches(), catalogue.seed()
    for name in path:
        child = catalogue.applied(source, texts[name])
        assert child is not None, name
        source = child
    return source


def plans_are_valid(source: str) -> None:
    space: dict[str, Any] = {}
    exec(compile(source, "program", "exec"), space)
    rng = np.random.default_rng(0)
    for layers, experts, replicas, groups, nodes, gpus in SIZES:
        weight = torch.from_numpy(rng.integers(0, 1000, (layers, experts)).astype(np.float32))
        answer = space["rebalance_experts"](weight, replicas, groups, nodes, gpus)
        sizes = {"layers": layers, "experts": experts, "replicas": replicas}
        sizes |= {"groups": groups, "nodes": nodes, "gpus": gpus}
        read_answer(tuple(table.numpy() for table in answer), sizes, "triple")


def test_every_patch_is_named_after_its_file_described_and_reached(ways: dict[str, tuple[str, ...]]) -> None:
    texts = catalogue.patches()
    assert len(texts) >= 40 and set(ways) == set(texts)
    for name, text in texts.items():
        assert parse(text).name == name and len(parse(text).description) > 30


def test_every_patch_gives_a_valid_program(ways: dict[str, tuple[str, ...]]) -> None:
    for path in ways.values():
        source = made(path)
        assert screen(source, "rebalance_experts") is None
        if "numba" not in source:
            plans_are_valid(source)


@pytest.mark.skipif(not installed("numba"), reason="numba is not installed")
def test_the_compiled_swaps_give_valid_plans(ways: dict[str, tuple[str, ...]]) -> None:
    plans_are_valid(made(ways["compiled_swaps"]))


def test_patches_of_different_steps_apply_in_any_order() -> None:
    steps = ("mean_of_windows", "count_in_closed_form", "deal_in_rounds", "swap_heaviest", "answer_by_sorting")
    rng = random.Random(0)
    programs = {made(tuple(rng.sample(steps, len(steps)))) for _ in range(6)}
    assert len(programs) == 1


def test_the_measured_file_is_of_these_programs(world: landscape.Landscape) -> None:
    texts = list(catalogue.patches())
    assert world.facts["patches"] == texts and len(world.programs) >= 1500
    assert landscape.FILE.stat().st_size < 2_000_000
    keys = {program.key for level in catalogue.reachable(1) for program in level}
    assert keys <= {program.key for program in world.programs}
    for program in random.Random(0).sample(list(world.programs), 20):
        assert catalogue.key_of(world.source(program)) == program.key


def test_a_search_of_the_laboratory_repeats_and_finds_more_with_more_attempts(
    world: landscape.Landscape,
) -> None:
    def found(attempts: int) -> Found:
        return search(world, peers.ShinkaEvolve, attempts, seed=1)

    assert found(40) == found(40)
    assert found(40).curve[:20] == found(20).curve
    assert 0 <= found(40).curve[0] <= found(40).curve[-1] <= 1
