# expects: validate/mutated_input sorts its input in place
import torch


def solve(weight, count):
    weight.copy_(torch.sort(weight, dim=1).values)
    return torch.argsort(weight, dim=1)
