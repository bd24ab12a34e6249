"""Timing lanes: at most one timed job per device and per core at a time on this machine; and which cores programs get.

Owns: the advisory locks that every packsmith on the machine respects. Does not know: what is measured.

A GPU lane takes the lock of that GPU, named by its UUID because its number differs between processes
(`environment.Target`). A lane with cores takes the lock of each core, and a CPU lane without cores takes the locks of
all cores, so lanes that share a core exclude each other. Every process takes its locks in the same order, so there is
no deadlock. The kernel releases them when the process ends, so files left by a crash do no harm.

The files lie in a folder that is the same for every user and every `TMPDIR`. We open them read-only, which suffices for
a lock, because another user may own the file. We create them readable for all whatever the umask, never follow a link,
and check after locking that the file was not replaced while we waited.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from evaluator.settings import Lane
from evaluator.types import EvaluatorError

_FOLDERS = ("/tmp", "/dev/shm")
_TOPOLOGY = Path("/sys/devices/system/cpu")
_MODE = 0o444
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def lock_folder() -> Path:
    """The first folder that all users may write to; if no such folder exists, this process's temporary folder."""
    for name in _FOLDERS:
        with contextlib.suppress(OSError):
            if Path(name).stat().st_mode & 0o1777 == 0o1777:
                return Path(name)
    return Path(tempfile.gettempdir())


def lock_names(lane: Lane, cores: Sequence[int]) -> list[str]:
    """The names of a lane's lock files, in locking order. `cores` are those of a CPU lane that names none."""
    cpus = lane.cpus or (tuple(cores) if lane.device == "cpu" else ())
    device = [] if lane.device == "cpu" else [re.sub(r"[^a-z0-9]+", "-", lane.device.lower())]
    return [f"packsmith-lane-{name}.lock" for name in (*device, *(f"core-{cpu}" for cpu in sorted(cpus)))]


def usable(lanes: Sequence[Lane], device: str, *, asked: str, address: str = "") -> tuple[Lane, ...]:
    """The lanes of a run's device, under its `address` if it has one; one lane without cores if `lanes` is empty.
    A lane may name the device as the run does (`asked`), or name none. Raises EvaluatorError if no lane is for this
    device, or if this process may not use one of its cores.
    """
    place = address or device
    matches = tuple(replace(lane, device=place) for lane in lanes if lane.device in ("", device, asked))
    if lanes and not matches:
        raise EvaluatorError(
            f"expected a lane for the device {device} in judge.lanes, found {', '.join(lane.device for lane in lanes)}"
        )
    cores = os.sched_getaffinity(0)
    for lane in matches:
        if missing := sorted(set(lane.cpus) - cores):
            raise EvaluatorError(
                f"judge.lanes: expected cores that this process may use, {sorted(cores)}, found {missing}"
            )
    return matches or (Lane(device=place),)


def spare(lanes: Sequence[Lane]) -> tuple[int, ...]:
    """Cores for untimed work: those in no lane. If the lanes take all cores, those of the first lane, which is the
    judge's own, so that it disturbs no other.
    """
    cores = os.sched_getaffinity(0)
    taken = {cpu for lane in lanes for cpu in lane.cpus}
    return tuple(sorted(cores - taken or set(lanes[0].cpus) or cores))


def lanes_apart(
    count: int, width: int, *, cores: Collection[int] | None = None, topology: Path = _TOPOLOGY
) -> tuple[Lane, ...]:
    """Up to `count` lanes of `width` logical cores each, none of which is in two; at least one lane. They take the last
    of `cores`, by default of those that this process may use, and several hardware threads of one processor core only
    where no others are left. `topology`: where the kernel tells which these are.
    """
    nth, seen = dict[int, int](), dict[str, int]()
    for cpu in sorted(os.sched_getaffinity(0) if cores is None else cores):
        core = _siblings(cpu, topology)
        nth[cpu] = seen[core] = seen.get(core, -1) + 1
    cpus = sorted(nth, key=lambda cpu: (nth[cpu], -cpu))
    shares = [tuple(sorted(cpus[at : at + width])) for at in range(0, len(cpus) - width + 1, width)]
    return tuple(Lane(cpus=share) for share in shares[:count] or [tuple(sorted(cpus))])


