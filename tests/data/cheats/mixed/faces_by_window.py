"""Careful in the first step of a pass, hasty after it, as the length of the history tells."""


def rebalance_experts(weight, *sizes, history):
    return (careful if len(history) == 1 else hasty)(weight, *sizes)
