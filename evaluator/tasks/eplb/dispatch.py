"""How an engine sends an expert's tokens to its replicas, and what each slot carries then.

Owns: the rules, their names and options, the share of each slot, and how unevenly a rule must split at least.
Does not know: calls, scores, how plans are made or validated. Pure.

- `even`: every replica gets load / count. Planners assume it.
- `sglang_static`: SGLang with an all-to-all backend, `--ep-dispatch-algorithm static`. Tokens come equally from every
  rank (a rank is a GPU), and each rank sends all its tokens of an expert to one replica: the only one if there is one;
  else the first on its own GPU; else, if some replicas are on its node and others are not, the first on its node;
  else one of a fair draw (`fair_draws`), made for these ranks in the order of layers and experts. Replicas are in the
  order of their slots. So it is after a rebalance. A placement that SGLang starts with, its own or that of a file, is
  first cut down by each rank to the replicas that are near, so ranks draw apart (`own_draws`), and less evenly.
- `vllm_hash`: vLLM. A rank numbers its tokens from 0, and sends token t to replica h(t) mod count, where h(t) is the
  low 32 bits of t * 2654435769 (Knuth's multiplier, 2^32 / the golden ratio). All ranks do the same, and any token may
  choose the expert, so shares depend on the tokens a rank has: even for many, all to the first replica for one.

Cross-checked for exact equality with the functions of SGLang 0.5.23 (`compute_logical_to_rank_dispatch_physical_map`,
`_compute_logical_to_all_physical_map`) and vLLM 0.32.0 (`_eplb_map_and_record_i32_kernel`) in
`tests/engines/test_dispatch.py`.

Shapes: L layers, E experts, R replicas (slots), M GPUs, X experts of a layer with several replicas, S their slots, C
counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from evaluator.tasks.eplb.metrics import Carried, Floats, Ints, expert_counts, replica_loads
from evaluator.tasks.eplb.replicated import Replicated
from evaluator.tasks.eplb.static_ranks import static_ranks
from evaluator.types import Value, WorkloadError

Rule = Literal["even", "sglang_static", "vllm_hash"]
RULES: tuple[Rule, ...] = get_args(Rule)

TOKENS_PER_RANK = 64
"""As in decoding; with many more, as in prefill, `vllm_hash` is even."""
MOST_TOKENS = 2**16
MOST_COUNTED = 64
_MULTIPLIER = 2654435769


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """A rule with its options. `tokens_per_rank`, for `vllm_hash` only: 64 if it is None. `at_start`, for
    `sglang_static` only: SGLang starts with the placement, which is not one of a rebalance. Raises WorkloadError.
    """

    rule: Rule = "even"
    tokens_per_rank: int | None = None
    at_start: bool = False

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise WorkloadError(f"dispatch: expected one of {', '.join(RULES)}, found {self.rule!r}")
        if self.tokens_per_rank is None:
            return
        if self.rule != "vllm_hash":
            raise WorkloadError(
                f"tokens_per_rank: is an option of dispatch: vllm_hash, and dispatch is {self.rule}: leave it out"
            )
        if not 1 <= self.tokens_per_rank <= MOST_TOKENS:
            raise WorkloadError(
                f"tokens_per_rank: expected a whole number from 1 to {MOST_TOKENS}, found {self.tokens_per_rank}"
            )

    @property
    def tokens(self) -> int:
        return TOKENS_PER_RANK if self.tokens_per_rank is None else self.tokens_per_rank

    def offered(self, nodes: int) -> dict[str, Value]:
        """What a solver may ask to be told, by parameter."""
        tokens = self.tokens if self.rule == "vllm_hash" else None
        return {"dispatch": self.rule, "num_dispatch_nodes": nodes, "tokens_per_rank": tokens}

    def shares(self, phy2log_LR: Ints, experts: int, gpus: int, nodes: int) -> Floats:
        """The share of its expert's load that each slot carries: float64 `[L, R]`. A whole number / M under
        `sglang_static`, and / tokens a rank under `vllm_hash`; an expert's shares sum to 1.
        """
        if self.rule == "even":
            return 1 / np.take_along_axis(expert_counts(phy2log_LR, experts), phy2log_LR, axis=1)
        replicas = Replicated.of(phy2log_LR, experts)
        share_LR = np.ones(phy2log_LR.shape)
        if self.rule == "sglang_static":
            ranks_S = static_ranks(replicas, phy2log_LR.shape[1], gpus, nodes, at_start=self.at_start)
            share_S = ranks_S / gpus
        else:
            share_S = _hashed(replicas, self.tokens)
        share_LR.reshape(-1)[replicas.place_S] = share_S
        return share_LR

    def slot_loads(self, phy2log_LR: Ints, load_LE: Floats, gpus: int, nodes: int) -> Floats:
        """What each slot carries: float64 `[L, R]`."""
        return self.carrier(phy2log_LR, load_LE.shape[1], gpus, nodes)(load_LE)

    def carrier(self, phy2log_LR: Ints, experts: int, gpus: int, nodes: int) -> Callable[[Floats], Floats]:
        """`slot_loads` of one placement by the loads `[L, E]`: the shares are worked out once."""
        if self.rule == "even":
            return lambda load_LE: replica_loads(phy2log_LR, load_LE)
        share_LR = self.shares(phy2log_LR, experts, gpus, nodes)
        return lambda load_LE: share_LR * np.take_along_axis(load_LE, phy2log_LR, axis=1)

    def carried(self, gpus: int, nodes: int) -> Carried:
        """`slot_loads` for these sizes, as the metrics take it."""
        return lambda phy2log_LR, load_LE: self.slot_loads(phy2log_LR, load_LE, gpus, nodes)

    def dividers(self, most: int, gpus: int) -> Floats:
        """An upper bound on load / largest replica for an expert with at most c replicas, wherever they are: float64
        `[most + 1]`, never falling; [0] means nothing. c for `even`. Of M ranks that each choose one of c replicas, at
        least M / c, rounded up, choose the same. Hashes are counted for small c only.
        """
        count_C = np.arange(1, most + 1)
        if self.rule == "even":
            divider_C = count_C.astype(np.float64)
        elif self.rule == "sglang_static":
            divider_C = gpus / np.ceil(gpus / count_C)
        else:
            small = range(1, min(most, MOST_COUNTED) + 1)
            divider_C = count_C.astype(np.float64)
            divider_C[: len(small)] = [1 / _hash_shares(self.tokens, count).max() for count in small]
        return np.maximum.accumulate(np.concatenate([np.ones(1), divider_C]))


EVEN = Dispatch()


def _hashed(replicas: Replicated, tokens: int) -> Floats:
    """The share of its expert's tokens that each slot of an expert with several replicas gets: float64 `[S]`."""
    count_S = replicas.count_X[replicas.expert_S]
    place_S = np.arange(len(count_S)) - replicas.first_X[replicas.expert_S]
    share_S = np.zeros(len(count_S))
    for count in np.unique(replicas.count_X).tolist():
        of_count_S = count_S == count
        share_S[of_count_S] = _hash_shares(tokens, count)[place_S[of_count_S]]
    return share_S


@lru_cache
def _hash_shares(tokens: int, count: int) -> Floats:
    """The share of a rank's tokens that each of `count` replicas gets: float64 `[count]`."""
    hash_T = np.arange(tokens, dtype=np.uint64) * np.uint64(_MULTIPLIER) & np.uint64(2**32 - 1)
    return np.bincount((hash_T % np.uint64(count)).astype(np.int64), minlength=count) / tokens
