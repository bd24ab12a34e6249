"""The texts that stand round an engine's policy and give it this task's signature and form.

Owns: how each engine calls its policy, and what the answer becomes. Does not know: where a policy's text comes from.
The texts are run in the confined process, below the policy's own; they are ours, and hold nothing of an engine.

Shapes: L layers, E experts, R replicas, X the largest count.
"""

from __future__ import annotations

from collections.abc import Mapping

from evaluator.tasks.eplb.answers import Form

_TRIPLE = '''
import torch


def _triple(phy2log_LR, experts):
    """DeepSeek's triple of a placement; the engine makes its own tables of it elsewhere."""
    layers, replicas = phy2log_LR.shape
    key_S = (phy2log_LR + torch.arange(layers)[:, None] * experts).flatten()
    count_F = torch.bincount(key_S, minlength=layers * experts)
    slot_S = torch.argsort(key_S, stable=True)
    rank_S = torch.arange(layers * replicas) - torch.repeat_interleave(count_F.cumsum(0) - count_F, count_F)
    log2phy_FX = torch.full((layers * experts, int(count_F.max())), -1, dtype=torch.int64)
    log2phy_FX[key_S[slot_S], rank_S] = slot_S % replicas
    return phy2log_LR, log2phy_FX.view(layers, experts, -1), count_F.view(layers, experts)
'''

# The engine hands over the loads on the CPU, all by position, and the placement in force.
_VLLM = '''

def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, *, old_phy2log=None):
    """The policy, called as the engine calls it. Shapes: weight [L, E], old_phy2log [L, R] or None."""
    old = None if old_phy2log is None else old_phy2log.cpu()
    phy2log = DefaultEplbPolicy.rebalance_experts(weight.cpu(), num_replicas, num_groups, num_nodes, num_gpus, old)
    return {answer}
'''

# The engine sums its recorded passes itself, and takes the hierarchy where groups divide among the nodes.
_SGLANG_SUM = '''

_policy = rebalance_experts


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """The policy, called as the engine calls it with one recorded step [1, L, E]. Shape: weight [L, E]."""
    answer = _policy(
        weight=weight[None].sum(dim=0),
        num_replicas=num_replicas,
        num_groups=num_groups,
        num_nodes=num_nodes,
        num_gpus=num_gpus,
        enable_hierarchical=num_groups % num_nodes == 0,
    )
    return {answer}
'''
_SGLANG_STEPS = '''

_policy = rebalance_experts


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    """The policy, called as the engine calls it with one recorded step [1, L, E]. Shape: weight [L, E]."""
    answer = _policy(
        tokens_per_expert=weight[None],
        num_physical_experts=num_replicas,
        num_local_physical_experts=num_replicas // num_gpus,
        num_groups=num_groups,
        num_nodes=num_nodes,
        enable_hierarchical=num_groups % num_nodes == 0,
    )
    return {answer}
'''

_TEXTS: Mapping[str, tuple[str, Mapping[Form, str]]] = {
    "vllm": (_VLLM, {"phy2log": "phy2log", "triple": "_triple(phy2log, weight.shape[-1])"}),
    "sglang sum": (_SGLANG_SUM, {"phy2log": "answer[0]", "triple": "answer"}),
    "sglang steps": (_SGLANG_STEPS, {"phy2log": "answer[0]", "triple": "answer"}),
}
CALLS = tuple(_TEXTS)
"""The known ways of calling a policy."""


def adapter(call: str, form: Form) -> str:
    """The text below a policy that is called in one of the known ways: it defines `rebalance_experts` in a form."""
    text, answers = _TEXTS[call]
    answer = answers[form]
    return (_TRIPLE if answer.startswith("_triple") else "") + text.replace("{answer}", answer)
