# expects: validate/malformed writes a header of impossible sizes over its answer
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
    memory = frame.f_locals["answer"]
    lengths = (0, 2**62, 2**62, 0, 0, 0, 0, 0)
    struct.pack_into("<IIBB6x8qQQ", memory, 0, 1, 1, 4, 3, *lengths, 1024, 0)
    os.write(channel(), b"d")
    time.sleep(600)
