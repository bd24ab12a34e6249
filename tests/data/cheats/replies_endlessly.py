# expects: validate/malformed floods the judge with replies
import os


def solve(weight, count):
    while True:
        os.write(channel(), b"d" * 65536)
