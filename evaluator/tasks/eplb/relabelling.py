"""One EPLB problem under other labels: a new permutation of layers and experts, and slightly changed loads.

Owns: which relabellings preserve the problem. Does not know: calls, scores, the meaning of loads.

A relabelling permutes the layers and, in each layer, the blocks of the placement rule (groups, or all experts if
placement is global) and the ids within each block. It scales all loads by one power of two, which is exact in float32,
and each expert's loads by a separate factor near 1, the same in all windows. Slots keep their places.

Without those factors the sorted loads of a window would be the same under all labels, and a program could cache a plan
for them. With them a program can at best recognise a similar window, and a plan made for that window is worse by about
as much as drift of that size costs (measured on standard cases: 1 to 3 points of balance).

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
"""The largest change of an expert's load, as a share of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabelling:
    """Row i of a relabelled array is layer `layer_L[i]` of the original; id j in that row is expert `expert_LE[i, j]`
    of that layer, with its loads multiplied by `factor_LE[i, j]` and by 2 ** `exponent`.
    """

    layer_L: Ints
    expert_LE: Ints
    factor_LE: NDArray[np.float32]
    exponent: int

    @classmethod
    def draw(cls, layers: int, experts: int, blocks: int, rng: np.random.Generator) -> Relabelling:
        """A random relabelling that permutes ids within `blocks` equal blocks, and the blocks."""
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
        """Loads `[L, E]` or `[T, L, E]` under the new labels and scale, in the floating-point dtype of `loads`."""
        moved = loads[..., self.layer_L, :]
        ids = np.broadcast_to(self.expert_LE, moved.shape)
        jittered = np.take_along_axis(moved, ids, axis=-1) * self.factor_LE.astype(loads.dtype)
        scaled: NDArray[Any] = np.ldexp(jittered, self.exponent)
        return scaled

    def plan(self, phy2log_LR: Ints) -> Ints:
        """A plan `[L, R]` in the original labels, translated to the new ones."""
        new_id_LE = np.argsort(self.expert_LE, axis=1)
        return np.take_along_axis(new_id_LE, phy2log_LR[self.layer_L], axis=1)
