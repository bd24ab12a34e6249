# expects: validate/dtype claims replicas and a half
def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    return phy2log, log2phy, logcnt + 0.5
