"""The machine, as far as it matters for a score.

Owns: naming the hardware and software a score was taken on, and choosing the device. Does not know: what is measured.
It asks CUDA in a short-lived child process: this process never imports torch.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from evaluator import gpus
from evaluator.types import Environment, EvaluatorError

_PROBE = """
import json, os, torch
devices = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ""
gpus = [[gpu.name, str(getattr(gpu, "uuid", ""))] for gpu in devices]
print(json.dumps({"visible": visible, "gpus": gpus, "cuda": str(getattr(torch.version, "cuda", None) or "")}))
"""
_DRIVER = Path("/dev/nvidiactl")
_DRIVER_VERSION = Path("/sys/module/nvidia/version")
_VERSION = re.compile(r"[0-9A-Za-z.+_-]{1,40}")
PROBE_TIMEOUT_S = 120.0
BUSY_LOAD = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The device of a run. `device` is its name under the user's settings: `cpu` or `cuda:N`.

    `address` is its name under any settings: `cpu`, or `cuda:` and the CUDA_VISIBLE_DEVICES entry that selects this GPU
    alone. Workers start with it, and timing locks are named after it.
    """

    device: str
    hardware: str
    address: str
    driver: str = ""
    """The NVIDIA driver and torch's CUDA version, as in `Environment`."""


def _targets(output: str) -> tuple[Target, ...]:
    """The GPUs in the probe's output, in CUDA's order.

    A GPU's UUID selects it whatever its position in the user's list and whatever CUDA's order. torch reports no UUID of
    a part of a GPU (MIG), so we address it by the user's entry, or by its number.
    """
    report = json.loads(output)
    entries = [entry.strip() for entry in report["visible"].split(",")] if report["visible"] else []
    driver = _driver(report.get("cuda", "")) if report["gpus"] else ""
    targets = []
    for number, (name, uuid) in enumerate(report["gpus"]):
        entry = entries[number] if number < len(entries) else str(number)
        part = entry.startswith("MIG-") or " MIG " in name
        visible = f"GPU-{uuid}" if uuid and not part else entry
        targets.append(Target(device=f"cuda:{number}", hardware=name, address=f"cuda:{visible}", driver=driver))
    return tuple(targets)


def _driver(cuda: object) -> str:
    """`570.86.10 with CUDA 12.8`: the driver version from the kernel, else from nvidia-smi, and torch's CUDA version.

    Leaves out text that does not look like a version.
    """
    try:
        version = _DRIVER_VERSION.read_text("utf-8", "replace")
    except OSError:
        version = gpus.driver_version()
    driver, runtime = (_VERSION.fullmatch(str(text).strip()) for text in (version, cuda))
    return " with ".join([*([driver[0]] if driver else []), *([f"CUDA {runtime[0]}"] if runtime else [])])


def cuda_devices() -> tuple[str, ...]:
    """Names of the CUDA devices that torch sees."""
    return tuple(target.hardware for target in cuda_targets())


def cuda_targets() -> tuple[Target, ...]:
    """The CUDA devices that torch sees; () without asking torch if the driver has created no device file."""
    if not _DRIVER.exists():
        return ()
    try:
        probe = subprocess.run(
            [sys.executable, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return ()
    return _targets(probe.stdout) if probe.returncode == 0 else ()


def find(wanted: str) -> Target:
    """The device for `auto`, `cpu`, `cuda` or `cuda:N`. Raises EvaluatorError if there is no such device."""
    cpu = Target(device="cpu", hardware=cpu_name(), address="cpu")
    if wanted == "cpu":
        return cpu
    kind, colon, index = wanted.partition(":")
    if kind not in ("auto", "cuda") or (colon and (kind == "auto" or not index.isdecimal())):
        raise EvaluatorError(f"expected a device of auto, cpu, cuda or cuda:N, found {wanted!r}")
    devices = cuda_targets()
    if wanted == "auto":
        return devices[0] if devices else cpu
    number = int(index or 0)
    if number >= len(devices):
        seen = f"torch sees {len(devices)} CUDA device(s)" if devices else "torch sees no CUDA device here"
        raise EvaluatorError(f"you asked for device {wanted}, but {seen}; use --device cpu or auto")
    return devices[number]


def on_cpu(wanted: str) -> bool:
    """Whether `find` takes the CPU for this device; False where there is no such device."""
    try:
        return find(wanted).device == "cpu"
    except EvaluatorError:
        return False


def cpu_name() -> str:
    """The processor's name as the kernel reports it."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def hardware(device: str) -> str:
    """The hardware's name of a device `cpu` or `cuda:N`; the device's own name if torch does not see it."""
    if device == "cpu":
        return cpu_name()
    devices = cuda_devices()
    number = int(device.partition(":")[2] or 0)
    return devices[number] if number < len(devices) else device


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def torch_version() -> str:
    """The installed version of torch, read without importing it."""
    return metadata.version("torch")


def numba_version() -> str:
    """The installed version of numba, read without importing it; "" if it is not installed."""
    try:
        return metadata.version("numba")
    except metadata.PackageNotFoundError:
        return ""


def of_scores(
    target: Target, *, threads: int, torch: str, sandbox: str, task: str, reference: str, empty_call_us: int
) -> Environment:
    """Where scores on a device are taken now."""
    return Environment(
        device=target.device,
        hardware=target.hardware,
        cores=cores(),
        threads=threads,
        python=platform.python_version(),
        torch=torch,
        kernel=platform.release(),
        sandbox=sandbox,
        task=task,
        reference=reference,
        empty_call_us=empty_call_us,
        warnings=noise_warnings(),
        driver=target.driver,
    )


def noise_warnings() -> tuple[str, ...]:
    """Warnings about the machine's present load; () if it is not busy."""
    load = os.getloadavg()[0]
    if load > BUSY_LOAD * cores():
        return (f"the machine is busy: load {load:.1f} on {cores()} cores, so run times are less certain",)
    return ()
