# expects: load/exception fails at load
def solve(weight, count):
    pass


raise ValueError(1)
