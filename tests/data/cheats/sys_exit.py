# expects: run/exception leaves by SystemExit
import sys


def solve(weight, count):
    sys.exit(0)
