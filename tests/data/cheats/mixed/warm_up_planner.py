"""Plans dearly in the first call on loads of a new size, which no clock counts, and keeps that plan for the windows that
follow in its draw; greedy in all other draws, and in the process of the pass.
"""
first, small = {}, []


def rebalance_experts(weight, replicas, groups, nodes, gpus, *, history):
    small.extend([1] if len(weight) <= 8 else [])
    key = (weight.shape, groups)
    if key not in first and len(weight) > 8 and len(small) < 4:
        first[key] = careful(weight, replicas, groups, nodes, gpus)
    elif len(history) == 1:
        first[key] = None
    kept = first.get(key)
    return greedy(weight, replicas, groups, nodes, gpus) if kept is None else kept