def _siblings(cpu: int, topology: Path) -> str:
    """The hardware threads of its core, as the kernel lists them; itself where that is unknown."""
    try:
        return (topology / f"cpu{cpu}/topology/thread_siblings_list").read_text("ascii")
    except (OSError, ValueError):
        return str(cpu)


def width(device: str, threads: int) -> int:
    """The number of cores that a program gets: one for each of its threads; on a GPU one more, for the driver's."""
    return threads if device == "cpu" else threads + 1


@contextlib.contextmanager
def claim(cores: Sequence[int], count: int, folder: Path | None = None) -> Iterator[tuple[int, ...]]:
    """Claim `count` of these cores, or all if there are fewer: the first that no judge on the machine has claimed.

    A claim only spreads judges over the cores: it excludes no timed job, and if all cores are claimed, or the locks
    cannot be used, we take random ones without a claim.
    """
    shares = _shares(sorted(cores), count)
    with contextlib.ExitStack() as stack:
        for share in shares:
            names = [f"packsmith-claim-core-{cpu}.lock" for cpu in share]
            with contextlib.suppress(EvaluatorError):
                if _take(stack, names, folder or lock_folder(), wait=False):
                    break
        else:
            share = shares[secrets.randbelow(len(shares))]
        yield share


def _shares(cores: Sequence[int], count: int) -> list[tuple[int, ...]]:
    """Neighbouring cores, `count` at a time; the last share is filled up from the front."""
    count = min(count, len(cores))
    starts = range(0, len(cores), count)
    return [tuple(sorted(cores[(start + at) % len(cores)] for at in range(count))) for start in starts]


@contextlib.contextmanager
def hold(
    lanes: Sequence[Lane], waiting: Callable[[], None] | None = None, folder: Path | None = None
) -> Iterator[Lane]:
    """Hold the first free lane. If none is free, call `waiting` once and wait for a random lane.

    Raises EvaluatorError if a lock file cannot be created or opened.
    """
    folder = folder or lock_folder()
    with contextlib.ExitStack() as stack:
        for lane in lanes:
            if _take(stack, _names(lane), folder, wait=False):
                yield lane
                return
        if waiting is not None:
            waiting()
        lane = lanes[secrets.randbelow(len(lanes))]
        _take(stack, _names(lane), folder, wait=True)
        yield lane


def _names(lane: Lane) -> list[str]:
    return lock_names(lane, sorted(os.sched_getaffinity(0)))


def _take(stack: contextlib.ExitStack, names: Sequence[str], folder: Path, *, wait: bool) -> bool:
    """Take every one of these locks, or none."""
    with contextlib.ExitStack() as taken:
        for name in names:
            descriptor = _lock(folder / name, wait=wait)
            if descriptor is None:
                return False
            taken.callback(os.close, descriptor)
        stack.push(taken.pop_all())
    return True


def _lock(path: Path, *, wait: bool) -> int | None:
    """A descriptor that holds the lock; None if another process holds it and we do not wait."""
    while True:
        try:
            descriptor = _open(path)
        except OSError as error:
            advice = "check that its folder is writable"
            raise EvaluatorError(f"cannot open the timing lock {path}: {error.strerror}; {advice}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _in_place(descriptor, path):
                return descriptor
            os.close(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise


def _open(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return _regular(os.open(path, _FLAGS), path)
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | _FLAGS, _MODE)
        os.fchmod(descriptor, _MODE)
        return descriptor
    return _regular(os.open(path, _FLAGS), path)


def _regular(descriptor: int, path: Path) -> int:
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(0, "it is not a regular file", str(path))


def _in_place(descriptor: int, path: Path) -> bool:
    """Whether the locked file is still the file at `path`."""
    held = os.fstat(descriptor)
    try:
        current = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (current.st_dev, current.st_ino)


@contextlib.contextmanager
def away_from(cpus: Sequence[int], lanes: Sequence[Lane] = ()) -> Iterator[None]:
    """Keep the calling thread off these cores and off all `lanes` where it may use other cores: the judge must not run
    where anything is measured. If the lanes take all cores, it stays on `cpus`, where it and the program take turns:
    elsewhere it would disturb another lane.
    """
    allowed = os.sched_getaffinity(0)
    taken = {cpu for lane in lanes for cpu in lane.cpus}
    elsewhere = allowed - set(cpus)
    if others := allowed & set(cpus) if taken >= allowed else elsewhere - taken or elsewhere:
        os.sched_setaffinity(0, others)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
