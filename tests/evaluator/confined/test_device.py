"""The steps around a call on the host and on a GPU, the exchange that settles a GPU, and a real GPU if there is one."""

from __future__ import annotations

import mmap
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluator import Judge, Scored, gpus
from evaluator.confined.device import FLUSH, CpuDevice, CudaGpu, Device, GpuDevice, make
from evaluator.executors import EXECUTORS, LocalExecutor
from evaluator.measuring.clocks import Clocks
from evaluator.settings import JudgeSettings
from evaluator.tasks import TASKS
from evaluator.types import Call, EvaluatorError
from evaluator.worker_handle import Ending, Link, LocalWorker, Stopped
from tests.evaluator.devices import CACHE_BYTES, QueueGpu, serve
from tests.evaluator.hostile import ENTRY, EXPECTED, HONEST, WEIGHT
from tests.evaluator.kept import KEPT

MEMORY_BYTES = 1 << 20
CALL = Call(args=(WEIGHT, 3))


def prepared(gpu: QueueGpu) -> GpuDevice:
    device = GpuDevice(gpu, MEMORY_BYTES)
    device.prepare()
    gpu.log.clear()
    return device


def test_gpu_is_prepared_before_anything_else() -> None:
    """The limit leaves room for the judge's own buffer, and every step runs once."""
    gpu = QueueGpu()
    device = GpuDevice(gpu, MEMORY_BYTES)
    device.prepare()
    assert gpu.memory_bytes == MEMORY_BYTES + FLUSH * CACHE_BYTES
    steps = ["open", "limit", "allocate", "fill", "synchronise"]
    assert gpu.log == [*steps, "mark", "synchronise", "mark", "synchronise"]


def test_settling_a_gpu_waits_for_it_and_overwrites_its_cache() -> None:
    gpu = QueueGpu()
    device = prepared(gpu)
    buffer = device._buffer
    assert buffer.nbytes == FLUSH * CACHE_BYTES
    done: list[float] = []
    gpu.submit(lambda: (time.sleep(0.05), done.append(time.monotonic()), buffer.fill(1))[0])
    device.settle()
    assert done and time.monotonic() >= done[0]
    assert not buffer.any(), "the whole buffer is overwritten"
    assert gpu.log == ["fill", "synchronise"]


def test_work_left_running_on_a_gpu_counts() -> None:
    """The program returns before the device is done: the worker's own time waits for the device."""
    gpu = QueueGpu()
    device = prepared(gpu)
    device.begin()
    gpu.submit(lambda: time.sleep(0.05))
    begin = time.monotonic()
    own_ns = device.end()
    assert 50e6 <= own_ns <= (time.monotonic() - begin) * 1e9 + 20e6


def test_both_generators_are_seeded() -> None:
    gpu = QueueGpu()
    device = prepared(gpu)
    device.seed(7)
    first = torch.rand(3)
    device.seed(7)
    assert torch.equal(first, torch.rand(3)) and gpu.seeded == 7


def test_host_clock_cannot_be_patched_by_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make("cpu", MEMORY_BYTES)
    assert isinstance(device, CpuDevice)
    device.prepare()
    device.settle()
    monkeypatch.setattr(time, "perf_counter_ns", lambda: 0)
    device.begin()
    time.sleep(0.02)
    assert 20e6 <= device.end() < 20e9
    tensor = torch.arange(3)
    assert device.place(tensor) is tensor


@pytest.mark.parametrize(("address", "visible"), [("cuda:GPU-8f", "GPU-8f"), ("cuda:3", "3"), ("cuda", "0")])
def test_address_of_a_gpu_is_its_entry_in_cuda_visible_devices(address: str, visible: str) -> None:
    device: Device = make(address, MEMORY_BYTES)
    assert isinstance(device, GpuDevice) and isinstance(device._gpu, CudaGpu)
    assert device._gpu._visible == visible


