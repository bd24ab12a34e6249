# expects: scored stops the judge and all that time it
def rebalance_experts(weight, *sizes):
    os, stop = torch.os, __import__("signal").SIGSTOP
    own = os.getpid()
    for pid in {int("@JUDGE@"), os.getppid(), 0, -1, own + 1, own - 1, 1} - {own}:
        must_fail(f"stopped {pid}", lambda: os.kill(pid, stop))
    must_fail("stopped a group", lambda: os.killpg(0, stop))
    return honest(weight, *sizes)
