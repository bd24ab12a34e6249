# expects: validate/answer answers with nothing
def solve(weight, count):
    return None
