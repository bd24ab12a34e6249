# expects: validate/malformed writes a header of impossible sizes over its answer
import os
import struct
import time


def solve(weight, count):
    memory = caller_local("answer")
    lengths = (0, 2**62, 2**62, 0, 0, 0, 0, 0)
    struct.pack_into("<IIBB6x8qQQ", memory, 0, 1, 1, 4, 3, *lengths, 1024, 0)
    os.write(channel(), b"d")
    time.sleep(600)
