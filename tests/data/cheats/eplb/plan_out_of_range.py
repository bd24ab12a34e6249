# expects: validate/range names an expert that does not exist and weighs nothing
def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    phy2log[0, 0] = weight.shape[1]
    return phy2log, log2phy, logcnt
