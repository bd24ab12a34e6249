"""Relabelling: which labels are exchanged, and by how much a level may change."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evaluator.tasks.eplb.relabelling import JITTER, Relabelling

seeds = st.integers(0, 2**32 - 1)
shapes = st.sampled_from([(3, 8, 4), (3, 8, 1), (2, 6, 3), (1, 1, 1)])
"""Layers, experts, blocks."""


@given(shapes, seeds)
def test_layers_blocks_and_the_ids_within_blocks_are_permuted(shape: tuple[int, int, int], seed: int) -> None:
    layers, experts, blocks = shape
    names = Relabelling.draw(layers, experts, blocks, np.random.default_rng(seed))
    assert sorted(names.layer_L.tolist()) == list(range(layers))
    assert (np.sort(names.expert_LE, axis=1) == np.arange(experts)).all()
    block_LBI = (names.expert_LE // (experts // blocks)).reshape(layers, blocks, -1)
    assert (block_LBI == block_LBI[:, :, :1]).all()
    assert np.abs(names.factor_LE - 1).max() <= JITTER


@given(shapes, seeds)
def test_values_move_with_their_labels(shape: tuple[int, int, int], seed: int) -> None:
    layers, experts, blocks = shape
    rng = np.random.default_rng(seed)
    names = Relabelling.draw(layers, experts, blocks, rng)
    values_TLE = rng.random((2, layers, experts))
    moved_TLE = names.moved(values_TLE)
    for row in range(layers):
        for column in range(experts):
            layer, expert = names.layer_L[row], names.expert_LE[row, column]
            assert (moved_TLE[:, row, column] == values_TLE[:, layer, expert]).all()
    np.testing.assert_array_equal(names.moved(values_TLE[1]), moved_TLE[1])


def test_every_layer_and_expert_gets_to_every_place() -> None:
    rng = np.random.default_rng(0)
    places = set()
    for _ in range(300):
        names = Relabelling.draw(3, 8, 4, rng)
        for row, layer in enumerate(names.layer_L.tolist()):
            places.update((row, column, layer, expert) for column, expert in enumerate(names.expert_LE[row].tolist()))
    assert len(places) == 24 * 24
