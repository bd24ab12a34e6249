"""Generated loads of a course: how prefill and decode steps mix and scatter.

Owns: the model of the steps and its constants. Does not know: placements, files, solvers, scores.

Loads drift from interval to interval as those of the task `eplb` do. Prefill steps have many tokens, and go to other
experts than decode steps: the deviation of the log ratio is PREFILL_DIFFERS (in recorded loads .3 to .55). Tokens
choose experts on their own, so counts scatter as Poisson's do. The steps of an interval are a sample: PREFILL_SAMPLES
and DECODE_SAMPLES of them, spread over the interval.

Shapes: N rebalances, T intervals, S steps of an interval, L layers, E experts.
"""

from __future__ import annotations

import numpy as np

from evaluator.tasks.eplb.cases import EplbCase
from evaluator.tasks.eplb.metrics import Floats
from evaluator.tasks.eplb.workloads import LoadModel, generate_loads
from evaluator.tasks.eplb_over_time.courses import Samples
from evaluator.tasks.eplb_over_time.pace import Pace

PREFILL_SAMPLES, DECODE_SAMPLES = 2, 6
SAMPLES = PREFILL_SAMPLES + DECODE_SAMPLES
PREFILL_SHARE = 0.1
"""Of the steps."""
PREFILL_TOKENS, DECODE_TOKENS = 2048 * 8, 64 * 8
"""Tokens a GPU in a step, times the experts of a token."""
PREFILL_DIFFERS = 0.4
_NEIGHBOURS = 32


def weights_and_times(pace: Pace) -> tuple[Floats, Floats]:
    """`[S]`: for how many steps each sampled one stands, and when it is, in steps from the end of the window."""
    weights, times = [], []
    for count, share in ((PREFILL_SAMPLES, PREFILL_SHARE), (DECODE_SAMPLES, 1 - PREFILL_SHARE)):
        weights += [share * pace.interval / count] * count
        times += [(at + 0.5) / count * pace.interval for at in range(count)]
    return np.array(weights), np.array(times)


def generate(
    sizes: EplbCase, pace: Pace, drift: float, rebalances: int, rng: np.random.Generator
) -> tuple[Floats, Samples]:
    """Windows `[N + 1, L, E]` and the steps of N intervals, prefill first; the same generator state gives the same.
    Raises WorkloadError for a drift out of range, or too many loads.
    """
    model = LoadModel(
        layers=sizes.layers,
        experts=sizes.experts,
        group_size=max(1, min(_NEIGHBOURS, sizes.experts // 8)),
        windows=rebalances + 2,
        drift=drift,
    )
    decode_TLE = generate_loads(model, rng)
    prefill_TLE = decode_TLE * np.exp(PREFILL_DIFFERS * rng.standard_normal(decode_TLE.shape[1:]))
    decode_TLE = decode_TLE / decode_TLE.sum(axis=2, keepdims=True) * DECODE_TOKENS * sizes.gpus
    prefill_TLE = prefill_TLE / prefill_TLE.sum(axis=2, keepdims=True) * PREFILL_TOKENS * sizes.gpus
    mean_TLE = PREFILL_SHARE * prefill_TLE + (1 - PREFILL_SHARE) * decode_TLE
    windows_WLE = rng.poisson(mean_TLE[:-1] * pace.window).astype(np.float64)
    steps_NSLE = np.empty((rebalances, SAMPLES, *windows_WLE.shape[1:]))
    for interval in range(rebalances):
        steps_NSLE[interval, :PREFILL_SAMPLES] = rng.poisson(
            prefill_TLE[interval + 2], (PREFILL_SAMPLES, *prefill_TLE.shape[1:])
        )
        steps_NSLE[interval, PREFILL_SAMPLES:] = rng.poisson(
            decode_TLE[interval + 2], (DECODE_SAMPLES, *decode_TLE.shape[1:])
        )
    weight_S, time_S = weights_and_times(pace)
    weight_NS, time_NS = (np.tile(each, (rebalances, 1)) for each in (weight_S, time_S))
    samples = Samples(steps_NSLE=steps_NSLE, load_weight_NS=weight_NS, count_NS=weight_NS, time_NS=time_NS)
    return windows_WLE, samples
