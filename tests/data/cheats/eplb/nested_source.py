# expects: screen/syntax nests deeper than the parser goes
depth = @PARENTHESES@


def rebalance_experts(weight, *sizes):
    return honest(weight, *sizes)
