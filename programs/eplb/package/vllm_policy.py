"""The packaged solver as vLLM's policy of expert-parallel load balancing.

vLLM knows one policy by name, `default`, and asynchronous balancing demands it, so this one takes that name's place.
"""

import logging

from . import guard

log = logging.getLogger(__name__)


def register():
    """Put the packaged policy in the place of `default`. vLLM calls this in each of its processes."""
    from vllm.distributed.eplb.policy import EPLB_POLICIES

    own = EPLB_POLICIES["default"]
    if getattr(own, "packaged", False):
        return
    EPLB_POLICIES["default"] = policy_over(own)
    log.info("EPLB plans with the packaged solver %s", guard.PROVENANCE["solver"]["name"])


def policy_over(own):
    """A policy that plans with the packaged solver, and with `own`, the engine's, where that fails."""

    class PackagedPolicy(own):
        packaged = True

        @classmethod
        def rebalance_experts(
            cls, weight, num_replicas, num_groups, num_nodes, num_ranks, old_global_expert_indices=None
        ):
            """The map [layers, num_replicas] of slots to experts, int64 on the CPU."""
            sizes = (num_replicas, num_groups, num_nodes, num_ranks)
            # vLLM hashes token numbers, which is even for the many tokens of a window.
            offers = {"dispatch": "even", "num_dispatch_nodes": num_nodes}
            plan = guard.decide(weight, *sizes, in_force=old_global_expert_indices, offers=offers)
            return own.rebalance_experts(weight, *sizes, old_global_expert_indices) if plan is None else plan

    return PackagedPolicy
