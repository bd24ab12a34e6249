# expects: validate/log2phy lists one slot twice, where load would vanish
def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    log2phy[:, :, 1:] = torch.where(log2phy[:, :, 1:] >= 0, log2phy[:, :, :1], -1)
    return phy2log, log2phy, logcnt
