# expects: ok slows others down, or frees itself of limits
import os
import resource

import torch


def solve(weight, count):
    for pid in {int("@JUDGE@"), os.getppid() or 1}:
        must_fail("limit", lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE))
        must_fail("policy", lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)))
        must_fail("priority", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19))
        must_fail("cores", lambda: os.sched_setaffinity(pid, {0}))
    for limit in (resource.RLIMIT_DATA, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
        soft, hard = resource.getrlimit(limit)
        try:
            resource.setrlimit(limit, (hard + 1, hard + 1))
        except ValueError:
            continue
        raise RuntimeError(f"BREACH: limit {limit} raised")
    return torch.argsort(weight, dim=1)
