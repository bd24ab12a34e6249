# expects: run/exception writes a gigabyte of files
def rebalance_experts(weight, *sizes):
    for number in range(64):
        with open(f"cheat{number}", "wb") as file:
            file.write(bytes(1 << 24))
    return honest(weight, *sizes)
