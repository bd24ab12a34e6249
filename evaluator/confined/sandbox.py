"""How a process is confined before it runs untrusted code, and which level of confinement that gives.

Owns: the levels, what each consists of, and the calls that enforce them in the calling process. Does not know: what
runs inside.

L2 = own user, pid, network, ipc, uts and mount namespaces, and L1. L1 = Landlock, seccomp, resource limits, no new
privileges, a signal when the parent dies. L0 = resource limits and a clean environment only. L3 is L1 inside a
container that the user set up and declares.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from evaluator.confined import seccomp
from evaluator.settings import SandboxLevel

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_NAMESPACES = _CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWUSER | _CLONE_NEWPID | _CLONE_NEWNET
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_CHILD_SUBREAPER = 1, 38, 36
_NOBODY = 65534
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
_PID_MAX_OF_NAMESPACE = (6, 14)
"""The first kernel version in which each pid namespace has its own `pid_max`."""
_MAX_PROCESSES = 512
_OWN_FACTS = ("maps", "mem", "status", "environ", "cgroup", "mounts", "fd")
"""What a process may read of its own entry in /proc. Left out are counts that tell which pages of a file were in the
page cache: `pagemap`, `smaps`, `io` and `stat`.
"""
_RESERVED_BYTES = 1 << 30
"""Address space that allocators and thread stacks reserve without using it."""

PROMISES: dict[SandboxLevel, str] = {
    "L3": "the container that you declared (we do not probe it), and everything that L1 promises",
    "L2": "no network; sees and starts no other process; reads system libraries and its scratch folder, writes only "
    "its scratch folder",
    "L1": "no network, no secrets, no new processes; writes only its scratch folder; sees ids of other processes",
    "L0": "guards against accidents only: limits on time, memory and file size, and a clean environment",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The resources that a confined process may use."""

    memory_bytes: int
    scratch_bytes: int
    cpu_s: int
    device: str = "cpu"


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies. Call it first after a fork. Raises OSError."""
    _check(_libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "parent-death signal")


def become_subreaper() -> None:
    """Inherit every orphan among the descendants, so that none escapes a kill. Raises OSError."""
    _check(_libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "child subreaper")


def fork_into_namespaces() -> int:
    """Like `os.fork`, but the child is the init process of new namespaces: when it ends, the kernel ends its children.

    It uses one `clone`: `unshare` and two forks cost twice the time and leave a process in between. The calling process
    must have one thread only, since the C library does not learn of the fork. Raises OSError.
    """
    uid, gid = os.geteuid(), os.getegid()
    interpreter = ctypes.pythonapi  # its calls hold the GIL, as a fork must
    interpreter.PyOS_BeforeFork()
    clone = ctypes.PyDLL(None, use_errno=True).syscall
    pid: int = clone(seccomp.call_number("clone"), _NAMESPACES | signal.SIGCHLD, 0, 0, 0, 0)
    if pid != 0:
        number = ctypes.get_errno()
        interpreter.PyOS_AfterFork_Parent()
        if pid < 0:
            raise OSError(number, f"namespaces: {os.strerror(number)}")
        return pid
    interpreter.PyOS_AfterFork_Child()
    # The old /proc still lists this process under its old id; `self` resolves to that entry.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{_NOBODY} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{_NOBODY} {gid} 1")
    return 0


def private_mounts(scratch: str, limits: Limits) -> None:
    """In a new mount namespace: mount everything read-only except a scratch folder of bounded size, and a /proc of
    this pid namespace if allowed. Raises OSError.
    """
    libc = _libc()
    _check(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "private mounts")
    read_only = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(read_only))
    _check(libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, read_only, size), "read-only mounts")
    options = f"size={limits.scratch_bytes},mode=700,nr_inodes=4096".encode()
    _check(libc.mount(b"tmpfs", scratch.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV, options), "scratch folder")
    # A container that masks parts of /proc forbids mounting a new one; Landlock then still hides the old one.
    libc.mount(b"proc", b"/proc", b"proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None)


def few_processes() -> None:
    """In a new pid namespace: limit processes and threads to more than any honest program needs, so that a candidate
    cannot use up the machine's process ids.
    """
    release = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
    if release >= _PID_MAX_OF_NAMESPACE:  # on older kernels, root would change the whole machine's limit here
        with contextlib.suppress(OSError):
            Path("/proc/sys/kernel/pid_max").write_text(str(_MAX_PROCESSES))


def drop_capabilities() -> None:
    """Drop all capabilities, so that a root user's process has no more rights than others. Raises OSError."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    _check(_libc().capset(header, data), "dropping capabilities")


