# expects: ok cuts the memory that the judge is about to read
import fcntl
import os

import torch


def solve(weight, count):
    mine = [n for n in os.listdir("/proc/self/fd") if "memfd" in link(n)]
    if not mine:
        raise RuntimeError("the test found no memory to cut")
    for number in map(int, mine):
        must_fail("shrunk", lambda: os.ftruncate(number, 0))
        must_fail("grown", lambda: os.ftruncate(number, 1 << 40))
        must_fail("sealed", lambda: fcntl.fcntl(number, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE))
    return torch.argsort(weight, dim=1)


def link(name):
    try:
        return os.readlink("/proc/self/fd/" + name)
    except OSError:
        return ""
