# expects: run/exception answers with nothing
def solve(weight, count):
    return None
