# expects: ok brings pages of a file into memory or drops them, as a mark for the next process
import mmap
import os

import torch


def solve(weight, count):
    number = readable_file()
    must_fail("dropped", lambda: os.posix_fadvise(number, 0, 1, os.POSIX_FADV_DONTNEED))
    must_fail("brought in", lambda: os.posix_fadvise(number, 0, 1, os.POSIX_FADV_WILLNEED))
    must_refuse("readahead", (187, 213), number, 0, 1)
    must_refuse("sync", (162, 81))
    must_refuse("syncfs", (306, 267), number)
    own = mmap.mmap(-1, mmap.PAGESIZE)
    must_fail("made cold", lambda: own.madvise(20))
    must_fail("paged out", lambda: own.madvise(21))
    own.madvise(mmap.MADV_DONTNEED)
    return torch.argsort(weight, dim=1)
