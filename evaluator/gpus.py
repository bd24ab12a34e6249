"""Which processes hold memory of a GPU, according to `nvidia-smi`, and the driver's version.

Owns: asking `nvidia-smi`, and waiting until it no longer lists a process. Does not know: torch, candidates. It only
reads: it never changes modes, clocks or limits of a GPU.

In a container `nvidia-smi` often lists no process at all. So its list proves that a process is gone only if it listed
that process before. Tested with a script in place of the tool; not measured on a GPU.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable

_TIMEOUT_S = 10.0
_INTERVAL_S = 0.1


def holders() -> frozenset[int] | None:
    """Ids of the processes that nvidia-smi lists; None if it is missing or fails."""
    output = _ask("--query-compute-apps=pid", "--format=csv,noheader,nounits")
    if output is None:
        return None
    return frozenset(int(line) for line in map(str.strip, output.splitlines()) if line.isdecimal())


def driver_version() -> str:
    """The version of the driver; "" if nvidia-smi is missing or fails."""
    output = _ask("--query-gpu=driver_version", "--format=csv,noheader")
    return next(iter(output.split()), "") if output is not None else ""


def _ask(*query: str) -> str | None:
    """The output of nvidia-smi; None if it is missing or fails."""
    try:
        process = subprocess.run(
            ["nvidia-smi", *query], capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return process.stdout if process.returncode == 0 else None


def promise() -> str:
    """What packsmith promises about GPU memory of killed programs on this machine, as text for `packsmith doctor`."""
    if holders() is None:
        return "we do not check that it is freed: nvidia-smi is missing or fails"
    return "we check that it is freed if nvidia-smi lists our processes (often not in containers)"


def wait_until_returned(pids: Iterable[int], patience_s: float) -> frozenset[int]:
    """Wait until nvidia-smi lists none of these processes; returns those not known to be gone after `patience_s`
    seconds (normally none).
    """
    deadline = time.monotonic() + patience_s
    left = frozenset(pids)
    while left:
        listed = holders()
        left = left if listed is None else left & listed
        if not left or time.monotonic() > deadline:
            break
        time.sleep(_INTERVAL_S)
    return left
