"""A course of time: windows of loads, the intervals between rebalances, and the placement in force at its beginning.

Owns: what a case holds, how it is one array, and a simple planner. Does not know: where loads come from, solvers,
scores.

A course of N rebalances has N + 1 windows. The placement in force at its beginning was made on window 0; rebalance i
plans on window i + 1, and interval i is what follows until the next rebalance. Of each interval there are S steps, each
of which stands for many: `load_weight` times its load is the load of those, and there are `count` of them.

Shapes: N rebalances, S steps of an interval, L layers, E experts, R slots, M GPUs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from evaluator.tasks.eplb.metrics import Floats, Ints
from evaluator.tasks.eplb_over_time.ranks import SCENARIOS, Mask, on_active, spread
from evaluator.types import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The steps `[N, S, L, E]` of the intervals, and of each `[N, S]`: the factor of its load, how many steps it stands
    for, and when it is, in steps from the end of the window.
    """

    steps_NSLE: Floats
    load_weight_NS: Floats
    count_NS: Floats
    time_NS: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Windows `[N + 1, L, E]`, the samples of N intervals, the placement in force `[L, R]`, with -1 where nothing is
    held, and which ranks are active `[M]`. `urgent`: the placement in force cannot serve, so the first plan is in force
    at once.
    """

    windows_WLE: Floats
    samples: Samples
    old_LR: Ints
    active_M: Mask
    urgent: bool = False

    @property
    def rebalances(self) -> int:
        return len(self.windows_WLE) - 1

    def packed(self) -> Array:
        """One array, float64 of one dimension: N, S, urgent, and then all arrays."""
        samples = [getattr(self.samples, field.name) for field in fields(Samples)]
        head = [float(self.rebalances), float(samples[0].shape[1]), float(self.urgent)]
        parts = (head, self.active_M, self.old_LR, self.windows_WLE, *samples)
        return np.concatenate([np.asarray(part, dtype=np.float64).ravel() for part in parts])

    @classmethod
    def unpacked(cls, data: Array, sizes: Mapping[str, int]) -> Course:
        """Views of a packed course, placement and mask apart."""
        layers, experts = sizes["layers"], sizes["experts"]
        count, steps, urgent = (int(number) for number in data[:3])
        shapes: list[tuple[int, ...]] = [(sizes["gpus"],), (layers, sizes["replicas"]), (count + 1, layers, experts)]
        shapes += [(count, steps, layers, experts), *[(count, steps)] * 3]
        at, parts = 3, []
        for shape in shapes:
            size = math.prod(shape)
            parts.append(data[at : at + size].reshape(shape))
            at += size
        active_M, old_LR, windows_WLE, steps_NSLE, load_weight_NS, count_NS, time_NS = parts
        return cls(
            windows_WLE=windows_WLE,
            samples=Samples(steps_NSLE=steps_NSLE, load_weight_NS=load_weight_NS, count_NS=count_NS, time_NS=time_NS),
            old_LR=old_LR.astype(np.int64),
            active_M=active_M > 0,
            urgent=bool(urgent),
        )


def begun(
    windows_WLE: Floats,
    samples: Samples,
    sizes: Mapping[str, int],
    scenario: str,
    missing: int,
    rng: np.random.Generator,
) -> Course:
    """A course whose first placement a simple planner made on window 0. `scenario`: "" or one of SCENARIOS, with that
    number of `missing` ranks, drawn at random.
    """
    replicas, gpus = sizes["replicas"], sizes["gpus"]
    there_M = np.ones(gpus, dtype=bool)
    if scenario:
        assert scenario in SCENARIOS, scenario
        there_M[rng.choice(gpus, missing, replace=False)] = False
    made_by_M = there_M if scenario == "back" else np.ones(gpus, dtype=bool)
    count = int(made_by_M.sum())
    old_LR = spread(dealt(windows_WLE[0], replicas // gpus * count, count), made_by_M)
    lost = scenario == "lost"
    return Course(
        windows_WLE=windows_WLE,
        samples=samples,
        old_LR=spread(on_active(old_LR, there_M), there_M) if lost else old_LR,
        active_M=there_M if lost else np.ones(gpus, dtype=bool),
        urgent=lost,
    )


def dealt(load_LE: Floats, replicas: int, gpus: int) -> Ints:
    """A placement `[L, R]` of a simple planner: replicas where they are heaviest, dealt to GPUs back and forth."""
    layers, experts = load_LE.shape
    expert_LR = np.zeros((layers, replicas), dtype=np.int64)
    expert_LR[:, :experts] = np.arange(experts)
    count_LE, row_L = np.ones((layers, experts)), np.arange(layers)
    for slot in range(experts, replicas):
        heaviest_L = (load_LE / count_LE).argmax(axis=1)
        expert_LR[:, slot] = heaviest_L
        count_LE[row_L, heaviest_L] += 1
    carried_LR = np.take_along_axis(load_LE / count_LE, expert_LR, axis=1)
    order_LR = np.take_along_axis(expert_LR, (-carried_LR).argsort(axis=1, kind="stable"), axis=1)
    at_R = np.arange(replicas)
    turn_R, step_R = at_R // gpus, at_R % gpus
    gpu_R = np.where(turn_R % 2 == 0, step_R, gpus - 1 - step_R)
    placed_LR = np.empty_like(order_LR)
    placed_LR[:, gpu_R * (replicas // gpus) + turn_R] = order_LR
    return placed_LR
