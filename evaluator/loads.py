"""Recorded loads of experts, as a task describes them to people.

Owns: the values that describe recorded loads, and what was written of them. Does not know: files, formats, any task,
tables. Pure.

Layers and windows have the numbers of the recording, from 0, dense layers included. A *step* is one forward pass, a
*window* a sum of steps. *Drift* between two windows is the standard deviation, over the experts of a layer, of the
natural logarithm of the ratio of their loads: .05 means that loads change by about 5 %.

Shapes: L layers, E experts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOP = 8
"""How many of the largest experts `top_share` counts."""

Ranges = tuple[tuple[int, int], ...]
"""First and last of each range, both included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSkew:
    """How uneven a layer is. `peak`: largest load / mean load. `gini`: 0 for even loads, near 1 for one expert alone.
    `top_share`: the share of the TOP largest. `ln_sigma`: standard deviation of ln load of the experts that have load;
    0 for one such expert. `unused`: how many have none. `hottest`: the expert with the largest load.
    """

    layer: int
    peak: float
    gini: float
    top_share: float
    ln_sigma: float
    unused: int
    hottest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Drift between two sums of steps: its median over layers, and the worst layer. `noise` is the part that sampling
    alone explains, in the same unit; None where loads are single sums of something other than whole tokens.
    """

    median: float
    worst: float
    worst_layer: int
    noise: float | None

    @property
    def beyond_noise(self) -> float:
        """The median drift without its noise: the square root of the difference of the squares, at least 0."""
        return math.sqrt(max(0.0, self.median**2 - (self.noise or 0.0) ** 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFigures:
    """One window. `load`: the mean load of a layer. `peak`: the median over layers of largest / mean load.
    `prefill_share`: the share of its load that prefill steps carry; None if no two kinds of step are told apart.
    `drift`: from the window before; None for the first, and where no layer has two experts with load in both.
    `regime`: windows of one letter are alike.
    """

    number: int
    source: str
    steps: int
    load: float
    peak: float
    prefill_share: float | None
    drift: Drift | None
    regime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepKinds:
    """Two kinds of step, told apart by the load of a step: `decode` and `prefill` steps with the mean load of a layer
    in one, the share of all load that prefill carries, and the drift from decode to prefill (None where nothing can be
    compared).
    """

    decode: int
    prefill: int
    decode_load: float
    prefill_load: float
    prefill_share: float
    drift: Drift | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to plan on: windows `first` to `last`, which are `steps` steps. `steps_per_window`: how many steps a window
    should have, so that its noise is no more than the drift; None where that is not known. `reasons` are sentences.
    """

    first: int
    last: int
    steps: int
    steps_per_window: int | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadsReport:
    """What is in recorded loads. `layers`: the layers with load. `map`: load / the layer's mean load, `[L, E]`, summed
    over all windows. `ageing`: pairs of a distance in windows and the median drift over it, within the last regime.
    """

    sources: tuple[str, ...]
    steps: int
    experts: int
    layers: tuple[LayerSkew, ...]
    empty_layers: tuple[int, ...]
    windows: tuple[WindowFigures, ...]
    kinds: StepKinds | None
    ageing: tuple[tuple[int, float], ...]
    advice: Advice
    map: NDArray[np.float64]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a converted file holds: `rows` are `"steps"` or `"windows"`. `notes` tell how it is read."""

    rows: str
    count: int
    layers: int
    experts: int
    notes: tuple[str, ...]
