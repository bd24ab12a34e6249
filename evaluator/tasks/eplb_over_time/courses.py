"""Generated courses: windows of loads up to a rebalance, the placement in force then, and single steps after it.

Owns: how prefill and decode steps mix and scatter, and the placement that is in force. Does not know: solvers, scores.

Loads drift from interval to interval as those of the task `eplb` do. Prefill steps have many tokens, and go to other
experts than decode steps: the deviation of the log ratio is PREFILL_DIFFERS (in recorded loads .3 to .55). Tokens
choose experts on their own, so counts scatter as Poisson's do. The steps after the rebalance are a sample:
PREFILL_SAMPLES and DECODE_SAMPLES of them, spread over the interval, each of which stands for many.

Shapes: W windows, S sampled steps, L layers, E experts, R slots, M GPUs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluator.tasks.eplb.cases import EplbCase
from evaluator.tasks.eplb.metrics import Floats, Ints
from evaluator.tasks.eplb.workloads import LoadModel, generate_loads
from evaluator.tasks.eplb_over_time.pace import Pace
from evaluator.types import Array

WINDOWS = 3
"""Windows that a solver sees. The placement in force was made on the last but one."""
PREFILL_SAMPLES, DECODE_SAMPLES = 4, 12
SAMPLES = PREFILL_SAMPLES + DECODE_SAMPLES
PREFILL_SHARE = 0.1
"""Of the steps."""
PREFILL_TOKENS, DECODE_TOKENS = 2048 * 8, 64 * 8
"""Tokens a GPU in a step, times the experts of a token."""
PREFILL_DIFFERS = 0.4
_NEIGHBOURS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a case holds: windows `[W, L, E]`, sampled steps `[S, L, E]`, prefill first, and the placement `[L, R]`."""

    windows_WLE: Floats
    steps_SLE: Floats
    old_LR: Ints

    def packed(self) -> Array:
        """One array `[W + S + 1, L, R]`; loads are padded with zeros, the placement is last."""
        layers, replicas = self.old_LR.shape
        data = np.zeros((WINDOWS + SAMPLES + 1, layers, replicas))
        experts = self.windows_WLE.shape[2]
        data[:WINDOWS, :, :experts] = self.windows_WLE
        data[WINDOWS:-1, :, :experts] = self.steps_SLE
        data[-1] = self.old_LR
        return data

    @classmethod
    def unpacked(cls, data: Array, experts: int) -> Course:
        return cls(
            windows_WLE=data[:WINDOWS, :, :experts],
            steps_SLE=data[WINDOWS:-1, :, :experts],
            old_LR=data[-1].astype(np.int64),
        )


def weights_and_times(pace: Pace) -> tuple[Floats, Floats]:
    """`[S]`: for how many steps each sampled one stands, and when it is, in steps from the end of the window."""
    weights, times = [], []
    for count, share in ((PREFILL_SAMPLES, PREFILL_SHARE), (DECODE_SAMPLES, 1 - PREFILL_SHARE)):
        weights += [share * pace.interval / count] * count
        times += [(at + 0.5) / count * pace.interval for at in range(count)]
    return np.array(weights), np.array(times)


def generate(case: EplbCase, pace: Pace, drift: float, rng: np.random.Generator) -> Course:
    """A course; the same generator state gives the same one. Raises WorkloadError for a drift out of range."""
    model = LoadModel(
        layers=case.layers,
        experts=case.experts,
        group_size=max(1, min(_NEIGHBOURS, case.experts // 8)),
        windows=WINDOWS + 1,
        drift=drift,
    )
    decode_TLE = generate_loads(model, rng)
    prefill_TLE = decode_TLE * np.exp(PREFILL_DIFFERS * rng.standard_normal(decode_TLE.shape[1:]))
    decode_TLE = decode_TLE / decode_TLE.sum(axis=2, keepdims=True) * DECODE_TOKENS * case.gpus
    prefill_TLE = prefill_TLE / prefill_TLE.sum(axis=2, keepdims=True) * PREFILL_TOKENS * case.gpus
    mean_TLE = PREFILL_SHARE * prefill_TLE + (1 - PREFILL_SHARE) * decode_TLE
    windows_WLE = rng.poisson(mean_TLE[:WINDOWS] * pace.window).astype(np.float64)
    kinds = [prefill_TLE[-1]] * PREFILL_SAMPLES + [decode_TLE[-1]] * DECODE_SAMPLES
    steps_SLE = rng.poisson(np.stack(kinds)).astype(np.float64)
    return Course(windows_WLE=windows_WLE, steps_SLE=steps_SLE, old_LR=dealt(windows_WLE[-2], case.replicas, case.gpus))


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
