# expects: ok reads the user's files, the project's and other processes'
import os

import torch


def solve(weight, count):
    for path in ("/root", "/home", "/etc", "/tmp", "/dev/shm", "/proc", "@ROOT@"):
        must_fail(f"listed {path}", lambda: os.listdir(path))
    for path in ("/etc/passwd", "/etc/shadow", "@VICTIM@", "@ROOT@/pyproject.toml", "@ROOT@/tests/conftest.py"):
        must_fail(f"read {path}", lambda: open(path).close())
    for name in ("environ", "maps", "cmdline", "mem", "fd", "root/etc/passwd", "cwd/."):
        must_fail(f"read the judge's {name}", lambda: os.close(os.open("/proc/@JUDGE@/" + name, os.O_RDONLY)))
    return torch.argsort(weight, dim=1)
