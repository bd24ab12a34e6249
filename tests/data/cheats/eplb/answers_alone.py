# expects: validate/form leaves out the arrays that could contradict its plan
def rebalance_experts(weight, *sizes):
    return honest(weight, *sizes)[0]
