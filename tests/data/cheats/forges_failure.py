# expects: run/exception announces an error text of impossible length
import os
import stat
import struct
import sys
import time


def channel():
    return next(n for n in range(3, 64) if is_socket(n))


def is_socket(number):
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


def solve(weight, count):
    frame = sys._getframe()
    while "answer" not in frame.f_locals:
        frame = frame.f_back
    struct.pack_into("<II", frame.f_locals["answer"], 0, 2, 2**32 - 1)
    os.write(channel(), b"f")
    time.sleep(600)
