"""The packaged solver as a function, its answer checked."""

from . import guard


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, old_phy2log=None):
    """Plan which expert stands in which slot: `phy2log` [L, R], `log2phy` [L, E, X] and `logcnt` [L, E], all int64 on
    the CPU.

    `weight` [L, E] holds the experts' loads. With `old_phy2log` [L, R], the plan in force, experts that stay on a GPU
    keep their slots. Raises `guard.Invalid` for an answer that is no valid plan, and what the solver raises.
    """
    load = weight.detach().to("cpu", guard.torch.float32)
    plan, _ = guard.planned(load, num_replicas, num_groups, num_nodes, num_gpus, old_phy2log)
    return guard.triple(guard.torch.from_numpy(plan), weight.shape[1])
