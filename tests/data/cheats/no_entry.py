# expects: load/entry_point removes its entry point at load
def solve(weight, count):
    pass


del solve
