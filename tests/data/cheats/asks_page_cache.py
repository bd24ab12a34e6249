# expects: ok asks which pages of a file are in memory, which tells what an earlier process has read
import mmap
import os
import resource

import torch


def solve(weight, count):
    number = readable_file()
    mapped = torch.from_file(os.readlink(f"/proc/self/fd/{number}"), size=1 << 14, dtype=torch.uint8)
    answer = mapped.new_zeros(4).clone()
    must_refuse("mincore", (27, 232), mapped.data_ptr(), mmap.PAGESIZE, answer.data_ptr())
    must_refuse("cachestat", (451, 451), number, None, None, 0)
    must_refuse("move_pages", (279, 239), 0, 0, None, None, None, 0)
    must_fail("read what is in memory only", lambda: os.preadv(number, [bytearray(1)], 0, os.RWF_NOWAIT))
    must_refuse("preadv2", (327, 286), number, None, 0, 0, 0, os.RWF_NOWAIT)
    must_refuse("pwritev2", (328, 287), number, None, 0, 0, 0, 0)
    must_refuse("counted page faults", (98, 165), resource.RUSAGE_SELF, None)
    for name in ("pagemap", "io", "stat", "statm", "smaps", "smaps_rollup", "numa_maps", "task/1/io"):
        must_fail(name, lambda: os.close(os.open(f"/proc/self/{name}", os.O_RDONLY)))
    return torch.argsort(weight, dim=1)
