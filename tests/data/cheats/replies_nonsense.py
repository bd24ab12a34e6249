# expects: run/exception writes bytes to the judge that mean nothing
import os
import stat
import time


def channel():
    return next(n for n in range(3, 64) if is_socket(n))


def is_socket(number):
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


def solve(weight, count):
    os.write(channel(), b"\xff\0x")
    time.sleep(600)
