"""Zig-zag dealing: items by falling weight go to packs 0, ..., P-1, P-1, ..., 0, and so on, without any loop.

It ignores what a pack already weighs: the fastest, and visibly worse with more than two items a pack. It runs on the
device of its input.

Letters in the shapes: X rows that are packed on their own, n items in a row, P packs.
"""

# EVOLVE-BLOCK-START
import torch


def balanced_packing(weight, num_packs):
    """Deal the items of each row of `weight` [X, n], heaviest first, to the packs forth and back.

    Returns each item's pack and its place in the pack, both int64 [X, n].
    """
    num_rows, num_items = weight.shape
    order = weight.argsort(dim=1, descending=True, stable=True)
    position = torch.arange(num_items, device=weight.device)
    turn, step = position // num_packs, position % num_packs
    dealt_to = torch.where(turn % 2 == 0, step, num_packs - 1 - step)
    pack = torch.empty_like(order).scatter_(1, order, dealt_to.expand(num_rows, num_items))
    rank = torch.empty_like(order).scatter_(1, order, turn.expand(num_rows, num_items))
    return pack, rank


# EVOLVE-BLOCK-END
