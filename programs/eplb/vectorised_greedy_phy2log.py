"""The plan of `vectorised_greedy.py`, returned as `phy2log` alone: the default reference for run time under that form.

Nothing is worked out that only the other two tensors of the triple would need.

Letters in the shapes: L layers, E experts, R replicas (slots);
N rows that are planned on their own, I items in a row, P packs.
"""

# EVOLVE-BLOCK-START
import numpy as np
import torch


def balanced_packing(weight: torch.Tensor, num_packs: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pack the items of each row of `weight` [N, I] into packs of I / num_packs items of nearly equal weight.

    The heaviest item left goes to the lightest pack that has room. Returns each item's pack and its place in the
    pack, both int64 [N, I].
    """
    num_rows, num_items = weight.shape
    capacity = num_items // num_packs
    if capacity == 1:
        pack = torch.arange(num_items).expand(num_rows, num_items)
        return pack, torch.zeros_like(pack)
    sorted_weight, order = weight.sort(dim=1, descending=True, stable=True)
    item_weight = sorted_weight.T.contiguous().numpy()
    pack_weight = np.zeros((num_rows, num_packs))
    pack_size = np.zeros(num_rows * num_packs, dtype=np.int64)
    first_pack = np.arange(num_rows) * num_packs
    # The item that fills a pack also makes it infinitely heavy, so that the lightest pack always has room.
    surcharge = np.zeros(capacity)
    surcharge[-1] = np.inf
    pack_of = np.empty((num_items, num_rows), dtype=np.int64)
    place_of = np.empty_like(pack_of)
    flat_weight = pack_weight.ravel()
    for step in range(num_items):
        lightest = pack_weight.argmin(axis=1)
        lightest += first_pack
        place = pack_size[lightest]
        pack_size[lightest] = place + 1
        flat_weight[lightest] += item_weight[step] + surcharge[place]
        pack_of[step] = lightest
        place_of[step] = place
    pack_of -= first_pack
    pack = torch.empty_like(order).scatter_(1, order, torch.from_numpy(pack_of.T))
    place = torch.empty_like(order).scatter_(1, order, torch.from_numpy(place_of.T))
    return pack, place


def replicate_experts(weight: torch.Tensor, num_replicas: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Give every expert of each row of `weight` [N, I] one replica, and the rest to where a replica's load is largest.

    Returns each replica's expert, int64 [N, num_replicas], and each expert's count of replicas, int64 [N, I].
    """
    load = weight.numpy()
    num_rows, num_experts = load.shape
    expert = np.zeros((num_rows, num_replicas), dtype=np.int64)
    expert[:, :num_experts] = np.arange(num_experts)
    count = np.ones((num_rows, num_experts), dtype=np.int64)
    replica_load = load.copy()
    rows = np.arange(num_rows)
    for replica in range(num_experts, num_replicas):
        busiest = replica_load.argmax(axis=1)
        replicas = count[rows, busiest]
        expert[:, replica] = busiest
        count[rows, busiest] = replicas + 1
        replica_load[rows, busiest] = load[rows, busiest] / (replicas + 1)
    return torch.from_numpy(expert), torch.from_numpy(count)


def pack_groups_to_nodes(group_load: torch.Tensor, num_nodes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Spread the expert groups of each layer over the nodes, the same number to each.

    `group_load` is [L, groups]. Returns each group's node and its place there, both int64 [L, groups].
    """
    return balanced_packing(group_load, num_nodes)


def pack_replicas_to_gpus(replica_load: torch.Tensor, num_gpus: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Spread the replicas of each node over its GPUs, the same number to each.

    `replica_load` is [N, replicas]. Returns each replica's GPU and its place there, both int64 [N, replicas].
    """
    return balanced_packing(replica_load, num_gpus)


def inverse(permutation: torch.Tensor) -> torch.Tensor:
    """The inverse of each row of `permutation` [N, I]: what stands at position 0, 1, ..."""
    positions = torch.arange(permutation.shape[1]).expand_as(permutation)
    return torch.empty_like(permutation).scatter_(1, permutation, positions)


def rebalance_experts(
    weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> torch.Tensor:
    """Plan which expert stands in which slot. `weight` [L, E] holds the experts' loads.

    Returns `phy2log`, int64 [L, R] on the CPU.
    """
    load = weight.detach().to("cpu", torch.float64)
    num_layers, num_experts = load.shape
    if num_groups % num_nodes:
        num_groups = num_nodes = 1
    group_size = num_experts // num_groups

    # The experts of each layer, listed node by node.
    node, place = pack_groups_to_nodes(load.reshape(num_layers, num_groups, group_size).sum(dim=2), num_nodes)
    group_at = inverse(node * (num_groups // num_nodes) + place)
    expert_at = (group_at.unsqueeze(2) * group_size + torch.arange(group_size)).reshape(num_layers, num_experts)

    # Replicas are made and packed for every node of every layer on its own.
    node_load = load.gather(1, expert_at).reshape(num_layers * num_nodes, -1)
    local_expert, count = replicate_experts(node_load, num_replicas // num_nodes)
    replica_load = (node_load / count).gather(1, local_expert)
    gpu, place = pack_replicas_to_gpus(replica_load, num_gpus // num_nodes)
    replica_at = inverse(gpu * (num_replicas // num_gpus) + place)

    expert_of = expert_at.reshape(num_layers * num_nodes, -1).gather(1, local_expert)
    return expert_of.gather(1, replica_at).reshape(num_layers, num_replicas)


# EVOLVE-BLOCK-END
