"""When an engine rebalances, and what moving an expert's weights costs.

Owns: windows, intervals and delays of engines, links, and seconds. Does not know: loads, plans, solvers.

vLLM: `EPLBConfig` has window_size 1000 and step_interval 3000. SGLang: `--eplb-rebalance-num-iterations` is 1000, and
its recorder keeps as many passes. `delay` stands for planning and moving beside the steps. In recorded loads a step is
a row of the recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from evaluator.types import WorkloadError

MOST_STEPS = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """In steps: how many the loads are summed over, from one rebalance to the next, and from the end of a window until
    the new plan is in force. Raises WorkloadError.
    """

    window: int
    interval: int
    delay: int = 0

    def __post_init__(self) -> None:
        for name, least in (("window", 1), ("interval", 1), ("delay", 0)):
            if not least <= (value := getattr(self, name)) <= MOST_STEPS:
                raise WorkloadError(f"{name}: expected {least} to {MOST_STEPS} steps, found {value}")
        if self.window > self.interval or self.delay >= self.interval:
            raise WorkloadError(
                f"expected a window of at most the interval, and a delay below it, "
                f"found {self.window}, {self.delay} and an interval of {self.interval}"
            )


STEPS = ("window", "interval", "delay")
PACES: Mapping[str, Pace] = MappingProxyType(
    {"vllm": Pace(window=1000, interval=3000), "sglang": Pace(window=1000, interval=1000)}
)


COSTS = ("token_us", "expert_mb", "node_gb_s", "network_gb_s", "backup_gb_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """`token_us`: microseconds that a GPU works for one token of one expert. `expert_mb`: the weights of an expert of
    one layer, in 10^6 bytes. `node_gb_s`, `network_gb_s`, `backup_gb_s`: what a GPU receives from GPUs of its node,
    from other nodes, and of experts that no GPU holds, in 10^9 bytes a second. The defaults are an FP8 expert of
    DeepSeek-V3 (3 x 7168 x 2048 weights; 88 MFLOP a token at 440 TFLOP/s), NVLink's 450 GB/s, a network card of 400
    Gbit/s for each GPU, and a local disk. Raises WorkloadError.
    """

    token_us: float = 0.2
    expert_mb: float = 44.0
    node_gb_s: float = 450.0
    network_gb_s: float = 50.0
    backup_gb_s: float = 5.0

    def __post_init__(self) -> None:
        for name in COSTS:
            value = getattr(self, name)
            if not 1e-6 <= value <= 1e9:
                raise WorkloadError(f"{name}: expected a number from 1e-6 to 1e9, found {value}")

    @property
    def in_node_s(self) -> float:
        """Seconds in which a GPU receives one expert from its node."""
        return self.expert_mb / self.node_gb_s / 1e3

    @property
    def across_s(self) -> float:
        """Seconds in which a GPU receives one expert from another node."""
        return self.expert_mb / self.network_gb_s / 1e3

    @property
    def backup_s(self) -> float:
        """Seconds in which a GPU receives one expert that no GPU holds."""
        return self.expert_mb / self.backup_gb_s / 1e3
