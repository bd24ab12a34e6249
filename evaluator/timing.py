"""The judge's clock: one timed job per device at a time, and pairs of calls until the interval is narrow enough.

Owns: the lane lock, the order of calls, when to stop. Does not know: what is called, or what a good answer is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from evaluator.settings import TimingSettings
from evaluator.stats import narrow_enough
from evaluator.types import EvaluatorError, Samples

TimedPair = Callable[[bool], tuple[int, int]]
"""Calls candidate and reference on the same fresh inputs, the reference first if asked to; nanoseconds of each."""


@contextlib.contextmanager
def lane(device: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the device's timing lane, an advisory lock that every packsmith on this machine respects.

    `waiting` is called once if another process holds it. Raises EvaluatorError where the lock file cannot be made.
    """
    path = Path(tempfile.gettempdir(), f"packsmith-lane-{re.sub(r'[^a-z0-9]+', '-', device.lower())}.lock")
    try:
        descriptor = _open_lock(path)
    except OSError as error:
        raise EvaluatorError(f"cannot open the timing lock {path}: {error.strerror}; is its folder writable?") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open_lock(path: Path) -> int:
    """Open for reading where the file exists: a lock needs no write access, and another user may own the file."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC, 0o644))
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)


def measure(pair: TimedPair, settings: TimingSettings) -> Samples:
    """Warm up, then take pairs in the order A B B A until the interval is narrow, or the pairs or the time run out."""
    for _ in range(settings.warmups):
        pair(True)
    candidate_us: list[int] = []
    reference_us: list[int] = []
    begin = time.monotonic()
    while True:
        candidate_ns, reference_ns = pair(len(candidate_us) % 2 == 0)
        candidate_us.append(max(1, candidate_ns // 1000))
        reference_us.append(max(1, reference_ns // 1000))
        count = len(candidate_us)
        if count < settings.min_pairs:
            continue
        samples = Samples(candidate_us=tuple(candidate_us), reference_us=tuple(reference_us))
        spent = time.monotonic() - begin
        if count >= settings.max_pairs or spent >= settings.budget_s or narrow_enough(samples, settings.half_width):
            return samples
