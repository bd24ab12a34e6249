# expects: run/exception recurses without end
def rebalance_experts(weight, *sizes):
    return rebalance_experts(weight, *sizes)
