"""What machine this is, as far as it matters for a score.

Owns: naming the hardware and software a score was taken on, and choosing the device. Does not know: what is measured.
Asks CUDA only in a short-lived process of its own: this one never imports torch.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from evaluator.types import EvaluatorError

_PROBE = "import torch; print(*(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())), sep='\\n')"
PROBE_TIMEOUT_S = 120.0
BUSY_LOAD = 1.5


def cuda_devices() -> tuple[str, ...]:
    """Names of the CUDA devices that torch sees; () without asking torch where the driver has made no device file."""
    if not Path("/dev/nvidiactl").exists():
        return ()
    try:
        found = subprocess.run(
            [sys.executable, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return ()
    return tuple(found.stdout.split("\n")[:-1]) if found.returncode == 0 else ()


def resolve_device(wanted: str) -> str:
    """`cpu` or `cuda:N` for `auto`, `cpu`, `cuda` or `cuda:N`. Raises EvaluatorError where there is no such device."""
    if wanted == "cpu":
        return "cpu"
    kind, colon, index = wanted.partition(":")
    if kind not in ("auto", "cuda") or (colon and (kind == "auto" or not index.isdecimal())):
        raise EvaluatorError(f"expected a device of auto, cpu, cuda or cuda:N, found {wanted!r}")
    devices = cuda_devices()
    if wanted == "auto":
        return "cuda:0" if devices else "cpu"
    number = int(index or 0)
    if number >= len(devices):
        seen = f"torch sees {len(devices)} CUDA device(s)" if devices else "torch sees no CUDA device here"
        raise EvaluatorError(f"device {wanted} was asked for, but {seen}; use --device cpu or auto")
    return f"cuda:{number}"


def cpu_name() -> str:
    """The processor's name as the kernel gives it."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def hardware(device: str) -> str:
    """What the device is."""
    if device == "cpu":
        return cpu_name()
    devices = cuda_devices()
    number = int(device.partition(":")[2] or 0)
    return devices[number] if number < len(devices) else device


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def torch_version() -> str:
    """The installed version of torch, without importing it."""
    return metadata.version("torch")


def noise_warnings() -> tuple[str, ...]:
    """What about the machine's present state makes run times doubtful."""
    load = os.getloadavg()[0]
    if load > BUSY_LOAD * cores():
        return (f"the machine is busy: load {load:.1f} on {cores()} cores; run times are less certain",)
    return ()
