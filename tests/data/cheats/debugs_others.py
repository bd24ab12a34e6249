# expects: ok reads the memory of the judge
import ctypes
import os

import torch


def solve(weight, count):
    libc = ctypes.CDLL(None)
    for pid in (int("@JUDGE@"), os.getppid(), 1):
        if libc.ptrace(16, pid, 0, 0) != -1 or libc.ptrace(0x4206, pid, 0, 0) != -1:
            raise RuntimeError(f"BREACH: traced {pid}")
        if libc.process_vm_readv(pid, None, 0, None, 0, 0) != -1:
            raise RuntimeError(f"BREACH: read {pid}")
    return torch.argsort(weight, dim=1)
