# expects: ok makes a process by bare system calls
import ctypes
import errno
import platform

import torch


def solve(weight, count):
    clone = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    libc = ctypes.CDLL(None, use_errno=True)
    for number in (clone, 435):
        pid = libc.syscall(number, 17, 0, 0, 0, 0)
        if pid == 0:
            libc._exit(0)
        if pid != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
            raise RuntimeError(f"BREACH: process {pid}")
    return torch.argsort(weight, dim=1)
