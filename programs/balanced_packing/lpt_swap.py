"""LPT refined by swaps, in torch: the heaviest pack swaps items with any other pack while that lowers its weight.

The start is LPT with capacities. All rows go at once, on the device of the input.

Letters in the shapes: X rows that are packed on their own, n items in a row, P packs of k = n / P places; Y rows that
are not finished. Slot s is place s % k of pack s // k.
"""

# EVOLVE-BLOCK-START
import torch

MAX_ROUNDS = 200
MIN_GAIN = 1e-6  # as a share of the mean weight of a pack


def balanced_packing(weight, num_packs):
    """Pack the items of each row of `weight` [X, n] into packs of equally many items and nearly equal weight.

    Returns each item's pack and its place in the pack, both int64 [X, n].
    """
    load = weight.detach().to(torch.float64)
    capacity = load.shape[1] // num_packs
    # A row is scaled to packs that weigh 1 on average, so that sizes of any order are treated alike.
    unit = load.sum(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny) / num_packs
    load = load / unit
    item_at = first_packing(load, num_packs)
    if capacity > 1 and num_packs > 1:
        item_at = swap_heaviest(load, item_at, num_packs)
    slots = torch.arange(load.shape[1], device=load.device).expand_as(item_at)
    slot = torch.empty_like(item_at).scatter_(1, item_at, slots)
    return slot // capacity, slot % capacity


def first_packing(load, num_packs):
    """The item in each slot, int64 [X, n]: the heaviest item left goes to the lightest pack that has room."""
    num_rows, num_items = load.shape
    capacity = num_items // num_packs
    falling, order = load.sort(dim=1, descending=True, stable=True)
    rows = torch.arange(num_rows, device=load.device)
    packs = torch.arange(num_packs, device=load.device)
    pack_weight = load.new_zeros(num_rows, num_packs)
    pack_size = torch.zeros(num_rows, num_packs, dtype=torch.int64, device=load.device)
    item_at = torch.empty_like(order)
    for step in range(num_items):
        # The first of equally light packs: torch promises no order for argmin.
        lightest = torch.where(pack_weight == pack_weight.amin(dim=1, keepdim=True), packs, num_packs).amin(dim=1)
        size = pack_size[rows, lightest]
        item_at[rows, lightest * capacity + size] = order[:, step]
        pack_size[rows, lightest] = size + 1
        full = torch.where(size == capacity - 1, torch.inf, falling[:, step])
        pack_weight[rows, lightest] += full  # a full pack is infinitely heavy, so never the lightest
    return item_at


def swap_heaviest(load, item_at, num_packs):
    """Swap items of the heaviest pack of each row against items of any other pack while that lowers it.

    `load` [X, n]; returns the item in each slot, int64 [X, n]. Each round makes, in every row, the one swap after which
    the heavier of the two packs is lightest; rows without a worthwhile swap are finished.
    """
    num_rows, num_items = load.shape
    capacity = num_items // num_packs
    weight_at = load.gather(1, item_at)
    row = torch.arange(num_rows, device=load.device)
    for _ in range(MAX_ROUNDS):
        gain, mine, other = best_swap(weight_at[row].reshape(len(row), num_packs, capacity))
        worthwhile = gain > MIN_GAIN
        row, mine, other = row[worthwhile], mine[worthwhile], other[worthwhile]
        if not len(row):
            break
        for table in (weight_at, item_at):
            table[row, mine], table[row, other] = table[row, other], table[row, mine]
    return item_at


def best_swap(weight_at):
    """The best swap of each row between its heaviest pack and any other, for weights by slot [Y, P, k].

    Returns, each [Y], by how much the heavier pack of the two falls below the heaviest, and the two slots. Moving a
    difference d from a pack of weight H to one of weight W leaves the heavier at (H + W) / 2 + |d - (H - W) / 2|.
    """
    num_rows, num_packs, capacity = weight_at.shape
    pack_weight = weight_at.sum(dim=2)
    top, heaviest = pack_weight.max(dim=1)
    rows = torch.arange(num_rows, device=weight_at.device)
    mine = weight_at[rows, heaviest]
    middle = (top[:, None] + pack_weight)[:, :, None] / 2
    wanted = (weight_at + (top[:, None, None] - middle)).reshape(num_rows, 1, -1)
    outcome = (mine[:, :, None] - wanted).abs_()
    outcome += middle.expand(weight_at.shape).reshape(num_rows, 1, -1)
    least, best = outcome.reshape(num_rows, -1).min(dim=1)
    num_items = num_packs * capacity
    return top - least, heaviest * capacity + best // num_items, best % num_items


# EVOLVE-BLOCK-END
