# expects: load/exited ends its process at load, with success
def rebalance_experts(weight, *sizes):
    return honest(weight, *sizes)


torch.os._exit(0)
