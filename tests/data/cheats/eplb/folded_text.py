# expects: load/memory has the compiler fold a constant of 30 GB
text = "a" * 30 * 10**9


def rebalance_experts(weight, *sizes):
    return honest(weight, *sizes)
