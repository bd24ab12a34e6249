# expects: validate/answer answers with a sparse tensor
def solve(weight, count):
    return weight.to_sparse()
