# expects: run/memory asks for a tensor larger than the limit
import torch


def solve(weight, count):
    return torch.zeros(3 * 10**9)
