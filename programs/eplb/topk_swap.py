"""Greedy packing from several starts, each refined by swaps between the heaviest and the lightest packs.

The parent of `patches/all_pairs_refinement.patch`. Every row is packed from eight orders at once: by descending load,
and by loads perturbed with seeded noise. Each packing is then refined by swaps that lower the sum of squared pack
weights, and the one with the lightest heaviest pack is kept. Everything runs on the device of `weight`.

Letters in the shapes: L layers, E experts, R replicas (slots), X the largest number of replicas of one expert;
N rows that are planned on their own, I items in a row, P packs; in the refinement B rows times restarts, G items in a
pack, K packs looked at.
"""

# EVOLVE-BLOCK-START
import torch

NOISE = 0.15
NOISE_SEED = 0


def greedy_order_packing(weight: torch.Tensor, num_packs: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Put the items of each row of `weight` [B, I], in the order given, into the lightest pack that has room.

    Returns each item's pack and its place in the pack, both int64 [B, I].
    """
    batch_size, num_items = weight.shape
    capacity = num_items // num_packs
    pack_weight = weight.new_zeros(batch_size, num_packs)
    pack_size = torch.zeros(batch_size, num_packs, dtype=torch.int64, device=weight.device)
    # The item that fills a pack also makes it infinitely heavy, so that the lightest pack always has room.
    surcharge = weight.new_zeros(capacity)
    surcharge[-1] = float("inf")
    packs, places = [], []
    for item_weight in weight.split(1, dim=1):
        lightest = pack_weight.argmin(dim=1, keepdim=True)
        place = pack_size.gather(1, lightest)
        pack_size.scatter_(1, lightest, place + 1)
        pack_weight.scatter_add_(1, lightest, item_weight + surcharge[place])
        packs.append(lightest)
        places.append(place)
    return torch.cat(packs, dim=1), torch.cat(places, dim=1)


def balanced_packing(weight: torch.Tensor, num_packs: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pack the items of each row of `weight` [N, I] into packs of I / num_packs items of nearly equal weight.

    Returns each item's pack and its place in the pack, both int64 [N, I].
    """
    num_layers, num_groups = weight.shape
    groups_per_pack = num_groups // num_packs
    device = weight.device
    if groups_per_pack == 1:
        pack = torch.arange(num_groups, device=device).expand(num_layers, num_groups)
        return pack, torch.zeros_like(pack)

    # Run multiple random restarts in parallel
    num_restarts = 8

    # Expand weight for restarts: [num_layers, num_restarts, num_groups]
    # An item weighs 1 on average, so that the thresholds below mean the same for loads of any scale.
    unit = weight.mean(dim=1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    item_weight = (weight / unit).float()
    batch_size = num_layers * num_restarts
    expanded = item_weight.unsqueeze(1).expand(-1, num_restarts, -1).reshape(batch_size, num_groups)
    row_indices = torch.arange(batch_size, device=device)

    # The first restart of a row sorts by load itself. The noise is drawn on the CPU: the same on every device.
    generator = torch.Generator().manual_seed(NOISE_SEED)
    noise = NOISE * torch.randn(num_layers, num_restarts, num_groups, generator=generator)
    noise[:, 0] = 0
    perturbed = expanded * noise.exp().reshape(batch_size, num_groups).to(device)
    sorted_indices = perturbed.argsort(dim=1, descending=True, stable=True)
    sorted_w = expanded.gather(1, sorted_indices)
    pack_index_sorted, rank_in_pack_sorted = greedy_order_packing(sorted_w, num_packs)

    # fmt: off
    # Refinement: Top-K / Bottom-K Swap minimizing L2 norm (Sum of Squared Weights)
    # Construct pack_contents for easy access: [Batch, num_packs, groups_per_pack]
    pack_contents = torch.zeros(batch_size,
                                num_packs,
                                groups_per_pack,
                                device=device)
    pack_item_ids = torch.zeros(batch_size,
                                num_packs,
                                groups_per_pack,
                                dtype=torch.int64,
                                device=device)

    flat_indices = row_indices.unsqueeze(1).expand(-1, num_groups).flatten()
    flat_pack_idx = pack_index_sorted.flatten()
    flat_rank_idx = rank_in_pack_sorted.flatten()

    pack_contents.index_put_((flat_indices, flat_pack_idx, flat_rank_idx),
                             sorted_w.flatten())
    pack_item_ids.index_put_((flat_indices, flat_pack_idx, flat_rank_idx),
                             sorted_indices.flatten())

    # Number of top/bottom packs to consider
    K = min(num_packs, 4)

    for _ in range(20):
        current_pack_weights = pack_contents.sum(dim=2)  # [B, P]

        # Identify Top-K and Bottom-K packs
        # vals_top: [B, K], idx_top: [B, K]
        vals_top, idx_top = torch.topk(current_pack_weights, k=K, largest=True)
        vals_bot, idx_bot = torch.topk(current_pack_weights,
                                       k=K,
                                       largest=False)

        # Check convergence (difference between heaviest and lightest)
        diff = vals_top[:, 0] - vals_bot[:, 0]
        active_mask = diff > 1e-4
        if not active_mask.any():
            break

        # Gather items from Top-K and Bottom-K packs
        # Expand indices for gathering: [B, K, G]
        gather_top = idx_top.unsqueeze(2).expand(-1, -1, groups_per_pack)
        gather_bot = idx_bot.unsqueeze(2).expand(-1, -1, groups_per_pack)

        items_top = pack_contents.gather(1, gather_top)  # [B, K, G]
        items_bot = pack_contents.gather(1, gather_bot)  # [B, K, G]

        # Compute delta for all pairs: w_u - w_v (u from Top, v from Bot)
        # Shape: [B, K, G, K, G]
        # items_top: [B, K, G, 1, 1]
        # items_bot: [B, 1, 1, K, G]
        delta = items_top.unsqueeze(3).unsqueeze(4) - items_bot.unsqueeze(
            1).unsqueeze(2)

        # Compute L2 gain: reduction in sum of squared weights
        # Gain = (W_A^2 + W_B^2) - ((W_A - d)^2 + (W_B + d)^2)
        #      = 2*d*(W_A - W_B - d)
        # W_A corresponds to vals_top, W_B to vals_bot
        W_A = vals_top.unsqueeze(2).unsqueeze(3).unsqueeze(4)
        W_B = vals_bot.unsqueeze(1).unsqueeze(2).unsqueeze(4)
        diff_packs = W_A - W_B

        gain = 2 * delta * (diff_packs - delta)

        # Mask invalid swaps:
        # 1. Must be distinct packs (if K is large enough to overlap)
        # idx_top: [B, K, 1, 1, 1], idx_bot: [B, 1, 1, K, 1]
        p_top_exp = idx_top.unsqueeze(2).unsqueeze(3).unsqueeze(4)
        p_bot_exp = idx_bot.unsqueeze(1).unsqueeze(2).unsqueeze(4)
        valid_pair = p_top_exp != p_bot_exp

        # 2. Only consider positive gain
        gain_mask = (gain > 1e-6) & valid_pair
        gain[~gain_mask] = -float('inf')

        # Find best swap per batch
        gain_flat = gain.view(batch_size, -1)
        best_gain, best_flat_idx = gain_flat.max(dim=1)

        do_swap = (best_gain > 1e-6) & active_mask
        if not do_swap.any():
            break

        # Decode indices
        batch_active = row_indices[do_swap]
        idx_tuple = best_flat_idx[do_swap]

        KG = K * groups_per_pack
        # Index in flattened [K*G, K*G]
        idx_pair_top = idx_tuple // KG
        idx_pair_bot = idx_tuple % KG

        k_t = idx_pair_top // groups_per_pack
        g_t = idx_pair_top % groups_per_pack
        k_b = idx_pair_bot // groups_per_pack
        g_b = idx_pair_bot % groups_per_pack

        # Retrieve pack indices
        p_top = idx_top[batch_active, k_t]
        p_bot = idx_bot[batch_active, k_b]

        # Perform swap
        val_top = pack_contents[batch_active, p_top, g_t]
        val_bot = pack_contents[batch_active, p_bot, g_b]

        pack_contents[batch_active, p_top, g_t] = val_bot
        pack_contents[batch_active, p_bot, g_b] = val_top

        id_top = pack_item_ids[batch_active, p_top, g_t]
        id_bot = pack_item_ids[batch_active, p_bot, g_b]

        pack_item_ids[batch_active, p_top, g_t] = id_bot
        pack_item_ids[batch_active, p_bot, g_b] = id_top

    # fmt: on
    # Keep each row's best restart: the one whose heaviest pack is lightest.
    heaviest = pack_contents.sum(dim=2).amax(dim=1).reshape(num_layers, num_restarts)
    best = torch.arange(num_layers, device=device) * num_restarts + heaviest.argmin(dim=1)
    slot_of = inverse(pack_item_ids[best].reshape(num_layers, num_groups))
    return slot_of // groups_per_pack, slot_of % groups_per_pack


def replicate_experts(weight: torch.Tensor, num_replicas: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give every expert of each row of `weight` [N, I] one replica, and the rest to where a replica's load is largest.

    Returns each replica's expert and its number among that expert's replicas, both int64 [N, num_replicas], and each
    expert's count of replicas, int64 [N, I].
    """
    num_rows, num_experts = weight.shape
    expert = torch.arange(num_experts, device=weight.device).repeat(num_rows, 1)
    expert = torch.cat((expert, expert.new_zeros(num_rows, num_replicas - num_experts)), dim=1)
    number = torch.zeros_like(expert)
    count = torch.ones(num_rows, num_experts, dtype=torch.int64, device=weight.device)
    one = torch.ones_like(count[:, :1])
    for replica in range(num_experts, num_replicas):
        busiest = (weight / count).argmax(dim=1, keepdim=True)
        expert[:, replica : replica + 1] = busiest
        number[:, replica : replica + 1] = count.gather(1, busiest)
        count.scatter_add_(1, busiest, one)
    return expert, number, count


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
    positions = torch.arange(permutation.shape[1], device=permutation.device).expand_as(permutation)
    return torch.empty_like(permutation).scatter_(1, permutation, positions)


def rebalance_experts(
    weight: torch.Tensor, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Plan which expert stands in which slot. `weight` [L, E] holds the experts' loads.

    Returns `phy2log` [L, R], `log2phy` [L, E, X] padded with -1, and `logcnt` [L, E], all int64 on the
    device of `weight`.
    """
    device = weight.device
    load = weight.detach().to(torch.float64)
    num_layers, num_experts = load.shape
    if num_groups % num_nodes:
        num_groups = num_nodes = 1
    group_size = num_experts // num_groups

    # The experts of each layer, listed node by node.
    node, place = pack_groups_to_nodes(load.reshape(num_layers, num_groups, group_size).sum(dim=2), num_nodes)
    group_at = inverse(node * (num_groups // num_nodes) + place)
    member = torch.arange(group_size, device=device)
    expert_at = (group_at.unsqueeze(2) * group_size + member).reshape(num_layers, num_experts)

    # Replicas are made and packed for every node of every layer on its own.
    node_load = load.gather(1, expert_at).reshape(num_layers * num_nodes, -1)
    local_expert, number, count = replicate_experts(node_load, num_replicas // num_nodes)
    replica_load = (node_load / count).gather(1, local_expert)
    gpu, place = pack_replicas_to_gpus(replica_load, num_gpus // num_nodes)
    replica_at = inverse(gpu * (num_replicas // num_gpus) + place)

    expert_of = expert_at.reshape(num_layers * num_nodes, -1).gather(1, local_expert)
    phy2log = expert_of.gather(1, replica_at).reshape(num_layers, num_replicas)
    number_at = number.gather(1, replica_at).reshape(num_layers, num_replicas)
    logcnt = torch.empty_like(expert_at).scatter_(1, expert_at, count.reshape(num_layers, num_experts))
    width = int(logcnt.max())
    log2phy = torch.full((num_layers, num_experts * width), -1, dtype=torch.int64, device=device)
    slots = torch.arange(num_replicas, device=device).expand(num_layers, num_replicas)
    log2phy.scatter_(1, phy2log * width + number_at, slots)
    return phy2log, log2phy.reshape(num_layers, num_experts, width), logcnt


# EVOLVE-BLOCK-END
