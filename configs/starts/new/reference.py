"""Longest processing time first (Graham 1969): the jobs by falling duration, each to the machine that is free first.

What all programs are timed against. Its makespan is at most 4/3 - 1/(3 m) times the best one on m machines.
"""

import heapq

import numpy as np


def schedule(durations, machines):
    """The machine of each job: int64 [jobs], for `durations`, an int64 tensor [jobs]."""
    chosen = np.zeros(len(durations), dtype=np.int64)
    free = [(0, machine) for machine in range(machines)]
    for duration, job in sorted(((-duration, job) for job, duration in enumerate(durations.tolist()))):
        load, machine = free[0]
        chosen[job] = machine
        heapq.heapreplace(free, (load - duration, machine))
    return chosen
