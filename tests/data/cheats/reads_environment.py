# expects: ok looks for keys in every environment it can read
import os

import torch


def solve(weight, count):
    seen = repr(dict(os.environ)).encode()
    for name in ("self", str(os.getpid()), str(os.getppid()), "1", "@JUDGE@"):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                seen += file.read()
        except OSError:
            continue
    if b"@SECRET@" in seen or b"API_KEY" in seen:
        raise RuntimeError("BREACH: a key")
    return torch.argsort(weight, dim=1)
