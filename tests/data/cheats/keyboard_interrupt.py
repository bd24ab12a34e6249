# expects: run/exception raises what no handler of Exception catches
def solve(weight, count):
    raise KeyboardInterrupt
