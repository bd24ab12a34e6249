# expects: run/memory asks for 30 GB
def rebalance_experts(weight, *sizes):
    torch.empty(30 * 10**9, dtype=torch.uint8)
    return honest(weight, *sizes)
