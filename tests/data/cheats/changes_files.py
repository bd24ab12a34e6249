# expects: ok changes modes, owners, times and lengths of files it may not write
import os

import torch


def solve(weight, count):
    must_fail("mode", lambda: os.chmod("@VICTIM@", 0))
    must_fail("owner", lambda: os.chown("@VICTIM@", os.getuid(), os.getgid()))
    must_fail("times", lambda: os.utime("@VICTIM@", (1, 1)))
    must_fail("attribute", lambda: os.setxattr("@VICTIM@", "user.cheat", b"1"))
    must_fail("length", lambda: os.truncate("@VICTIM@", 0))
    return torch.argsort(weight, dim=1)
