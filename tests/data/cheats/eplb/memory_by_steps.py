# expects: run/memory asks for memory step by step until there is none
def rebalance_experts(weight, *sizes):
    held = []
    while True:
        held.append(np.zeros(1 << 24))
