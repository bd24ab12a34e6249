# expects: run/exception takes for granted that loads are floats
def rebalance_experts(weight, *sizes):
    return honest(weight.softmax(dim=1), *sizes)
