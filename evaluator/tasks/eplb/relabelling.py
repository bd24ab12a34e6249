"""One EPLB problem under other names: a fresh permutation of layers and experts, and fresh loads close by.

Owns: which relabellings leave the problem what it is. Does not know: calls, scores, loads' meaning.

Layers are permuted; in each layer the blocks of the placement rule (groups, or all experts where placement is
global) are permuted, and the ids within each block; loads are scaled by one power of two, which float32 holds
exactly, and each expert's by a factor of its own next to 1, the same in all windows. Slots keep their places.

Without those factors the sorted loads of a window would be the same under all names, and a program could keep a plan
for them. With them it can at best recognise what is near, and a plan made for that is worse by about as much as drift
of that size costs (measured on standard cases: 1 to 3 points of balance).

Shapes: T windows, L layers, E experts, R replicas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb.metrics import Ints

MAX_EXPONENT = 8
JITTER = 2.0**-4
"""The most by which an expert's load is changed, as a share of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabelling:
    """Row i of a relabelled array is layer `layer_L[i]`; id j there is expert `expert_LE[i, j]` of that layer, whose
    loads are multiplied by `factor_LE[i, j]` and by 2 ** `exponent`.
    """

    layer_L: Ints
    expert_LE: Ints
    factor_LE: NDArray[np.float32]
    exponent: int

    @classmethod
    def draw(cls, layers: int, experts: int, blocks: int, rng: np.random.Generator) -> Relabelling:
        size = experts // blocks
        first_LB = rng.permuted(np.tile(np.arange(blocks) * size, (layers, 1)), axis=1)
        within_LBI = rng.permuted(np.tile(np.arange(size), (layers, blocks, 1)), axis=2)
        return cls(
            layer_L=rng.permutation(layers),
            expert_LE=(first_LB[:, :, None] + within_LBI).reshape(layers, experts),
            factor_LE=rng.uniform(1 - JITTER, 1 + JITTER, (layers, experts)).astype(np.float32),
            exponent=int(rng.integers(-MAX_EXPONENT, MAX_EXPONENT + 1)),
        )

    def loads(self, loads: NDArray[Any]) -> NDArray[Any]:
        """Loads `[L, E]` or `[T, L, E]` under the new names and scale, in the dtype (of floats) given."""
        moved = loads[..., self.layer_L, :]
        ids = np.broadcast_to(self.expert_LE, moved.shape)
        jittered = np.take_along_axis(moved, ids, axis=-1) * self.factor_LE.astype(loads.dtype)
        scaled: NDArray[Any] = np.ldexp(jittered, self.exponent)
        return scaled

    def plan(self, phy2log_LR: Ints) -> Ints:
        """A plan in the old names under the new ones."""
        new_id_LE = np.argsort(self.expert_LE, axis=1)
        return np.take_along_axis(new_id_LE, phy2log_LR[self.layer_L], axis=1)
