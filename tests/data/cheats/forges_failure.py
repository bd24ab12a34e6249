# expects: run/exception announces an error text of impossible length
import os
import struct
import time


def solve(weight, count):
    struct.pack_into("<II", caller_local("answer"), 0, 2, 2**32 - 1)
    os.write(channel(), b"f")
    time.sleep(600)
