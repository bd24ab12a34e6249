"""Naming the machine and choosing the device, without importing torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator import environment
from evaluator.types import EvaluatorError

NO_CUDA = not Path("/dev/nvidiactl").exists()


@pytest.mark.parametrize(
    "wanted", ["", "gpu", "CPU", "cpu:0", "cuda:", "cuda:x", "cuda:²", "cuda:-1", "auto:0", "cuda:0:1"]
)
def test_malformed_device_is_refused(wanted: str) -> None:
    with pytest.raises(EvaluatorError, match="device"):
        environment.resolve_device(wanted)


def test_cpu_needs_no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere")
    assert environment.resolve_device("cpu") == "cpu"


@pytest.mark.skipif(not NO_CUDA, reason="this machine has a CUDA driver")
def test_machine_without_a_gpu() -> None:
    assert environment.cuda_devices() == ()
    assert environment.resolve_device("auto") == "cpu"
    for wanted in ("cuda", "cuda:0", "cuda:7"):
        with pytest.raises(EvaluatorError, match=f"device {wanted} was asked for, but torch sees no CUDA device here"):
            environment.resolve_device(wanted)


@pytest.mark.gpu
def test_machine_with_a_gpu() -> None:
    devices = environment.cuda_devices()
    assert devices and all(devices)
    assert environment.resolve_device("auto") == environment.resolve_device("cuda") == "cuda:0"
    assert environment.hardware("cuda:0") == devices[0]
    with pytest.raises(EvaluatorError, match=f"torch sees {len(devices)} CUDA device"):
        environment.resolve_device(f"cuda:{len(devices)}")


def test_processor_is_named() -> None:
    name = environment.cpu_name()
    assert name and name == name.strip() and "\n" not in name
    assert environment.hardware("cpu") == name


def test_cores_are_those_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    one = min(allowed)
    try:
        os.sched_setaffinity(0, {one})
        assert environment.cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert environment.cores() == len(allowed)


def test_busy_machine_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = environment.BUSY_LOAD * environment.cores()
    monkeypatch.setattr(os, "getloadavg", lambda: (limit + 0.1, 0.0, 0.0))
    (warning,) = environment.noise_warnings()
    assert f"load {limit + 0.1:.1f} on {environment.cores()} cores" in warning
    monkeypatch.setattr(os, "getloadavg", lambda: (limit, 99.0, 99.0))
    assert environment.noise_warnings() == ()


def test_torch_version_is_that_of_the_workers() -> None:
    code = "import sys; from evaluator.environment import torch_version; print(torch_version(), 'torch' in sys.modules)"
    root = Path(environment.__file__).resolve().parents[1]
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root).stdout
    version, imported = said.split()
    assert version[0].isdigit() and imported == "False"
