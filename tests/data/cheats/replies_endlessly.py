# expects: validate/malformed floods the judge with replies
import os
import stat


def channel():
    return next(n for n in range(3, 64) if is_socket(n))


def is_socket(number):
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


def solve(weight, count):
    while True:
        os.write(channel(), b"d" * 65536)
