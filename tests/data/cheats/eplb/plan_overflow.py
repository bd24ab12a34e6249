# expects: validate/range names experts that are right in 32 bits only
def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    return phy2log + 2**32, log2phy, logcnt
