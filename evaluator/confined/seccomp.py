"""A seccomp filter that irrevocably refuses dangerous system calls to a process.

Owns: which calls are refused, and the BPF program that refuses them. Does not know: why the process is confined.

The numbers come from the kernel's system call tables for x86-64 and AArch64. Refused calls return EPERM; `clone3`,
whose flags a filter cannot see, returns ENOSYS so that the C library falls back to `clone`. A call through a foreign
calling convention kills the process.

The filter refuses calls that reach the network, other processes or the machine, and three kinds that Landlock does not
control: those that change a file's mode, owner, times or attributes (on any file of the user), those that create or use
memory which no limit counts or which outlives the process, and those by which a process could leave a mark in the
kernel for another or look for one: locks, hints and flags on files that it may only read, what is in the page cache,
and counts of the whole machine.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from functools import cache

_NUMBERS = """
    socket 41 198; connect 42 203; accept 43 202; bind 49 200; listen 50 201; accept4 288 242; fork 57 -;
    vfork 58 -; clone 56 220; clone3 435 435; ptrace 101 117; process_vm_readv 310 270; process_vm_writev 311 271;
    kcmp 312 272; pidfd_getfd 438 438; pidfd_open 434 434; process_madvise 440 440; io_uring_setup 425 425;
    io_uring_enter 426 426; io_uring_register 427 427; unshare 272 97; setns 308 268; mount 165 40; umount2 166 39;
    pivot_root 155 41; chroot 161 51; move_mount 429 429; open_tree 428 428; fsopen 430 430; fsconfig 431 431;
    fsmount 432 432; fspick 433 433; mount_setattr 442 442; keyctl 250 219; add_key 248 217; request_key 249 218;
    bpf 321 280; perf_event_open 298 241; userfaultfd 323 282; init_module 175 105; finit_module 313 273;
    delete_module 176 106; kexec_load 246 104; kexec_file_load 320 294; reboot 169 142; swapon 167 224;
    swapoff 168 225; settimeofday 164 170; clock_settime 227 112; adjtimex 159 171; clock_adjtime 305 266;
    acct 163 89; quotactl 179 60; syslog 103 116; personality 135 92; open_by_handle_at 304 265;
    name_to_handle_at 303 264; sched_setaffinity 203 122; setpriority 141 140; ioprio_set 251 30;
    sched_setparam 142 118; sched_setscheduler 144 119; sched_setattr 314 274; inotify_init 253 -;
    inotify_init1 294 26; fanotify_init 300 262; memfd_create 319 279; memfd_secret 447 447; shmget 29 194;
    semget 64 190; msgget 68 186; mq_open 240 180; kill 62 129; tgkill 234 131; tkill 200 130;
    rt_sigqueueinfo 129 138; rt_tgsigqueueinfo 297 240; pidfd_send_signal 424 424; prlimit64 302 261; chmod 90 -;
    fchmod 91 52; fchmodat 268 53; fchmodat2 452 452; chown 92 -; fchown 93 55; lchown 94 -; fchownat 260 54;
    utime 132 -; utimes 235 -; futimesat 261 -; utimensat 280 88; setxattr 188 5; lsetxattr 189 6; fsetxattr 190 7;
    setxattrat 463 463; removexattr 197 14; lremovexattr 198 15; fremovexattr 199 16; removexattrat 466 466;
    file_setattr 469 469; truncate 76 45; shmat 30 196; shmctl 31 195; semop 65 193; semtimedop 220 192;
    semctl 66 191; msgsnd 69 189; msgrcv 70 188; msgctl 71 187; mincore 27 232; cachestat 451 451; fadvise64 221 223;
    readahead 187 213; preadv2 327 286; pwritev2 328 287; sync 162 81; syncfs 306 267; flock 73 32; getrusage 98 165;
    sysinfo 99 179; move_pages 279 239; migrate_pages 256 238; fcntl 72 25; ioctl 16 29; madvise 28 233
"""
"""A system call, its number on x86_64 and on aarch64 (`-`: it does not exist there); one after another, `;` between."""
_ROWS = tuple(row.split() for row in _NUMBERS.split(";"))
# Worked out at import, once for all workers: they are forked from the process that imported this.
_X86_64 = {name: int(number) for name, number, _ in _ROWS if number != "-"}
_AARCH64 = {name: int(number) for name, _, number in _ROWS if number != "-"}
_TABLES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}
"""By machine: its audit number (linux/audit.h), and the numbers of its calls by name."""
_ABSENT = ("clone3", "preadv2", "pwritev2")
"""Calls that appear not to exist, so that the C library takes `clone`, `preadv` and `pwritev` instead."""
_SPECIAL = frozenset(("fork", "vfork", "clone", "kill", "tgkill", "prlimit64", "fcntl", "ioctl", "madvise", *_ABSENT))
_FILE_CALLS = ("chmod", "fchmod", "fchmodat", "fchmodat2", "utime", "utimes", "futimesat", "utimensat", "truncate")
_FOR_COMPILERS = frozenset(("fork", "vfork", "tkill", "memfd_create", *_FILE_CALLS))
"""Calls that a compiler started by a program may need; refused if a program may start no process."""
_FOR_GPUS = frozenset(("flock", "getrusage", "sysinfo", "move_pages", "migrate_pages"))
"""Calls that a GPU's driver and the compilers' caches may need; refused on a CPU."""

_FCNTL = (0, 1, 2, 3, 4, 1030, 1031, 1032, 1033, 1034)
"""The commands of `fcntl` that stay allowed on a CPU: those on descriptors, flags, pipes and seals. Others take or test
locks and leases, or set and read a hint that stays with the file.
"""
_IOCTL_TYPES = (0x66, 0x76, 0x58, 0x94)
"""Types (bits 8 to 15) of the `ioctl` commands of file systems, which change a file's flags even if it is open for
reading only: `f`, `v`, `X`, and that of btrfs.
"""
_MADVISE = (20, 21)
"""MADV_COLD and MADV_PAGEOUT, which drop a file's pages from the page cache."""

