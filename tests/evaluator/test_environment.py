"""Naming the machine and choosing the device without importing torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator import environment
from evaluator.measuring.lanes import lock_names, usable
from evaluator.settings import Lane
from evaluator.types import EvaluatorError

NO_CUDA = not Path("/dev/nvidiactl").exists()


@pytest.mark.parametrize(
    "wanted", ["", "gpu", "CPU", "cpu:0", "cuda:", "cuda:x", "cuda:²", "cuda:-1", "auto:0", "cuda:0:1"]
)
def test_malformed_device_is_refused(wanted: str) -> None:
    with pytest.raises(EvaluatorError, match="device"):
        environment.find(wanted)


def test_cpu_needs_no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere")
    assert environment.find("cpu").device == "cpu"


@pytest.mark.skipif(not NO_CUDA, reason="this machine has a CUDA driver")
def test_machine_without_a_gpu() -> None:
    assert environment.cuda_devices() == ()
    assert environment.find("auto").device == "cpu"
    for wanted in ("cuda", "cuda:0", "cuda:7"):
        with pytest.raises(EvaluatorError, match=f"you asked for device {wanted}, but torch sees no CUDA device here"):
            environment.find(wanted)


@pytest.mark.gpu
def test_machine_with_a_gpu() -> None:
    devices = environment.cuda_devices()
    assert devices and all(devices)
    assert environment.find("auto").device == environment.find("cuda").device == "cuda:0"
    assert environment.hardware("cuda:0") == devices[0]
    with pytest.raises(EvaluatorError, match=f"torch sees {len(devices)} CUDA device"):
        environment.find(f"cuda:{len(devices)}")


IDS = ("8932f937-d72c-4106-c12f-20bd9faed9f6", "ffc79498-8ff3-c2dc-3b0d-fafd804516ae")
INTERPRETER = """#!/bin/sh
case "$CUDA_VISIBLE_DEVICES" in
  1) echo '{"visible": "1", "gpus": [["B", "%(second)s"]]}' ;;
  *%(start)s*) echo '{"visible": "GPU-%(start)s", "gpus": [["B", "%(second)s"]]}' ;;
  1,0) echo '{"visible": "1,0", "gpus": [["B", "%(second)s"], ["A", "%(first)s"]]}' ;;
  *) echo '{"visible": "", "gpus": [["A", "%(first)s"], ["B", "%(second)s"]]}' ;;
esac
"""


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where a fake interpreter with torch and CUDA sees two GPUs, or those that the user makes visible."""
    interpreter = tmp_path / "python"
    interpreter.write_text(INTERPRETER % {"first": IDS[0], "second": IDS[1], "start": IDS[1][:8]})
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    monkeypatch.setattr(environment, "_DRIVER", tmp_path)


@pytest.mark.parametrize(
    ("visible", "wanted"),
    [("", "cuda:1"), ("1", "cuda"), ("1", "auto"), ("1,0", "cuda:0"), (f"GPU-{IDS[1][:8]}", "cuda")],
)
@pytest.mark.usefixtures("two_gpus")
def test_gpu_is_addressed_by_its_uuid_whatever_its_number(
    visible: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs that name one GPU differently exclude each other, and each worker computes on the intended GPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    target = environment.find(wanted)
    assert (target.hardware, target.address) == ("B", f"cuda:GPU-{IDS[1]}")
    (lane,) = usable((), target.device, asked=wanted, address=target.address)
    assert lock_names(lane, [0]) == [f"packsmith-lane-cuda-gpu-{IDS[1]}.lock"]
    lanes = usable((Lane(device=wanted), Lane(device="cuda:7")), target.device, asked=wanted, address=target.address)
    assert [lane.device for lane in lanes] == [target.address]


@pytest.mark.usefixtures("two_gpus")
def test_device_name_follows_the_users_numbering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert environment.find("auto").device == "cuda:0"
    assert environment.cuda_devices() == ("B",)
    with pytest.raises(EvaluatorError, match=r"torch sees 1 CUDA device"):
        environment.find("cuda:1")
    assert environment.find("cpu") == environment.Target(device="cpu", hardware=environment.cpu_name(), address="cpu")


@pytest.mark.parametrize(
    ("visible", "gpus", "addresses"),
    [
        ("", [["A", ""]], ["cuda:0"]),
        ("3, 2", [["A", ""], ["A", ""]], ["cuda:3", "cuda:2"]),
        ("MIG-42", [["A MIG 3g.40gb", IDS[0]]], ["cuda:MIG-42"]),
        ("", [["A MIG 3g.40gb", IDS[0]]], ["cuda:0"]),
        ("1", [["A MIG 3g.40gb", IDS[0]]], ["cuda:1"]),
        ("", [], []),
    ],
)
def test_gpu_without_a_uuid_is_addressed_by_entry_or_number(
    visible: str, gpus: list[list[str]], addresses: list[str]
) -> None:
    targets = environment._targets(json.dumps({"visible": visible, "gpus": gpus}))
    assert [target.address for target in targets] == addresses


def test_processor_is_named() -> None:
    name = environment.cpu_name()
    assert name and name == name.strip() and "\n" not in name
    assert environment.hardware("cpu") == name


def test_cores_are_those_that_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    first = min(allowed)
    try:
        os.sched_setaffinity(0, {first})
        assert environment.cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert environment.cores() == len(allowed)


def test_busy_machine_gives_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = environment.BUSY_LOAD * environment.cores()
    monkeypatch.setattr(os, "getloadavg", lambda: (limit + 0.1, 0.0, 0.0))
    (warning,) = environment.noise_warnings()
    assert f"load {limit + 0.1:.1f} on {environment.cores()} cores" in warning
    monkeypatch.setattr(os, "getloadavg", lambda: (limit, 99.0, 99.0))
    assert environment.noise_warnings() == ()


def test_torch_version_is_that_of_the_workers() -> None:
    code = "import sys; from evaluator.environment import torch_version; print(torch_version(), 'torch' in sys.modules)"
    root = Path(environment.__file__).resolve().parents[1]
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root).stdout
    version, imported = output.split()
    assert version[0].isdigit() and imported == "False"
