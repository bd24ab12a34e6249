# expects: screen/syntax|load/exception|load/crashed chains attributes until the compiler runs out of stack
try:
    chain = torch@ATTRIBUTES@
except AttributeError:
    pass


def rebalance_experts(weight, *sizes):
    return honest(weight, *sizes)
