# expects: run/exited hangs up and works on
import os


def solve(weight, count):
    os.close(channel())
    while True:
        pass
