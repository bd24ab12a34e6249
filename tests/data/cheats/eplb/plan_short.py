# expects: validate/shape leaves slots empty
def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    return phy2log[:, :-1], log2phy, logcnt
