# expects: ok locks a file that every process may read, or asks who has
import fcntl

import torch


def solve(weight, count):
    number = readable_file()
    must_fail("flock", lambda: fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB))
    must_fail("lockf", lambda: fcntl.lockf(number, fcntl.LOCK_SH | fcntl.LOCK_NB))
    for name, command in {"GETLK": 5, "SETLK": 6, "SETLKW": 7, "OFD_GETLK": 36, "OFD_SETLK": 37, "OFD_SETLKW": 38}.items():
        must_refuse(name, (72, 25), number, command, None)
    must_fail("took a lease", lambda: fcntl.fcntl(number, fcntl.F_SETLEASE, fcntl.F_RDLCK))
    must_refuse("asked for leases", (72, 25), number, fcntl.F_GETLEASE)
    must_fail("watches a folder", lambda: fcntl.fcntl(number, fcntl.F_NOTIFY, fcntl.DN_ACCESS))
    return torch.argsort(weight, dim=1)
