# expects: ok sends signals (the harmless one) to whatever it can name
import os

import torch


def solve(weight, count):
    own = os.getpid()
    for pid in {int("@JUDGE@"), os.getppid(), 0, -1, -own, own + 1, 1} - {own}:
        must_fail(f"signalled {pid}", lambda: os.kill(pid, 0))
    must_fail("signalled a group", lambda: os.killpg(0, 0))
    return torch.argsort(weight, dim=1)
