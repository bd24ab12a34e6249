# expects: run/memory formats a text as wide as 30 GB
def rebalance_experts(weight, *sizes):
    return f"{'x':>{3 * 10**10}}"
