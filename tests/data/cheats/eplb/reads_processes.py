# expects: scored reads the memory, files and environment of the judge and of every other process
def rebalance_experts(weight, *sizes):
    os = torch.os
    must_fail("listed the processes", lambda: os.listdir("/proc"))
    for pid in {int("@JUDGE@"), os.getppid(), 1, 2} - {os.getpid(), 0}:
        for name in ("mem", "maps", "environ", "cmdline", "fd", "cwd/.", "root/."):
            must_fail(f"read {name} of {pid}", lambda: os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY)))
    libc = __import__("ctypes").CDLL(None)
    for pid in (int("@JUDGE@"), os.getppid(), 1):
        if libc.ptrace(16, pid, 0, 0) != -1 or libc.process_vm_readv(pid, None, 0, None, 0, 0) != -1:
            raise RuntimeError(f"BREACH: read the memory of {pid}")
    return honest(weight, *sizes)
