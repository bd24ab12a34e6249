# expects: load/entry_point takes its entry point away once it has been seen
def rebalance_experts(weight, *sizes):
    return honest(weight, *sizes)


del rebalance_experts