@dataclass(frozen=True, slots=True)
class Served:
    worker: LocalWorker
    log: Callable[[], list[str]]
    """Ends the worker and returns the calls of its device."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts a worker on a software device, over the judge's own link. It is a fork, since torch is imported here."""
    opened: list[BaseProcess] = []

    def start(broken: str = "") -> Served:
        request_bytes = 1 << 16
        memory_fd = os.memfd_create("test")
        os.ftruncate(memory_fd, 1 << 17)
        ours, theirs = socket.socketpair()

        def work() -> None:
            ours.close()  # else it would never see that the judge hangs up
            serve(theirs, memory_fd, request_bytes, broken, tmp_path)

        process = get_context("fork").Process(target=work)
        process.start()
        opened.append(process)
        memory = mmap.mmap(memory_fd, 1 << 17)
        os.close(memory_fd)
        theirs.close()
        assert process.pid is not None
        link = Link(
            pid=process.pid,
            memory=memory,
            channel=ours,
            request_bytes=request_bytes,
            ending=lambda: Ending(code=process.exitcode),
            settles=True,
        )
        worker = LocalWorker(link, timeout_s=5, load_timeout_s=20)

        def ended() -> list[str]:
            worker.close()
            os.kill(link.pid, signal.SIGCONT)
            process.join(20)
            return (tmp_path / "log").read_text().splitlines()

        return Served(worker, ended)

    yield start
    for process in opened:
        process.kill()
        process.join()


def test_every_call_on_a_gpu_is_settled_and_waited_for(served: Callable[..., Served]) -> None:
    bench = served()
    bench.worker.prepare()
    bench.worker.load(HONEST, ENTRY, ())
    for seed in range(3):
        answer, elapsed_ns = bench.worker.call(CALL, seed, what="the call")
        np.testing.assert_array_equal(answer[0], EXPECTED)
        assert 0 < bench.worker.own_ns <= elapsed_ns
    log = bench.log()
    once = ["fill", "synchronise", "mark", "place", "synchronise", "mark", "synchronise"]
    assert log[-21:] == once * 3
    assert [name for name, _ in groupby(log)][:3] == ["open", "limit", "allocate"]


def test_left_work_is_timed_and_settling_is_not(served: Callable[..., Served]) -> None:
    source = (
        "import sys, time, torch\ngpu = sys.modules['the_gpu']\n"
        "def fill(self, buffer):\n    self.submit(lambda: time.sleep(.3))\n"
        "def solve(weight, count):\n"
        "    gpu.submit(lambda: time.sleep(count / 1000))\n"
        "    type(gpu).fill = fill\n"
        "    return torch.argsort(weight, dim=1)\n"
    )
    worker = served().worker
    worker.prepare()
    worker.load(source, ENTRY, ())
    _, elapsed_ns = worker.call(Call(args=(WEIGHT, 200)), 1, what="x")
    assert 200e6 <= worker.own_ns <= elapsed_ns
    begin = time.monotonic()
    _, elapsed_ns = worker.call(Call(args=(WEIGHT, 1)), 1, what="x")
    assert elapsed_ns < 200e6 and time.monotonic() - begin > 0.3


def test_program_that_falsifies_its_gpu_clock_is_disputed(served: Callable[..., Served]) -> None:
    """It disables waiting and events in its own process; the judge's clock still runs."""
    source = (
        "import sys, time, torch\ngpu = sys.modules['the_gpu']\n"
        "def solve(weight, count):\n"
        "    type(gpu).between_ms = lambda self, begin, end: 1e-3\n"
        "    torch.cuda.synchronize = lambda *args: None\n"
        "    gpu.submit(lambda: time.sleep(count / 1000))\n"
        "    return torch.argsort(weight, dim=1)\n"
    )
    honest, hostile = served().worker, served().worker
    clocks = Clocks()
    for worker, program in ((honest, HONEST), (hostile, source)):
        worker.prepare()
        worker.load(program, ENTRY, ())
    for seed in range(3):
        _, other_ns = honest.call(CALL, seed, what="x")
        _, elapsed_ns = hostile.call(Call(args=(WEIGHT, 150)), seed, what="x")
        assert elapsed_ns >= 150e6 and hostile.own_ns == 1000
        clocks.add(elapsed_ns=elapsed_ns, own_ns=hostile.own_ns, other_elapsed_ns=other_ns, other_own_ns=honest.own_ns)
    assert "more than the program's own process says" in clocks.dispute()


