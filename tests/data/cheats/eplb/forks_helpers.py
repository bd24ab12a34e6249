# expects: scored tries every way to a helper process that would work between its calls
def rebalance_experts(weight, *sizes):
    os, libc = torch.os, __import__("ctypes").CDLL(None)
    must_fail("forked", os.fork)
    must_fail("forked a terminal", os.forkpty)
    must_fail("spawned", lambda: os.posix_spawn("/bin/true", ["true"], {}))
    must_fail("ran a shell", lambda: __import__("subprocess").run(["/bin/true"]))
    must_fail("started a process", __import__("multiprocessing").Process(target=print).start)
    if libc.system(b"true") == 0:
        raise RuntimeError("BREACH: ran a shell by system()")
    return honest(weight, *sizes)
