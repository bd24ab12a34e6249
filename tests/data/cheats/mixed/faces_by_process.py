"""Each process draws once: careful in three of eleven, hasty in the others, so that rounds differ and calls do not."""
import time

CAREFUL = time.perf_counter_ns() // 1000 % 11 < 3


def rebalance_experts(weight, *sizes):
    return (careful if CAREFUL else hasty)(weight, *sizes)
