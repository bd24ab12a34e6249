# expects: ok makes memory that outlives it or that no limit counts
import ctypes
import os

import torch


def solve(weight, count):
    libc = ctypes.CDLL(None)
    made = {
        "segment": libc.shmget(0, 1 << 20, 0o1600),
        "semaphore": libc.semget(0, 1, 0o1600),
        "queue": libc.msgget(0, 0o1600),
    }
    try:
        made["file"] = os.memfd_create("cheat")
    except OSError:
        made["file"] = -1
    if set(made.values()) != {-1}:
        raise RuntimeError(f"BREACH: {made}")
    return torch.argsort(weight, dim=1)