def readable_paths() -> tuple[str, ...]:
    """What honest programs read once torch is loaded: the interpreter, its packages, system libraries, facts about the
    cores. Paths below others are left out, since each costs every worker a rule.
    """
    wanted = [sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime"]
    wanted += ["/sys/devices/system/cpu", "/proc/cpuinfo", "/dev/urandom", "/dev/zero"]
    real = dict.fromkeys(Path(path).resolve() for path in wanted if Path(path).exists())
    return tuple(str(path) for path in real if not any(path.is_relative_to(other) for other in real if other != path))


def rehearse() -> None:
    """Load the Landlock binding and build the seccomp filter once before the forks, instead of after each fork."""
    from landlockpy import Ruleset, supported

    if supported():
        Ruleset().close()
    if seccomp.supported():
        seccomp.program(allow_processes=False, own_pid=1)  # a process has id 1 in its own pid namespace


def restrict_files(scratch: str, readable: tuple[str, ...], device: str) -> None:
    """Landlock: refuse every file that is not listed. Raises OSError or LandlockError if the kernel has no Landlock."""
    from landlockpy import AccessFS, Ruleset, Scope

    read = AccessFS.READ_FILE | AccessFS.READ_DIR | AccessFS.EXECUTE
    device_files = AccessFS.READ_FILE | AccessFS.WRITE_FILE | AccessFS.IOCTL_DEV
    everything = read
    for right in AccessFS:
        everything |= right
    with Ruleset(scoped=Scope.SIGNAL | Scope.ABSTRACT_UNIX_SOCKET) as ruleset:
        own = Path("/proc", _own_entry())
        for path in (*readable, *(str(own / name) for name in _OWN_FACTS)):
            with contextlib.suppress(FileNotFoundError):
                # The kernel refuses a rule on a file that names a right of folders.
                ruleset.allow_path(path, read if Path(path).is_dir() else read & ~AccessFS.READ_DIR)
        ruleset.allow_path("/dev/null", device_files)
        if device.startswith("cuda"):
            for node in sorted(Path("/dev").glob("nvidia*")):
                ruleset.allow_path(str(node), device_files)
            ruleset.allow_path("/proc", read | AccessFS.WRITE_FILE)
            ruleset.allow_path("/sys/devices", read)  # the driver reads the layout of memory and GPUs here
        ruleset.allow_path(scratch, everything)
        ruleset.restrict()


def _own_entry() -> str:
    """This process's entry in /proc, which differs from its id if the /proc of another pid namespace is mounted."""
    return str(Path("/proc/self").readlink())


def limit_resources(limits: Limits) -> None:
    """Set this process's resource limits. The memory limit comes on top of what the fork inherits; CUDA gets none,
    because it reserves far more address space than it uses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.scratch_bytes, limits.scratch_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
    if not limits.device.startswith("cuda"):
        held = _held_bytes()
        data = held["VmData"] + limits.memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (data, data))
        # Shared memory counts as address space only.
        space = held["VmSize"] + limits.memory_bytes + _RESERVED_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (space, space))


def _held_bytes() -> dict[str, int]:
    """`VmData` and `VmSize` of this process in bytes, from /proc/self/status (see proc(5))."""
    fields = (line.partition(":") for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(value.split()[0]) * 1024 for name, _, value in fields if name in ("VmData", "VmSize")}


def may_start_processes(level: SandboxLevel, limits: Limits) -> bool:
    """Only CUDA compilers need child processes, and only a pid namespace can end them all at once.

    RLIMIT_NPROC is no substitute: it has no effect for root, and it counts the user's other processes.
    """
    return level == "L2" and limits.device.startswith("cuda")


def confine(level: SandboxLevel, scratch: str, limits: Limits, readable: tuple[str, ...]) -> None:
    """Confine the calling process irrevocably (for L2: the child of `fork_into_namespaces`). Raises OSError."""
    die_with_parent()
    if level == "L2":
        few_processes()
        private_mounts(scratch, limits)
    os.chdir(scratch)
    limit_resources(limits)
    _check(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    if level == "L0":
        return
    restrict_files(scratch, readable, limits.device)
    drop_capabilities()
    allow_processes = may_start_processes(level, limits)
    gpu = limits.device.startswith("cuda")
    seccomp.install(seccomp.program(allow_processes=allow_processes, own_pid=os.getpid(), gpu=gpu))
