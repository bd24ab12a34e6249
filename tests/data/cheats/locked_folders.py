# expects: ok leaves folders that nobody may enter, and links out of them
import os

import torch


def solve(weight, count):
    os.makedirs("a/b")
    os.symlink("@VICTIM@", "a/b/link")
    os.symlink("/", "a/root")
    os.mkdir("a/locked", 0)
    return torch.argsort(weight, dim=1)
