# expects: run/exception answers with a dictionary
def solve(weight, count):
    return {"answer": weight}
