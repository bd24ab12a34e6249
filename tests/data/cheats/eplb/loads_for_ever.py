# expects: load/timeout never finishes loading
def rebalance_experts(weight, *sizes):
    return honest(weight, *sizes)


while True:
    pass
