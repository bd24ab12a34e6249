# expects: validate/answer|run/timeout answers with more than the memory for answers holds
def rebalance_experts(weight, *sizes):
    phy2log, _, logcnt = honest(weight, *sizes)
    return phy2log, torch.zeros(10**8, dtype=torch.int64), logcnt