_CLONE_THREAD = 0x10000
_CLONE_NAMESPACES = 0x7E020000 | 0x80  # every CLONE_NEW* flag; NEWTIME shares a bit with the exit signal's byte
_LD_W_ABS, _AND, _JEQ, _JGE, _JSET, _RET = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NR, _ARCH, _ARG0, _ARG1, _ARG2 = 0, 4, 16, 24, 32


def call_number(name: str) -> int:
    """The number of a system call on this machine. Raises KeyError if we have no table for its calling convention."""
    return _TABLES[platform.machine()][1][name]


def supported() -> bool:
    """Whether we have a table for this machine's calling convention."""
    return platform.machine() in _TABLES


@cache
def program(*, allow_processes: bool, own_pid: int, gpu: bool = False) -> bytes:
    """The BPF program: 8-byte `struct sock_filter` instructions. Raises KeyError if the machine is not `supported`.

    Without `allow_processes` the process may create threads only, and may signal `own_pid` only (older Landlock
    versions do not restrict signals). It may set resource limits on itself only. `gpu`: the process uses a GPU.
    """
    arch, table = _TABLES[platform.machine()]
    code: list[tuple[int, int, int, int]] = [
        (_LD_W_ABS, 0, 0, _ARCH),
        (_JEQ, 1, 0, arch),
        (_RET, 0, 0, _KILL),
        (_LD_W_ABS, 0, 0, _NR),
        (_JGE, 0, 1, 0x40000000),  # the x32 convention
        (_RET, 0, 0, _KILL),
    ]
    spared = _SPECIAL | _FOR_COMPILERS if allow_processes else _SPECIAL - {"fork", "vfork"}
    spared |= _FOR_GPUS if gpu else frozenset()
    for number in [number for name, number in table.items() if name not in spared]:
        code += [(_JEQ, 0, 1, number), (_RET, 0, 0, _ERRNO | errno.EPERM)]
    for name in _ABSENT:
        code += [(_JEQ, 0, 1, table[name]), (_RET, 0, 0, _ERRNO | errno.ENOSYS)]
    clone = [(_LD_W_ABS, 0, 0, _ARG0), (_JSET, 0, 1, _CLONE_NAMESPACES & ~0xFF), (_RET, 0, 0, _ERRNO | errno.EPERM)]
    if not allow_processes:
        clone += [(_JSET, 1, 0, _CLONE_THREAD), (_RET, 0, 0, _ERRNO | errno.EPERM)]
    code += [(_JEQ, 0, len(clone) + 1, table["clone"]), *clone, (_RET, 0, 0, _ALLOW)]
    code += _decide(table["prlimit64"], _ARG0, (0,), allow=True)
    code += _decide(table["ioctl"], _ARG1, tuple(kind << 8 for kind in _IOCTL_TYPES), allow=False, mask=0xFF00)
    code += _decide(table["madvise"], _ARG2, _MADVISE, allow=False)
    if not gpu:
        code += _decide(table["fcntl"], _ARG1, _FCNTL, allow=True)
    if not allow_processes:
        code += _decide(table["kill"], _ARG0, (own_pid,), allow=True)
        code += _decide(table["tgkill"], _ARG0, (own_pid,), allow=True)
    code += [(_RET, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _decide(
    number: int, argument: int, values: tuple[int, ...], *, allow: bool, mask: int = 0xFFFFFFFF
) -> list[tuple[int, int, int, int]]:
    """Allow a call only if the low half of an argument, masked, has one of these values; or refuse it only then."""
    refuse = _ERRNO | errno.EPERM
    body = [(_LD_W_ABS, 0, 0, argument), (_AND, 0, 0, mask)]
    body += [(_JEQ, len(values) - at, 0, value) for at, value in enumerate(values)]
    body += [(_RET, 0, 0, refuse if allow else _ALLOW), (_RET, 0, 0, _ALLOW if allow else refuse)]
    return [(_JEQ, 0, len(body), number), *body]


class _Fprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(filter_program: bytes) -> None:
    """Install the filter for the calling thread. Needs no_new_privs. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(filter_program, len(filter_program))
    fprog = _Fprog(len(filter_program) // 8, ctypes.addressof(buffer))
    if libc.prctl(22, 2, ctypes.byref(fprog), 0, 0) != 0:  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp filter refused: errno {number}")
