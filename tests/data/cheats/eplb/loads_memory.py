# expects: load/memory fills memory at load
def rebalance_experts(weight, *sizes):
    return honest(weight, *sizes)


held = [np.zeros(1 << 27) for _ in range(30)]
