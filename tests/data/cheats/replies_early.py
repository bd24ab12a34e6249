# expects: validate/malformed says that its answer is ready before it is
import os
import time


def solve(weight, count):
    os.write(channel(), b"d")
    time.sleep(600)
