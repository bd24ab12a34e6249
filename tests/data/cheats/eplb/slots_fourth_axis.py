# expects: validate/shape adds an axis in which checks may lose their way
def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    return phy2log, log2phy[..., None].expand(*log2phy.shape, 2), logcnt
