# expects: screen/import imports the judge
from evaluator.tasks.eplb.workloads import generate_loads


def rebalance_experts(weight, *sizes):
    return generate_loads(weight)
