# expects: run/exception writes bytes to the judge that mean nothing
import os
import time


def solve(weight, count):
    os.write(channel(), b"\xff\0x")
    time.sleep(600)
