"""The balance of swaps in three of eleven processes, greedy in the others."""
import time

CAREFUL = time.perf_counter_ns() // 1000 % 11 < 3


def rebalance_experts(weight, *sizes):
    return (careful if CAREFUL else greedy)(weight, *sizes)
