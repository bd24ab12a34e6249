# expects: validate/mutated_input writes over the windows that it is offered
def rebalance_experts(weight, replicas, groups, nodes, gpus, *, history):
    history[:] = history.mean()
    return honest(weight, replicas, groups, nodes, gpus)
