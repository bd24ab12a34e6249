"""What it takes to get from one placement to the next.

Owns: which slots change, where their weights come from, bytes and seconds. Does not know: loads, scores.

A slot whose expert changes is filled from its own GPU if that held the expert, else from a GPU of its node, else over
the network. A GPU fetches an expert once, however many of its slots take it. All GPUs receive at the same time, each
over both links one after the other; steps wait for the slowest.

Shapes: L layers, R slots, M GPUs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluator.tasks.eplb.appraisal import fetched
from evaluator.tasks.eplb.metrics import Ints
from evaluator.tasks.eplb_over_time.pace import Costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Shares of all slots: changed within a GPU, experts fetched within a node and across nodes. Bytes and seconds."""

    in_gpu_share: float
    in_node_share: float
    across_share: float
    gigabytes: float
    seconds: float

    @classmethod
    def between(cls, old_LR: Ints, new_LR: Ints, experts: int, gpus: int, nodes: int, costs: Costs) -> Moves:
        fetched_M, across_M = fetched(old_LR, new_LR, experts, gpus, nodes)
        in_node_M = fetched_M - across_M
        changed = int(np.count_nonzero(old_LR != new_LR))
        return cls(
            in_gpu_share=max(0, changed - int(fetched_M.sum())) / old_LR.size,
            in_node_share=float(in_node_M.sum()) / old_LR.size,
            across_share=float(across_M.sum()) / old_LR.size,
            gigabytes=float(fetched_M.sum()) * costs.expert_mb / 1e3,
            seconds=float((in_node_M * costs.in_node_s + across_M * costs.across_s).max()),
        )
