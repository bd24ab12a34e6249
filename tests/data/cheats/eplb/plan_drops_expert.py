# expects: validate/missing_expert leaves the hottest expert out
def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    hottest = weight.argmax(dim=1, keepdim=True)
    return torch.where(phy2log == hottest, (hottest + 1) % weight.shape[1], phy2log), log2phy, logcnt
