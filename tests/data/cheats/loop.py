# expects: run/timeout never answers
def solve(weight, count):
    while True:
        pass
