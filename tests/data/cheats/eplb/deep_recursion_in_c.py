# expects: run/crashed|run/exception lifts the limit and overruns the stack in C
def rebalance_experts(weight, *sizes):
    torch.sys.setrecursionlimit(10**9)
    nested = []
    for _ in range(10**6):
        nested = [nested]
    repr(nested)
    return honest(weight, *sizes)
