# expects: load/exited ends the process at load
import os


def solve(weight, count):
    pass


os._exit(0)
