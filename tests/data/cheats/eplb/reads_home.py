# expects: scored looks for the user's files
def rebalance_experts(weight, *sizes):
    os = torch.os
    for path in ("@HOME@", "/root", "/home", "/etc", "/tmp", "/var", "/dev/shm", "/"):
        must_fail(f"listed {path}", lambda: os.listdir(path))
    for path in ("@HOME@/.netrc", "/etc/passwd", "/etc/shadow", "/etc/hosts"):
        must_fail(f"read {path}", lambda: open(path).close())
    if os.path.expanduser("~") == "@HOME@":
        raise RuntimeError("BREACH: the user's home")
    return honest(weight, *sizes)
