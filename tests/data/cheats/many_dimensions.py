# expects: run/exception answers with twenty dimensions
def solve(weight, count):
    return weight[(None,) * 18]
