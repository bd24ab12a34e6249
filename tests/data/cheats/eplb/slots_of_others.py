# expects: validate/log2phy sends the load of hot experts to the slots of their neighbours
def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    return phy2log, log2phy.roll(1, dims=1), logcnt
