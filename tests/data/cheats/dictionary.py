# expects: validate/answer answers with a dictionary
def solve(weight, count):
    return {"answer": weight}