def test_failed_device_setup_is_not_the_candidates_fault(served: Callable[..., Served]) -> None:
    with pytest.raises(EvaluatorError, match="making the device ready: RuntimeError: out of order"):
        served("out of order").worker.prepare()


def test_program_that_breaks_its_device_between_calls_is_rejected(served: Callable[..., Served]) -> None:
    source = (
        "import sys, torch\ngpu = sys.modules['the_gpu']\n"
        "def fill(self, buffer):\n    raise RuntimeError('an illegal memory access')\n"
        "def solve(weight, count):\n    type(gpu).fill = fill\n    return torch.argsort(weight, dim=1)\n"
    )
    worker = served().worker
    worker.prepare()
    worker.load(source, ENTRY, ())
    worker.call(CALL, 1, what="the first call")
    with pytest.raises(Stopped, match="illegal memory access") as stopped:
        worker.call(CALL, 2, what="the second call")
    assert (stopped.value.verdict.stage, stopped.value.verdict.reason) == ("run", "exception")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_worker_without_its_gpu_is_the_machines_fault() -> None:
    with EXECUTORS[KEPT](JudgeSettings()) as executor:
        with pytest.raises(EvaluatorError, match=r"making the device ready: .*(CUDA|NVIDIA)"):
            executor.open(request_bytes=1, answer_bytes=1, device="cuda:GPU-1234")
        executor.end()


@pytest.mark.gpu
def test_flush_writes_more_than_the_cache_and_waits() -> None:
    device = make("cuda:0", 1 << 30)
    assert isinstance(device, GpuDevice)
    device.prepare()
    buffer = device._buffer
    assert buffer.numel() >= 2 * torch.cuda.get_device_properties(0).L2_cache_size
    buffer.fill_(1)
    device.settle()
    assert torch.cuda.current_stream().query() and not buffer.any()


@pytest.mark.gpu
def test_gpu_time_covers_work_on_other_streams() -> None:
    device = make("cuda:0", 1 << 30)
    device.prepare()
    device.settle()
    device.begin()
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda._sleep(200_000_000)
    assert device.end() > 20e6


@pytest.mark.gpu
def test_gpu_memory_of_a_program_is_limited_and_returned() -> None:
    greedy = "import torch\ndef solve(weight, count):\n    return torch.empty(count << 20, device='cuda')[:1]\n"
    with LocalExecutor(JudgeSettings(memory_gb=1.0)) as executor:
        opened = executor.open(request_bytes=1 << 16, answer_bytes=1 << 16, device="cuda:0")
        opened.load(greedy, ENTRY, ())
        opened.call(Call(args=(WEIGHT, 100)), 1, what="x")
        listed = gpus.holders()
        with pytest.raises(Stopped) as stopped:
            opened.call(Call(args=(WEIGHT, 1000)), 1, what="x")
        assert (stopped.value.verdict.stage, stopped.value.verdict.reason) == ("run", "memory")
        pid = opened._link.pid
        executor.end()
        if listed is None or pid not in listed:
            pytest.skip("nvidia-smi lists no processes here (usual in containers)")
        assert pid not in (gpus.holders() or ())


@pytest.mark.gpu
def test_whole_evaluation_on_a_gpu(root: Path) -> None:
    source = (root / "programs/eplb/vectorised_greedy.py").read_text()
    case = {"layers": 4, "experts": 32, "replicas": 40, "groups": 4, "nodes": 2, "gpus": 8}
    with Judge(TASKS["eplb"]({"cases": [case]}), reference=source, device="cuda") as judge:
        for _ in range(2):
            verdict = judge.evaluate(source)
            assert isinstance(verdict, Scored), verdict
            assert verdict.environment.device == "cuda:0"
            assert verdict.score.speedup.low < 1.1 and verdict.score.speedup.high > 0.9
