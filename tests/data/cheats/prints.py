# expects: ok floods every output it has
import os
import sys

import torch


def solve(weight, count):
    for _ in range(20_000):
        print("x" * 100)
        print("x" * 100, file=sys.stderr)
    for number in (1, 2):
        os.write(number, b"x" * 10_000_000)
    return torch.argsort(weight, dim=1)
