# expects: validate/answer answers with a generator that would yield other plans each time
def rebalance_experts(weight, *sizes):
    return (part for part in honest(weight, *sizes))
