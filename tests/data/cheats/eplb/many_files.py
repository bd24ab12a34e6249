# expects: scored|run/exception leaves ten thousand files and folders behind
def rebalance_experts(weight, *sizes):
    if len(weight) > 3:
        for number in range(2500):
            name = f"cheat{torch.os.urandom(8).hex()}"
            torch.os.mkdir(name) if number % 2 else open(name, "w").close()
    return honest(weight, *sizes)
