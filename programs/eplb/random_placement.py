"""A valid random placement that ignores all loads: the baseline that every solver should beat.

Spare replicas go to random experts, groups to random nodes and replicas to random GPUs. Every call draws from a
generator of its own with the same seed, so that all processes give the same plan for the same sizes.

Letters in the shapes: L layers, E experts, R replicas (slots), X the largest number of replicas of one expert;
N rows that are planned independently, I items in a row, P packs.
"""

# EVOLVE-BLOCK-START
import torch

SEED = 0


def balanced_packing(weight: torch.Tensor, num_packs: int, draw: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Shuffle the items of each row of `weight` [N, I] into packs of I / num_packs items.

    Returns each item's pack and its place in the pack, both int64 [N, I].
    """
    num_rows, num_items = weight.shape
    capacity = num_items // num_packs
    slot = torch.rand(num_rows, num_items, generator=draw).argsort(dim=1, stable=True)
    return slot // capacity, slot % capacity


def replicate_experts(
    weight: torch.Tensor, num_replicas: int, draw: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give every expert of each row of `weight` [N, I] one replica, and each of the rest to an expert drawn at random.

    Returns each replica's expert and its number among that expert's replicas, both int64 [N, num_replicas], and each
    expert's count of replicas, int64 [N, I].
    """
    num_rows, num_experts = weight.shape
    rows = torch.arange(num_rows)
    expert = torch.arange(num_experts).repeat(num_rows, 1)
    spare = torch.randint(num_experts, (num_rows, num_replicas - num_experts), generator=draw)
    expert = torch.cat((expert, spare), dim=1)
    number = torch.zeros_like(expert)
    count = torch.ones(num_rows, num_experts, dtype=torch.int64)
    for replica in range(num_experts, num_replicas):
        number[:, replica] = count[rows, expert[:, replica]]
        count[rows, expert[:, replica]] += 1
    return expert, number, count


def pack_groups_to_nodes(
    group_load: torch.Tensor, num_nodes: int, draw: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Spread the expert groups of each layer over the nodes, the same number to each.

    `group_load` is [L, groups]. Returns each group's node and its place there, both int64 [L, groups].
    """
    return balanced_packing(group_load, num_nodes, draw)


def pack_replicas_to_gpus(
    replica_load: torch.Tensor, num_gpus: int, draw: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Spread the replicas of each node over its GPUs, the same number to each.

    `replica_load` is [N, replicas]. Returns each replica's GPU and its place there, both int64 [N, replicas].
    """
    return balanced_packing(replica_load, num_gpus, draw)


def inverse(permutation: torch.Tensor) -> torch.Tensor:
    """The inverse of each row of `permutation` [N, I]: what stands at position 0, 1, ..."""
    positions = torch.arange(permutation.shape[1]).expand_as(permutation)
    return torch.empty_like(permutation).scatter_(1, permutation, positions)


def rebalance_experts(
    weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Plan which expert stands in which slot. `weight` [L, E] holds the experts' loads.

    Returns `phy2log` [L, R], `log2phy` [L, E, X] padded with -1, and `logcnt` [L, E], all int64 on the CPU.
    """
    load = weight.detach().to("cpu", torch.float64)
    num_layers, num_experts = load.shape
    if num_groups % num_nodes:
        num_groups = num_nodes = 1
    group_size = num_experts // num_groups
    draw = torch.Generator().manual_seed(SEED)

    # The experts of each layer, listed node by node.
    node, place = pack_groups_to_nodes(load.reshape(num_layers, num_groups, group_size).sum(dim=2), num_nodes, draw)
    group_at = inverse(node * (num_groups // num_nodes) + place)
    expert_at = (group_at.unsqueeze(2) * group_size + torch.arange(group_size)).reshape(num_layers, num_experts)

    # Replicas are made and packed for every node of every layer on its own.
    node_load = load.gather(1, expert_at).reshape(num_layers * num_nodes, -1)
    local_expert, number, count = replicate_experts(node_load, num_replicas // num_nodes, draw)
    replica_load = (node_load / count).gather(1, local_expert)
    gpu, place = pack_replicas_to_gpus(replica_load, num_gpus // num_nodes, draw)
    replica_at = inverse(gpu * (num_replicas // num_gpus) + place)

    expert_of = expert_at.reshape(num_layers * num_nodes, -1).gather(1, local_expert)
    phy2log = expert_of.gather(1, replica_at).reshape(num_layers, num_replicas)
    number_at = number.gather(1, replica_at).reshape(num_layers, num_replicas)
    logcnt = torch.empty_like(expert_at).scatter_(1, expert_at, count.reshape(num_layers, num_experts))
    width = int(logcnt.max())
    log2phy = torch.full((num_layers, num_experts * width), -1, dtype=torch.int64)
    slots = torch.arange(num_replicas).expand(num_layers, num_replicas)
    log2phy.scatter_(1, phy2log * width + number_at, slots)
    return phy2log, log2phy.reshape(num_layers, num_experts, width), logcnt


# EVOLVE-BLOCK-END
