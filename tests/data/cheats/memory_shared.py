# expects: run/memory fills shared memory, which the limit on private data does not count
import mmap


def solve(weight, count):
    held = mmap.mmap(-1, 3 * 10**9)
    held[2 * 10**9] = 1
    return weight
