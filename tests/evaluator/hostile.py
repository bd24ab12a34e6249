"""Helpers for tests that run programs, hostile ones included, in real confined processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluator.confined.supervisor import descendants
from evaluator.executors import LocalExecutor
from evaluator.types import Answer, Call, Rejected
from evaluator.worker_handle import LocalWorker, Stopped

ENTRY = "solve"
WEIGHT = np.random.default_rng(5).random((5, 6), dtype=np.float32)
HONEST = "import torch\n\n\ndef solve(weight, count):\n    return torch.argsort(weight, dim=1)\n"
EXPECTED = np.argsort(WEIGHT, axis=1)
PATIENT_S = 60.0
CHEATS = Path(__file__).resolve().parents[1] / "data" / "cheats"


def cheat(path: Path, places: Mapping[str, str]) -> tuple[set[str], str]:
    """The allowed outcomes of a hostile program, from its first line, and its source with `@NAME@` filled in."""
    first, _, rest = path.read_text().partition("\n")
    assert first.startswith("# expects: "), f"{path} does not begin with `# expects: `"
    source = f"{first}\n{(CHEATS / 'tools' / 'common.py').read_text()}\n\n{rest}"
    for name, value in places.items():
        source = source.replace(f"@{name}@", value)
    return set(first.removeprefix("# expects: ").split()[0].split("|")), source


@contextmanager
def worker(executor: LocalExecutor, *, answer_bytes: int = 1 << 16) -> Iterator[LocalWorker]:
    """A worker that ends with the context."""
    opened = executor.open(request_bytes=1 << 20, answer_bytes=answer_bytes, device="cpu")
    try:
        yield opened
    finally:
        executor.end()


def answer_of(executor: LocalExecutor, source: str, *, timeout_s: float = PATIENT_S) -> Answer:
    """The answer of a program to the standard call. Raises Stopped."""
    with worker(executor) as opened:
        opened.load(source, ENTRY, ())
        return opened.call(Call(args=(WEIGHT, 3)), 1, what="the call", timeout_s=timeout_s)[0]


def verdict_on(executor: LocalExecutor, source: str, *, timeout_s: float = PATIENT_S) -> Answer | Rejected:
    try:
        return answer_of(executor, source, timeout_s=timeout_s)
    except Stopped as stopped:
        return stopped.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What evaluations may leave behind: processes, memory and queues of System V or POSIX, files in the executor's
    folder or where all may write.
    """

    processes: frozenset[int]
    files: frozenset[str]

    def since(self, before: Traces) -> set[str]:
        """What is new since `before`, and files that were removed. Earlier processes may end."""
        started = {f"process {pid}" for pid in self.processes - before.processes}
        return started | (self.files ^ before.files)

    @staticmethod
    def now(folder: Path) -> Traces:
        """`folder` is the temporary folder under which the executor was started."""
        segments = [
            f"{kind} {line}"
            for kind in ("shm", "sem", "msg")
            for line in Path("/proc/sysvipc", kind).read_text().splitlines()[1:]
        ]
        paths = [folder, *folder.rglob("*")]
        for common in ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/etc", sys.prefix, sys.base_prefix):
            paths += Path(common).glob("cheat*")
        processes = {*descendants(os.getpid()), *_born_under(folder)}
        return Traces(processes=frozenset(processes), files=frozenset([*map(str, paths), *segments]))


def _born_under(folder: Path) -> set[int]:
    """Processes whose environment names the folder: those of its executors, whichever process adopted them."""
    name, pids = os.fsencode(folder), set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and name in (entry / "environ").read_bytes():
                pids.add(int(entry.name))
        except OSError:
            continue
    return pids


def alive(pids: set[int]) -> set[int]:
    """Those of these processes that exist and are not zombies."""
    left = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            left.add(pid)
    return left


def wait_until_gone(pids: set[int], patience_s: float) -> set[int]:
    """Those still alive after `patience_s` seconds."""
    deadline = time.monotonic() + patience_s
    while left := alive(pids):
        if time.monotonic() > deadline:
            return left
        time.sleep(0.01)
    return set()
