# expects: validate/logcnt claims twice the replicas that there are, to halve the load of each
def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    return phy2log, log2phy, 2 * logcnt
