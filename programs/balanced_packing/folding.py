"""Sort and fold: one more item for every pack in each round, the lightest of P items for the heaviest pack.

The items by falling weight are cut into k rounds of P. In each, the packs are sorted by what they weigh so far, and
their order is folded onto that of the round's items. With two items a pack this is optimal. It needs k sorts of P
weights in place of the n steps of LPT, and runs on the device of its input.

Letters in the shapes: X rows that are packed on their own, n items in a row, P packs of k = n / P places.
"""

# EVOLVE-BLOCK-START
import torch


def balanced_packing(weight, num_packs):
    """Pack the items of each row of `weight` [X, n] into packs of equally many items and nearly equal weight.

    Returns each item's pack and its place in the pack, both int64 [X, n].
    """
    num_rows, num_items = weight.shape
    capacity = num_items // num_packs
    falling, order = weight.to(torch.float64).sort(dim=1, descending=True, stable=True)
    pack = torch.empty_like(order)
    pack[:, :num_packs] = torch.arange(num_packs, device=weight.device)
    pack_weight = falling[:, :num_packs].clone()
    for turn in range(1, capacity):
        here = slice(turn * num_packs, (turn + 1) * num_packs)
        lightest_first = pack_weight.argsort(dim=1, stable=True)
        pack[:, here] = lightest_first
        pack_weight.scatter_add_(1, lightest_first, falling[:, here])
    rank = (torch.arange(num_items, device=weight.device) // num_packs).expand(num_rows, num_items)
    return torch.empty_like(order).scatter_(1, order, pack), torch.empty_like(order).scatter_(1, order, rank)


# EVOLVE-BLOCK-END
