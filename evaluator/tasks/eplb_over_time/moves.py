"""What it takes to get from one placement to the next.

Owns: which slots change, where their weights come from, bytes and seconds. Does not know: loads, scores.

A slot whose expert changes is filled from its own GPU if that held the expert, else from a GPU of its node, else over
the network, and if no GPU held it, from where weights are kept (a disk, or host memory). A GPU fetches an expert once,
however many of its slots take it. All GPUs receive at the same time, each over all links one after the other; steps
wait for the slowest. A slot with -1 holds nothing: it is of a rank that is missing, or that has just come back.

Shapes: L layers, E experts, R slots, M GPUs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb.metrics import Ints
from evaluator.tasks.eplb_over_time.pace import Costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Shares of all slots: changed within a GPU; experts fetched within a node, across nodes, and that no GPU held.
    Bytes and seconds.
    """

    in_gpu_share: float
    in_node_share: float
    across_share: float
    reloaded_share: float
    gigabytes: float
    seconds: float

    @classmethod
    def between(cls, old_LR: Ints, new_LR: Ints, experts: int, gpus: int, nodes: int, costs: Costs) -> Moves:
        if old_LR is new_LR or np.array_equal(old_LR, new_LR):
            return cls(
                in_gpu_share=0.0, in_node_share=0.0, across_share=0.0, reloaded_share=0.0, gigabytes=0.0, seconds=0.0
            )
        fetched_M, elsewhere_M, reloaded_M = _fetched(old_LR, new_LR, experts, gpus, nodes)
        in_node_M, across_M = fetched_M - elsewhere_M, elsewhere_M - reloaded_M
        changed = int(np.count_nonzero((old_LR != new_LR) & (new_LR >= 0)))
        seconds_M = in_node_M * costs.in_node_s + across_M * costs.across_s + reloaded_M * costs.backup_s
        return cls(
            in_gpu_share=max(0, changed - int(fetched_M.sum())) / old_LR.size,
            in_node_share=float(in_node_M.sum()) / old_LR.size,
            across_share=float(across_M.sum()) / old_LR.size,
            reloaded_share=float(reloaded_M.sum()) / old_LR.size,
            gigabytes=float(fetched_M.sum()) * costs.expert_mb / 1e3,
            seconds=float(seconds_M.max()),
        )


def _fetched(old_LR: Ints, new_LR: Ints, experts: int, gpus: int, nodes: int) -> Ints:
    """The experts that each GPU must fetch, those of them that no GPU of its node held, and those that none did: int64
    `[3, M]`.
    """
    old_LME = _held(old_LR, experts, gpus)
    fresh_LME = _held(new_LR, experts, gpus) & ~old_LME
    on_node_LME = old_LME.reshape(len(old_LME), nodes, -1, experts).any(axis=2).repeat(gpus // nodes, axis=1)
    elsewhere_LME = fresh_LME & ~on_node_LME
    nowhere_LME = elsewhere_LME & ~old_LME.any(axis=1, keepdims=True)
    return np.stack([each.sum(axis=(0, 2)) for each in (fresh_LME, elsewhere_LME, nowhere_LME)])


def _held(phy2log_LR: Ints, experts: int, gpus: int) -> NDArray[np.bool_]:
    """Which GPU holds which experts: bool `[L, M, E]`."""
    layers, replicas = phy2log_LR.shape
    held_LMX = np.zeros((layers, gpus, experts + 1), dtype=bool)  # the last column takes the slots with -1
    gpu_R = np.arange(replicas) // (replicas // gpus)
    held_LMX[np.arange(layers)[:, None], gpu_R, phy2log_LR] = True
    return held_LMX[:, :, :experts]
