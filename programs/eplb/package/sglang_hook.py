"""The packaged solver in the place of SGLang's algorithms of expert-parallel load balancing.

SGLang's plugins wrap its functions: this one stands round `eplb_algorithms.rebalance_experts`, whatever
`--eplb-algorithm` names, but for those that plan round failed ranks.
"""

import logging

from . import guard

TARGET = "sglang.srt.eplb.eplb_algorithms.rebalance_experts"
log = logging.getLogger(__name__)


def register():
    """Ask SGLang to wrap its function. It calls this in each of its processes, and applies the hook afterwards."""
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    HookRegistry.register(TARGET, around, HookType.AROUND)
    log.info("EPLB plans with the packaged solver %s", guard.PROVENANCE["solver"]["name"])


def around(own, tokens_per_expert, num_physical_experts, num_local_physical_experts, num_groups, num_nodes, algorithm):
    """The triple of SGLang's function: the map of slots to experts, the slots of each expert, and their counts.

    `tokens_per_expert` [steps, L, E]. `own` is the engine's function, which plans where the solver fails.
    """
    asked = (tokens_per_expert, num_physical_experts, num_local_physical_experts, num_groups, num_nodes, algorithm)
    if algorithm.name.startswith("elasticity_aware"):
        return own(*asked)
    hierarchical = algorithm.name.endswith("_hierarchical")
    sizes = (num_physical_experts, num_groups if hierarchical else 1, num_nodes if hierarchical else 1)
    gpus = num_physical_experts // num_local_physical_experts
    weight = tokens_per_expert.sum(dim=0)
    in_force, offers = _surroundings(num_nodes)
    plan = guard.decide(weight, *sizes, gpus, in_force=in_force, offers=offers)
    return own(*asked) if plan is None else guard.triple(plan, weight.shape[1])


def _surroundings(num_nodes):
    """The map that SGLang uses now, [L, R], None before there is one; and how it will send tokens to replicas."""
    try:
        from sglang.srt.eplb.expert_location import get_global_expert_location_metadata
        from sglang.srt.runtime_context import get_exec

        metadata = get_global_expert_location_metadata()
        static = get_exec().moe.ep_dispatch_algorithm == "static"
    except Exception as error:
        log.warning("SGLang does not say what is in force, so every plan is taken: %s", error)
        return None, {}
    offers = {"dispatch": "sglang_static" if static else "even", "num_dispatch_nodes": num_nodes}
    return (None if metadata is None else metadata.physical_to_logical_map_cpu), offers
