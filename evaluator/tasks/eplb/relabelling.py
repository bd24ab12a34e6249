"""One EPLB problem under other labels: a new permutation of layers and experts, and slightly changed loads.

Owns: which relabellings preserve the problem. Does not know: calls, scores, the meaning of loads.

A relabelling permutes the layers and, in each layer, the blocks of the placement rule (groups, or all experts if
placement is global) and the ids within each block. It changes each expert's loads by a separate factor near 1, the
same in all windows. Slots keep their places.

Shapes: T windows, L layers, E experts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb.metrics import Floats, Ints

JITTER = 2.0**-4
"""The largest change of an expert's load, as a share of it: more than loads drift from window to window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabelling:
    """Row i of a relabelled array is layer `layer_L[i]` of the original; id j in that row is expert `expert_LE[i, j]`
    of that layer, whose loads are multiplied by `factor_LE[i, j]`.
    """

    layer_L: Ints
    expert_LE: Ints
    factor_LE: Floats

    @classmethod
    def draw(cls, layers: int, experts: int, blocks: int, rng: np.random.Generator) -> Relabelling:
        """A random relabelling that permutes ids within `blocks` equal blocks, and the blocks."""
        size = experts // blocks
        first_LB = rng.permuted(np.tile(np.arange(blocks) * size, (layers, 1)), axis=1)
        within_LBI = rng.permuted(np.tile(np.arange(size), (layers, blocks, 1)), axis=2)
        return cls(
            layer_L=rng.permutation(layers),
            expert_LE=(first_LB[:, :, None] + within_LBI).reshape(layers, experts),
            factor_LE=rng.uniform(1 - JITTER, 1 + JITTER, (layers, experts)),
        )

    def moved(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values `[L, E]` or `[T, L, E]` of experts, unchanged, under the new labels."""
        moved = values[..., self.layer_L, :]
        return np.take_along_axis(moved, np.broadcast_to(self.expert_LE, moved.shape), axis=-1)
