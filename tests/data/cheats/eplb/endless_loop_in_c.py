# expects: run/timeout loops for ever in C, holding the interpreter's lock
import itertools


def rebalance_experts(weight, *sizes):
    return sum(itertools.repeat(0))
