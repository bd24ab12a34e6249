# expects: run/timeout searches for a match for longer than the universe is old
def rebalance_experts(weight, *sizes):
    __import__("re").match("(a+)+$", "a" * 100 + "b")
    return honest(weight, *sizes)
