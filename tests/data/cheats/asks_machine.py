# expects: ok asks for counts of the whole machine, which an earlier process can have driven up
import os

import torch


def solve(weight, count):
    must_refuse("free memory, processes and load", (99, 179), None)
    must_fail("load", os.getloadavg)
    for name in ("meminfo", "stat", "loadavg", "vmstat", "locks", "diskstats", "interrupts", "keys", "sysvipc/shm"):
        must_fail(name, lambda: os.close(os.open(f"/proc/{name}", os.O_RDONLY)))
    must_fail("cached names", lambda: os.close(os.open("/proc/sys/fs/dentry-state", os.O_RDONLY)))
    must_refuse("a key", (249, 218), None, None, None, 0)
    return torch.argsort(weight, dim=1)
