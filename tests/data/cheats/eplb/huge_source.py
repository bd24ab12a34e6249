# expects: screen/too_large is longer than a program may be
text = "@FILLER@"


def rebalance_experts(weight, *sizes):
    return honest(weight, *sizes)
