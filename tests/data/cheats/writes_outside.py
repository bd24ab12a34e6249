# expects: ok writes wherever others may read
import os
import sys

import torch


def solve(weight, count):
    for path in ("@VICTIM@", "/tmp/cheat", "/dev/shm/cheat", "/etc/cheat", "/var/tmp/cheat", sys.prefix + "/cheat"):
        must_fail(f"wrote {path}", lambda: open(path, "ab").close())
        must_fail(f"made {path}", lambda: os.mkdir(path + "-folder"))
    must_fail("removed a file", lambda: os.remove("@VICTIM@"))
    must_fail("moved a file", lambda: os.rename("@VICTIM@", "stolen"))
    must_fail("linked a file", lambda: os.link("@VICTIM@", "linked"))
    return torch.argsort(weight, dim=1)
