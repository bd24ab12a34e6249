# expects: validate/logcnt claims the counts of cold experts for hot ones; their sum is right
def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    return phy2log, log2phy, logcnt.flip(1) if not torch.equal(logcnt, logcnt.flip(1)) else logcnt
