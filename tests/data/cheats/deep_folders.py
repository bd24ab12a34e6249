# expects: ok leaves folders nested deeper than a path may be long
import os

import torch


def solve(weight, count):
    for _ in range(1500):
        os.mkdir("folder")
        os.chdir("folder")
    open("leaf", "w").close()
    return torch.argsort(weight, dim=1)
