"""The solvers that mixed programs are made of: the shipped greedy, LPT with swaps and zig-zag, in one text."""

import numpy as np
import torch

MAX_ROUNDS = 200
MIN_GAIN = 1e-5  # as a share of the mean load of a pack


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


def dealt_packing(weight: torch.Tensor, num_packs: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Deal the items of each row of `weight` [N, I], heaviest first, to packs 0, ..., P-1, P-1, ..., 0, and so on.

    Returns each item's pack and its place in the pack, both int64 [N, I].
    """
    num_rows, num_items = weight.shape
    order = weight.argsort(dim=1, descending=True, stable=True)
    position = torch.arange(num_items)
    turn, step = position // num_packs, position % num_packs
    dealt_to = torch.where(turn % 2 == 0, step, num_packs - 1 - step)
    pack = torch.empty_like(order).scatter_(1, order, dealt_to.expand(num_rows, num_items))
    place = torch.empty_like(order).scatter_(1, order, turn.expand(num_rows, num_items))
    return pack, place


def replicate_experts(weight: torch.Tensor, num_replicas: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give every expert of each row of `weight` [N, I] one replica, and the rest to where a replica's load is largest.

    Returns each replica's expert and its number among that expert's replicas, both int64 [N, num_replicas], and each
    expert's count of replicas, int64 [N, I].
    """
    load = weight.numpy()
    num_rows, num_experts = load.shape
    expert = np.zeros((num_rows, num_replicas), dtype=np.int64)
    expert[:, :num_experts] = np.arange(num_experts)
    number = np.zeros_like(expert)
    count = np.ones((num_rows, num_experts), dtype=np.int64)
    replica_load = load.copy()
    rows = np.arange(num_rows)
    for replica in range(num_experts, num_replicas):
        busiest = replica_load.argmax(axis=1)
        replicas = count[rows, busiest]
        expert[:, replica] = busiest
        number[:, replica] = replicas
        count[rows, busiest] = replicas + 1
        replica_load[rows, busiest] = load[rows, busiest] / (replicas + 1)
    return torch.from_numpy(expert), torch.from_numpy(number), torch.from_numpy(count)


def refined_packing(weight: torch.Tensor, num_packs: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`balanced_packing` refined by swaps."""
    capacity = weight.shape[1] // num_packs
    pack, place = balanced_packing(weight, num_packs)
    if capacity == 1 or num_packs == 1:
        return pack, place
    slot = swap_heaviest(weight, pack * capacity + place, num_packs)
    return slot // capacity, slot % capacity


def swap_heaviest(weight: torch.Tensor, slot: torch.Tensor, num_packs: int) -> torch.Tensor:
    """Swap items of the heaviest pack of each row against items of any other pack while that lowers it.

    `weight` and `slot` are [N, I]; slot s belongs to pack s // K, K = I / P. Each round makes, in every row, the one
    swap after which the heavier of the two packs is lightest; rows without a worthwhile swap are finished. Returns
    the items' new slots, int64 [N, I].
    """
    num_rows, num_items = weight.shape
    item_at = inverse(slot).numpy()
    # We scale a row's packs to weigh 1 on average: float32 then suffices, and halves the memory traffic.
    unit = weight.sum(dim=1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny) / num_packs
    weight_at = (weight / unit).float().gather(1, torch.from_numpy(item_at)).numpy()
    pack_weight = weight_at.reshape(num_rows, num_packs, -1).sum(axis=2)
    row = np.arange(num_rows)
    for _ in range(MAX_ROUNDS):
        heaviest = pack_weight[row].argmax(axis=1)
        gain, mine, other = best_swap(weight_at[row], pack_weight[row], heaviest)
        worthwhile = gain > MIN_GAIN
        row, heaviest = row[worthwhile], heaviest[worthwhile]
        mine, other = mine[worthwhile], other[worthwhile]
        if not row.size:
            break
        moved = weight_at[row, mine] - weight_at[row, other]
        pack_weight[row, heaviest] -= moved
        pack_weight[row, other // (num_items // num_packs)] += moved
        for table in (weight_at, item_at):
            table[row, mine], table[row, other] = table[row, other], table[row, mine]
    return inverse(torch.from_numpy(item_at))


def best_swap(weight_at: np.ndarray, pack_weight: np.ndarray, heaviest: np.ndarray) -> tuple[np.ndarray, ...]:
    """The best swap of each row between its heaviest pack and any other.

    `weight_at` [N, I] lists the items by slot, `pack_weight` is [N, P], `heaviest` [N]. Returns, each [N], by how much
    the heavier pack of the two falls below the heaviest, and the two slots. Moving a difference d from a pack of
    weight H to one of weight W leaves the heavier at (H + W) / 2 + |d - (H - W) / 2|.
    """
    num_rows, num_items = weight_at.shape
    capacity = num_items // pack_weight.shape[1]
    rows = np.arange(num_rows)
    top = pack_weight[rows, heaviest]
    first = heaviest[:, None] * capacity
    mine = np.take_along_axis(weight_at, first + np.arange(capacity), axis=1)
    middle = np.repeat((top[:, None] + pack_weight) / 2, capacity, axis=1)
    wanted = weight_at + (top[:, None] - middle)
    outcome = mine[:, :, None] - wanted[:, None, :]
    np.abs(outcome, out=outcome)
    outcome += middle[:, None, :]
    outcome = outcome.reshape(num_rows, capacity * num_items)
    best = outcome.argmin(axis=1)
    return top - outcome[rows, best], first[:, 0] + best // num_items, best % num_items


def inverse(permutation: torch.Tensor) -> torch.Tensor:
    """The inverse of each row of `permutation` [N, I]: what stands at position 0, 1, ..."""
    positions = torch.arange(permutation.shape[1]).expand_as(permutation)
    return torch.empty_like(permutation).scatter_(1, permutation, positions)


def plan(
    weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int, to_nodes, to_gpus
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Plan which expert stands in which slot. `weight` [L, E] holds the experts' loads; the packings are given.

    Returns `phy2log` [L, R], `log2phy` [L, E, X] padded with -1, and `logcnt` [L, E], all int64 on the CPU.
    """
    load = weight.detach().to("cpu", torch.float64)
    num_layers, num_experts = load.shape
    if num_groups % num_nodes:
        num_groups = num_nodes = 1
    group_size = num_experts // num_groups

    # The experts of each layer, listed node by node.
    node, place = to_nodes(load.reshape(num_layers, num_groups, group_size).sum(dim=2), num_nodes)
    group_at = inverse(node * (num_groups // num_nodes) + place)
    expert_at = (group_at.unsqueeze(2) * group_size + torch.arange(group_size)).reshape(num_layers, num_experts)

    # Replicas are made and packed for every node of every layer on its own.
    node_load = load.gather(1, expert_at).reshape(num_layers * num_nodes, -1)
    local_expert, number, count = replicate_experts(node_load, num_replicas // num_nodes)
    replica_load = (node_load / count).gather(1, local_expert)
    gpu, place = to_gpus(replica_load, num_gpus // num_nodes)
    replica_at = inverse(gpu * (num_replicas // num_gpus) + place)

    expert_of = expert_at.reshape(num_layers * num_nodes, -1).gather(1, local_expert)
    phy2log = expert_of.gather(1, replica_at).reshape(num_layers, num_replicas)
    number_at = number.gather(1, replica_at).reshape(num_layers, num_replicas)
    logcnt = torch.empty_like(expert_at).scatter_(1, expert_at, count.reshape(num_layers, num_experts))
    return tables(phy2log, number_at, logcnt)


def tables(
    phy2log: torch.Tensor, number_at: torch.Tensor, logcnt: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The answer: the plan, the slots of each expert [L, E, X], and its counts [L, E]."""
    (num_layers, num_replicas), num_experts, width = phy2log.shape, logcnt.shape[1], int(logcnt.max())
    log2phy = torch.full((num_layers, num_experts * width), -1, dtype=torch.int64)
    slots = torch.arange(num_replicas).expand(num_layers, num_replicas)
    log2phy.scatter_(1, phy2log * width + number_at, slots)
    return phy2log, log2phy.reshape(num_layers, num_experts, width), logcnt


def greedy(weight, *sizes):
    """What `vectorised_greedy.py` answers."""
    return plan(weight, *sizes, balanced_packing, balanced_packing)


def careful(weight, *sizes):
    """What `lpt_swap.py` answers: better and slower."""
    return plan(weight, *sizes, balanced_packing, refined_packing)


def hasty(weight, *sizes):
    """What `snake.py` answers: worse and faster."""
    return plan(weight, *sizes, dealt_packing, dealt_packing)
