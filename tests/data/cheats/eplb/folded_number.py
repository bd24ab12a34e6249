# expects: load/timeout computes a number with ten billion digits at load
number = 10**10**10


def rebalance_experts(weight, *sizes):
    return honest(weight, *sizes)
