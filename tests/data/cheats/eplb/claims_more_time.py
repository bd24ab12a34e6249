# expects: measure/clock_disputed has its process say that its calls take longer than the judge saw
def rebalance_experts(weight, *sizes):
    device = caller_local("self").device
    device.end = lambda: 10**10
    return honest(weight, *sizes)
