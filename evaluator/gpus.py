"""Which processes hold memory of a GPU, as the driver's own tool lists them, and which driver that is.

Owns: asking `nvidia-smi`, and waiting until it lists a process no more. Does not know: torch, candidates. It only
reads: modes, clocks and limits of a GPU are never touched.

In a container the tool often lists no process at all: what it does not list while it runs, it proves nothing of
afterwards. Run with a script in the tool's place; not measured on a GPU.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable

_TIMEOUT_S = 10.0
_INTERVAL_S = 0.1


def holders() -> frozenset[int] | None:
    """Ids of the processes that are listed; None where the tool is missing or fails."""
    found = _ask("--query-compute-apps=pid", "--format=csv,noheader,nounits")
    if found is None:
        return None
    return frozenset(int(line) for line in map(str.strip, found.splitlines()) if line.isdecimal())


def driver_version() -> str:
    """The version of the driver; "" where the tool is missing or fails."""
    found = _ask("--query-gpu=driver_version", "--format=csv,noheader")
    return next(iter(found.split()), "") if found is not None else ""


def _ask(*query: str) -> str | None:
    """What the tool answers; None where it is missing or fails."""
    try:
        found = subprocess.run(
            ["nvidia-smi", *query], capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout if found.returncode == 0 else None


def promise() -> str:
    """What is promised about the memory of killed programs on a GPU of this machine."""
    if holders() is None:
        return "its return is not checked: nvidia-smi is missing or fails"
    return "its return is proven where nvidia-smi lists our processes (often not in containers)"


def wait_until_returned(pids: Iterable[int], patience_s: float) -> frozenset[int]:
    """Those of these processes of which nobody says, when patience ends, that they are gone; none, as a rule."""
    deadline = time.monotonic() + patience_s
    left = frozenset(pids)
    while left:
        listed = holders()
        left = left if listed is None else left & listed
        if not left or time.monotonic() > deadline:
            break
        time.sleep(_INTERVAL_S)
    return left
