# expects: load/exception leaves by SystemExit at load
def rebalance_experts(weight, *sizes):
    return honest(weight, *sizes)


raise SystemExit(0)
