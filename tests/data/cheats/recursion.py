# expects: run/exception recurses without end
def solve(weight, count):
    return solve(weight, count)
