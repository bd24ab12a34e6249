"""How an engine sends an expert's tokens to its replicas, and what each slot carries then.

Owns: the rules, their names and options, the share of each slot, and how unevenly a rule must split at least.
Does not know: calls, scores, how plans are made or validated. Pure.

- `even`: every replica gets load / count. Planners assume it.
- `sglang_static`: SGLang with an all-to-all backend, `--ep-dispatch-algorithm static`. Tokens come equally from every
  rank (a rank is a GPU), and each rank sends all its tokens of an expert to one replica: the only one if there is one;
  else the first on its own GPU; else, if some replicas are on its node and others are not, the first on its node;
  else one of a fair draw (`fair_draws`), made for these ranks in the order of layers and experts. Replicas are in the
  order of their slots.
- `vllm_hash`: vLLM. A rank numbers its tokens from 0, and sends token t to replica h(t) mod count, where h(t) is the
  low 32 bits of t * 2654435769 (Knuth's multiplier, 2^32 / the golden ratio). All ranks do the same, and any token may
  choose the expert, so shares depend on the tokens a rank has: even for many, all to the first replica for one.

Cross-checked for exact equality with the functions of SGLang 0.5.23 (`compute_logical_to_rank_dispatch_physical_map`)
and vLLM 0.32.0 (`_eplb_map_and_record_i32_kernel`) in `tests/engines/test_dispatch.py`.

Shapes: L layers, E experts, R replicas (slots), M GPUs, X experts of a layer with several replicas, S their slots, B
runs of these on one node, C counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb.fair_draws import extra_ranks
from evaluator.tasks.eplb.metrics import Carried, Floats, Ints, expert_counts, replica_loads
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
    """A rule with its option. `tokens_per_rank`, for `vllm_hash` only: 64 if it is None. Raises WorkloadError."""

    rule: Rule = "even"
    tokens_per_rank: int | None = None

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
        return {"dispatch": self.rule, "num_dispatch_nodes": nodes}

    def shares(self, phy2log_LR: Ints, experts: int, gpus: int, nodes: int) -> Floats:
        """The share of its expert's load that each slot carries: float64 `[L, R]`. A whole number / M under
        `sglang_static`, and / tokens a rank under `vllm_hash`; an expert's shares sum to 1.
        """
        if self.rule == "even":
            return 1 / np.take_along_axis(expert_counts(phy2log_LR, experts), phy2log_LR, axis=1)
        replicas = _Replicas.of(phy2log_LR, experts)
        share_LR = np.ones(phy2log_LR.shape)
        if self.rule == "sglang_static":
            share_S = _static_ranks(replicas, phy2log_LR.shape[1], gpus, nodes) / gpus
        else:
            share_S = _hashed(replicas, self.tokens)
        share_LR.reshape(-1)[replicas.slot_S] = share_S
        return share_LR

    def slot_loads(self, phy2log_LR: Ints, load_LE: Floats, gpus: int, nodes: int) -> Floats:
        """What each slot carries: float64 `[L, R]`."""
        if self.rule == "even":
            return replica_loads(phy2log_LR, load_LE)
        share_LR = self.shares(phy2log_LR, load_LE.shape[1], gpus, nodes)
        return share_LR * np.take_along_axis(load_LE, phy2log_LR, axis=1)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Replicas:
    """The slots of experts with several replicas: by layer, expert and slot.

    `slot_S`: the slot, counted on over all layers. `expert_S`: which of the X experts it is a replica of. `first_X`:
    the place of the expert's first slot among S. `count_X`: its number of replicas.
    """

    slot_S: Ints
    expert_S: Ints
    first_X: Ints
    count_X: Ints

    @classmethod
    def of(cls, phy2log_LR: Ints, experts: int) -> _Replicas:
        key_LR = phy2log_LR + np.arange(len(phy2log_LR))[:, None] * experts
        count_LE = expert_counts(phy2log_LR, experts)
        slot_S = np.flatnonzero(np.take(count_LE, key_LR) > 1)
        key_S = key_LR.reshape(-1)[slot_S]
        order_S = np.argsort(key_S, kind="stable")
        slot_S, key_S = slot_S[order_S], key_S[order_S]
        new_S = _changes(key_S)
        first_X = np.flatnonzero(new_S)
        return cls(
            slot_S=slot_S,
            expert_S=np.cumsum(new_S) - 1,
            first_X=first_X,
            count_X=count_LE.reshape(-1)[key_S[first_X]],
        )


def _changes(key_S: Ints) -> NDArray[np.bool_]:
    """Where a run of equal keys begins; keys are not negative."""
    begins_S: NDArray[np.bool_] = np.diff(key_S, prepend=-1) != 0
    return begins_S


def _static_ranks(replicas: _Replicas, slots: int, gpus: int, nodes: int) -> Ints:
    """How many of the M ranks send to each slot of an expert with several replicas: int64 `[S]`."""
    if not replicas.slot_S.size:
        return replicas.slot_S
    gpu_S = replicas.slot_S % slots // (slots // gpus)
    on_node = gpus // nodes
    # Replicas of an expert are in the order of their slots, so those on one GPU or node follow each other.
    first_on_gpu_S = _changes(replicas.expert_S * gpus + gpu_S).astype(np.int64)
    first_on_node_B = np.flatnonzero(_changes(replicas.expert_S * nodes + gpu_S // on_node))
    owners_B = np.add.reduceat(first_on_gpu_S, first_on_node_B)
    expert_B = replicas.expert_S[first_on_node_B]
    nodes_X = np.bincount(expert_B)
    narrows_X = nodes_X > 1
    ranks_S = first_on_gpu_S.copy()
    ranks_S[first_on_node_B] += (on_node - owners_B) * narrows_X[expert_B]
    drawing_X = gpus - np.add.reduceat(ranks_S, replicas.first_X)
    ranks_S += (drawing_X // replicas.count_X)[replicas.expert_S]
    some_X = np.flatnonzero(drawing_X)
    draw_Y, replica_Y = extra_ranks(replicas.count_X[some_X], drawing_X[some_X])
    ranks_S[replicas.first_X[some_X[draw_Y]] + replica_Y] += 1
    return ranks_S


def _hashed(replicas: _Replicas, tokens: int) -> Floats:
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
