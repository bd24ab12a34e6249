"""Generated expert loads: token counts with the statistics of real mixture-of-experts traces, and their drift.

Owns: the model of the loads and its constants. Does not know: cases, plans, scores, files.

The model, per layer: ln load = sigma * z, where z is a unit normal: the sum of a part shared by each contiguous group
of experts and a part of each expert. So loads are log-normal, and neighbours are similar. From window to window z
changes by two processes of equal weight: a persistent one (a stationary first-order autoregressive process) and a
transient one around it (independent noise in every window), so that several windows tell more than the last one. Both
preserve the distribution of a window, however long the trace. A regime change is one large step of the persistent
process. Every window routes the same number of tokens through each layer, and counts are integers.

Shapes: T windows, L layers, E experts, G groups of neighbouring experts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluator.types import WorkloadError

Floats = NDArray[np.float64]

TOKENS_PER_EXPERT = 2**18
"""The mean load. A layer's largest load stays far below 2**24, so float32 represents every count exactly."""
SIGMA_MEDIAN, SIGMA_SPREAD = 0.79, 0.10
SIGMA_RANGE = (0.55, 0.95)
"""Standard deviation of ln load in a layer: normally distributed over layers, clipped to the range of real traces."""
FARTHEST = 3.2
"""No expert is more than this many sigma from its layer's median: real layers peak at about 14 times their mean."""
GROUP_SHARE = 0.27
"""The share of the variance of ln load that comes from the groups' shared parts."""
REGIME_CHANGE = (0.30, 0.45)
"""Standard deviation of the log ratio across a regime change (other prompt lengths or tasks), uniform in this range."""
MAX_VALUES = 2**25


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadModel:
    """What to generate. `drift`: standard deviation of the log ratio of an expert's loads in consecutive windows.
    `skew`: a factor of the standard deviations of ln load.

    `regime_changes`: the indices, from 1 to windows - 1, of windows that begin a new regime. Raises WorkloadError for
    invalid values.
    """

    layers: int
    experts: int
    group_size: int
    windows: int = 5
    drift: float = 0.05
    regime_changes: Collection[int] = ()
    skew: float = 1.0

    def __post_init__(self) -> None:
        if min(self.layers, self.experts, self.group_size, self.windows) < 1:
            raise WorkloadError(
                f"expected at least one layer, expert and window and a group size of 1 or more, found {self}"
            )
        if self.layers * self.experts * self.windows > MAX_VALUES:
            raise WorkloadError(
                f"expected at most {MAX_VALUES} loads, found {self.windows} windows x {self.layers} layers "
                f"x {self.experts} experts: ask for fewer windows"
            )
        if not 0.5 <= self.skew <= 2:
            raise WorkloadError(f"expected a skew between 0.5 and 2, found {self.skew}")
        if not 0 <= self.drift <= SIGMA_RANGE[0] * self.skew:
            raise WorkloadError(f"expected drift between 0 and {SIGMA_RANGE[0] * self.skew:g}, found {self.drift}")
        for window in self.regime_changes:
            if not 1 <= window < self.windows:
                raise WorkloadError(
                    f"expected regime changes at windows 1 to {self.windows - 1} (0 is the first), found {window}"
                )


def generate_loads(model: LoadModel, rng: np.random.Generator) -> Floats:
    """Token counts `[T, L, E]`, integers in float64; the same model and generator state give the same loads."""
    sigma_L1 = np.clip(rng.normal(SIGMA_MEDIAN, SIGMA_SPREAD, (model.layers, 1)), *SIGMA_RANGE) * model.skew
    flutter_L1 = model.drift / 2 / sigma_L1
    z_LE = _grouped_normal(model, rng)
    windows = []
    for window in range(model.windows):
        if window:
            regime = window in model.regime_changes
            step = rng.uniform(*REGIME_CHANGE) if regime else model.drift / np.sqrt(2)
            stay_L1 = 1 - (step / sigma_L1) ** 2 / 2
            z_LE = stay_L1 * z_LE + np.sqrt(1 - stay_L1**2) * _grouped_normal(model, rng)
        fluttering_LE = np.sqrt(1 - flutter_L1**2) * z_LE + flutter_L1 * _grouped_normal(model, rng)
        windows.append(_token_counts(np.exp(sigma_L1 * np.clip(fluttering_LE, -FARTHEST, FARTHEST))))
    return np.stack(windows)


def _grouped_normal(model: LoadModel, rng: np.random.Generator) -> Floats:
    """Unit normals `[L, E]`; each group of `group_size` neighbours shares GROUP_SHARE of the variance."""
    group_E = np.arange(model.experts) // model.group_size
    shared_LG = rng.standard_normal((model.layers, int(group_E[-1]) + 1))
    own_LE = rng.standard_normal((model.layers, model.experts))
    together_LE: Floats = np.sqrt(GROUP_SHARE) * shared_LG[:, group_E] + np.sqrt(1 - GROUP_SHARE) * own_LE
    return together_LE


def _token_counts(weight_LE: Floats) -> Floats:
    """Integer counts `[L, E]` in proportion to the weights, TOKENS_PER_EXPERT per expert on average; all layers have
    the same sum, because we round the cumulative sums.
    """
    tokens = TOKENS_PER_EXPERT * weight_LE.shape[1]
    upto_LE = np.cumsum(weight_LE, axis=1)
    bounds_LE = np.rint(upto_LE / upto_LE[:, -1:] * tokens)
    return np.diff(bounds_LE, axis=1, prepend=0.0)
