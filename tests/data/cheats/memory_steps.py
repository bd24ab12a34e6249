# expects: run/memory fills memory step by step
def solve(weight, count):
    held = []
    while True:
        held.append(bytearray(1 << 26))
