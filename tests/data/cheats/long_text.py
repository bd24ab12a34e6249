# expects: run/exception raises a text of ten million letters
def solve(weight, count):
    raise ValueError("x" * 10**7)
