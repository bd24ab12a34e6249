# expects: ok makes namespaces and mounts of its own
import ctypes

import torch


def solve(weight, count):
    libc = ctypes.CDLL(None)
    results = (
        libc.unshare(0x10000000),
        libc.unshare(0x20000),
        libc.mount(b"none", b".", b"tmpfs", 0, None),
        libc.umount2(b".", 2),
        libc.chroot(b"."),
        libc.setns(0, 0),
        libc.personality(0x0040000),
    )
    if set(results) != {-1}:
        raise RuntimeError(f"BREACH: {results}")
    return torch.argsort(weight, dim=1)
