"""Programs in real confined processes: honest ones answer, hostile ones get their expected verdicts."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from evaluator.executors import EXECUTORS, LocalExecutor
from evaluator.settings import JudgeSettings, SandboxLevel
from evaluator.types import Call, EvaluatorError, Rejected
from evaluator.worker_handle import Stopped
from tests.evaluator.hostile import (
    CHEATS,
    ENTRY,
    EXPECTED,
    HONEST,
    WEIGHT,
    Traces,
    answer_of,
    cheat,
    verdict_on,
    worker,
)
from tests.evaluator.kept import KEPT

SECRET = "sk-a-key-that-nobody-may-see"
SETTINGS = JudgeSettings(memory_gb=0.5, scratch_mb=16)


@dataclass(frozen=True, slots=True)
class Bench:
    """A running executor, its temporary folder, and a file that no candidate may touch."""

    executor: LocalExecutor
    temporary: Path
    victim: Path


@pytest.fixture(scope="module", params=["L2", "L1"])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    level: SandboxLevel = request.param
    victim = tmp_path_factory.mktemp("victim") / "precious.txt"
    victim.write_text("precious")
    with pytest.MonkeyPatch.context() as patch:
        temporary = tmp_path_factory.mktemp("temporary")
        patch.setattr(tempfile, "tempdir", str(temporary))
        patch.setenv("OPENAI_API_KEY", SECRET)
        with LocalExecutor(SETTINGS, level=level) as executor:
            if executor.ready.level != level:
                pytest.skip(f"this machine does not give {level}: {executor.ready.hindrances[level]}")
            yield Bench(executor, temporary, victim)
        assert not list(temporary.iterdir())


@pytest.fixture
def executor(bench: Bench) -> LocalExecutor:
    return bench.executor


def test_honest_program_receives_every_kind_of_argument(executor: LocalExecutor) -> None:
    source = (
        "import torch\n"
        "def solve(weight, count, missing, *, history=None, old=None, rule=None):\n"
        "    assert missing is None and old is None and isinstance(count, int) and rule == 'even'\n"
        "    return torch.argsort(weight, dim=1), history.sum(), torch.arange(count) > 1\n"
    )
    history = np.arange(24, dtype=np.int64).reshape(2, 3, 4)[:, ::-1]
    call = Call(args=(WEIGHT, 3, None), offered={"history": history, "old": None, "rule": "even", "unheard": WEIGHT})
    with worker(executor) as opened:
        opened.load(source, ENTRY, ("history", "old", "rule", "unheard"))
        for seed in range(3):
            answer, elapsed_ns = opened.call(call, seed, what="the call")
            np.testing.assert_array_equal(answer[0], EXPECTED)
            assert answer[1] == history.sum() and answer[1].shape == ()
            assert answer[2].tolist() == [False, False, True]
            assert 0 < elapsed_ns < 60e9


def test_loading_is_timed_by_the_judge(executor: LocalExecutor) -> None:
    source = "import time\ntime.sleep(0.05)\ndef solve(weight, count): pass\n"
    with worker(executor) as opened:
        assert 0.05e9 <= opened.load(source, ENTRY, ()) < 5e9


def test_worker_is_seeded_per_call(executor: LocalExecutor) -> None:
    source = (
        "import random, numpy, torch\n"
        "def solve(weight, count):\n"
        "    return torch.rand(2), numpy.random.rand(2), torch.tensor(random.random())\n"
    )
    with worker(executor) as opened:
        opened.load(source, ENTRY, ())
        drawn = [opened.call(Call(args=(WEIGHT, 3)), seed, what="x")[0] for seed in (7, 8, 7)]
    for first, other, again in zip(*drawn, strict=True):
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


def test_error_text_names_the_programs_own_line(executor: LocalExecutor) -> None:
    source = (
        "def helper(weight):\n    raise ValueError('no room left')\n\n\ndef solve(weight, count):\n    helper(weight)\n"
    )
    verdict = verdict_on(executor, source)
    assert isinstance(verdict, Rejected)
    assert (verdict.stage, verdict.reason) == ("run", "exception")
    assert "ValueError: no room left" in verdict.detail
    assert "line 2, in helper: raise ValueError('no room left')" in verdict.detail
    assert "line 6, in solve: helper(weight)" in verdict.detail
    assert "worker.py" not in verdict.detail


@pytest.mark.parametrize("path", sorted(CHEATS.glob("*.py")), ids=lambda path: path.stem)
def test_hostile_program_gets_its_verdict_and_leaves_nothing(bench: Bench, path: Path, root: Path) -> None:
    places = {"VICTIM": str(bench.victim), "ROOT": str(root), "JUDGE": str(os.getpid()), "SECRET": SECRET}
    expectations, source = cheat(path, places)
    before, modes = Traces.now(bench.temporary), bench.victim.stat()
    timeout_s = 0.5 if "run/timeout" in expectations else 60.0
    begin = time.monotonic()
    verdict = verdict_on(bench.executor, source, timeout_s=timeout_s)
    spent_s = time.monotonic() - begin

    if "ok" in expectations:
        assert isinstance(verdict, tuple), verdict
        np.testing.assert_array_equal(verdict[0], EXPECTED)
    else:
        assert isinstance(verdict, Rejected), "the cheat got through"
        assert f"{verdict.stage}/{verdict.reason}" in expectations, verdict.detail
        assert verdict.detail.replace("\n", "").isprintable()
        assert len(verdict.detail) < 10_000
    if "run/timeout" in expectations:
        assert timeout_s <= spent_s < timeout_s + 1.0
    assert not Traces.now(bench.temporary).since(before)
    assert bench.victim.read_text() == "precious"
    after = bench.victim.stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_nlink) == (modes.st_mode, modes.st_mtime_ns, modes.st_nlink)


@pytest.mark.parametrize(
    ("expression", "dtype"),
    [("weight.to(torch.complex64)", "c8"), ("torch.conj(weight.to(torch.complex128))", "c16"), ("weight.half()", "f2")],
)
def test_answers_of_unusual_dtypes_arrive_unchanged(executor: LocalExecutor, expression: str, dtype: str) -> None:
    (answer,) = answer_of(executor, f"import torch\ndef solve(weight, count):\n    return {expression}\n")
    assert answer.dtype == np.dtype(dtype)
    np.testing.assert_allclose(answer.real, WEIGHT, rtol=1e-3)


def test_unsupported_number_type_is_named(executor: LocalExecutor) -> None:
    verdict = verdict_on(executor, "import torch\ndef solve(weight, count):\n    return weight.bfloat16()\n")
    assert isinstance(verdict, Rejected) and (verdict.stage, verdict.reason) == ("validate", "answer")
    assert "bfloat16" in verdict.detail.lower()


def test_answer_is_the_judges_copy_even_if_a_thread_rewrites_it(executor: LocalExecutor) -> None:
    source = (
        "import sys, threading, torch\n"
        "def rewrite(memory):\n"
        "    while True:\n"
        "        memory[1024:1224] = bytes(range(200))\n"
        "def solve(weight, count):\n"
        "    frame = sys._getframe()\n"
        "    while 'answer' not in frame.f_locals:\n"
        "        frame = frame.f_back\n"
        "    threading.Thread(target=rewrite, args=(frame.f_locals['answer'],), daemon=True).start()\n"
        "    return torch.argsort(weight, dim=1)\n"
    )
    with worker(executor) as opened:
        opened.load(source, ENTRY, ())
        answer, _ = opened.call(Call(args=(WEIGHT, 3)), 1, what="x")
        seen = answer[0].copy()
        time.sleep(0.05)
        np.testing.assert_array_equal(answer[0], seen)


def test_thread_cannot_reply_between_calls(executor: LocalExecutor) -> None:
    """It replies when the next call resumes the process, before there is an answer."""
    source = (
        "import os, stat, threading, time, torch\n"
        "calls = []\n"
        "def later(number):\n"
        "    time.sleep(.05)\n"
        "    os.write(number, b'd')\n"
        "def solve(weight, count):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 2:\n"
        "        time.sleep(1)\n"
        "    number = next(n for n in range(3, 64) if os.path.exists(f'/proc/self/fd/{n}') and "
        "stat.S_ISSOCK(os.fstat(n).st_mode))\n"
        "    threading.Thread(target=later, args=(number,)).start()\n"
        "    return torch.argsort(weight, dim=1)\n"
    )
    with worker(executor) as opened:
        opened.load(source, ENTRY, ())
        opened.call(Call(args=(WEIGHT, 3)), 1, what="the first call")
        time.sleep(0.3)
        with pytest.raises(Stopped) as stopped:
            opened.call(Call(args=(WEIGHT, 3)), 2, what="the second call")
    assert (stopped.value.verdict.stage, stopped.value.verdict.reason) == ("validate", "malformed")


def test_no_thread_works_between_calls(executor: LocalExecutor) -> None:
    """With a thread that always works, the process uses no more CPU time than passes on the judge's clock."""
    source = (
        "import threading, time, torch\n"
        "def work():\n"
        "    while True:\n"
        "        pass\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "def solve(weight, count):\n"
        "    return torch.tensor([time.process_time_ns()])\n"
    )
    with worker(executor) as opened:
        opened.load(source, ENTRY, ())
        used_ns, clock_ns = [], []
        for pause_s in (0.0, 0.5, 0.0):
            time.sleep(pause_s)
            answer, elapsed_ns = opened.call(Call(args=(WEIGHT, 3)), 1, what="x")
            used_ns.append(int(answer[0][0]))
            clock_ns.append(elapsed_ns)
    assert used_ns[2] > used_ns[1] > used_ns[0], "the thread works during calls"
    for used, clock in ((used_ns[1] - used_ns[0], sum(clock_ns[:2])), (used_ns[2] - used_ns[1], sum(clock_ns[1:]))):
        assert used < clock + 5_000_000, "it has worked while no call was under way"


def test_answer_of_a_call_is_cleared_before_the_next(executor: LocalExecutor) -> None:
    source = (
        "import os, stat, time, torch\n"
        "calls = []\n"
        "def solve(weight, count):\n"
        "    calls.append(1)\n"
        "    if len(calls) > 1:\n"
        "        os.write(next(n for n in range(3, 64) if os.path.exists(f'/proc/self/fd/{n}') and "
        "stat.S_ISSOCK(os.fstat(n).st_mode)), b'd')\n"
        "        time.sleep(600)\n"
        "    return torch.argsort(weight, dim=1)\n"
    )
    with worker(executor) as opened:
        opened.load(source, ENTRY, ())
        opened.call(Call(args=(WEIGHT, 3)), 1, what="the first call")
        with pytest.raises(Stopped) as stopped:
            opened.call(Call(args=(WEIGHT, 3)), 2, what="the second call")
    assert (stopped.value.verdict.stage, stopped.value.verdict.reason) == ("validate", "malformed")


def test_two_concurrent_workers_do_not_affect_each_other(executor: LocalExecutor) -> None:
    source = (
        "import os, torch\n"
        "def solve(weight, count):\n"
        "    open(f'mark{count}', 'w').close()\n"
        "    return torch.tensor(sorted(int(n[4:]) for n in os.listdir('.') if n.startswith('mark')))\n"
    )
    first = executor.open(request_bytes=1 << 16, answer_bytes=1 << 16, device="cpu")
    second = executor.open(request_bytes=1 << 16, answer_bytes=1 << 16, device="cpu")
    try:
        for opened, count in ((first, 1), (second, 2), (first, 3)):
            if count < 3:
                opened.load(source, ENTRY, ())
            answer, _ = opened.call(Call(args=(WEIGHT, count)), 1, what="x")
            assert answer[0].tolist() == ([1, 3] if count == 3 else [count])
    finally:
        executor.end()


def test_request_larger_than_announced_raises_an_evaluator_error(executor: LocalExecutor) -> None:
    with worker(executor) as opened:
        opened.load(HONEST, ENTRY, ())
        with pytest.raises(EvaluatorError, match="does not fit"):
            opened.call(Call(args=(np.zeros((1 << 20,)), 3)), 1, what="x")


def test_empty_call_costs_less_than_a_millisecond(executor: LocalExecutor) -> None:
    with worker(executor) as opened:
        assert min(opened.ping() for _ in range(50)) < 1e6


@pytest.mark.slow
def test_time_limit_of_loading() -> None:
    with EXECUTORS[KEPT](JudgeSettings(load_timeout_s=0.3)) as executor:
        executor.ready  # noqa: B018  waits
        begin = time.monotonic()
        verdict = verdict_on(executor, "def solve(weight, count): pass\nwhile True: pass\n")
        assert time.monotonic() - begin < 1.5
    assert isinstance(verdict, Rejected)
    assert (verdict.stage, verdict.reason) == ("load", "timeout")
    assert verdict.detail == (
        "loading the program took longer than the limit of 0.3 s: importing, running the module level and compiling "
        "there all count"
    )


@pytest.mark.slow
def test_helpers_killed_from_outside_raise_an_evaluator_error() -> None:
    from evaluator.confined.supervisor import descendants

    with LocalExecutor(SETTINGS) as executor:
        executor.ready  # noqa: B018  waits
        assert executor._process is not None
        supervisor = executor._process.pid
        with pytest.raises(EvaluatorError, match="helper processes"):
            for pid in (supervisor, *descendants(supervisor)):  # not those of other judges
                os.kill(pid, 9)
            executor.open(request_bytes=1, answer_bytes=1, device="cpu")


def test_answers_are_not_mixed_up_after_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalExecutor(SETTINGS) as executor:
        assert executor.ready.level
        with monkeypatch.context() as patch:
            patch.setattr(executor, "_receive", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                executor.end()
        with pytest.raises(EvaluatorError, match="cut short"):
            executor.end()


def test_an_executor_that_never_started_removes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a name is the working folder."""
    (tmp_path / "mine.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    LocalExecutor(JudgeSettings()).__exit__()
    assert (tmp_path / "mine.txt").exists()


def test_a_start_that_fails_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(FileNotFoundError):
        LocalExecutor(JudgeSettings()).__enter__()
    assert list(tmp_path.iterdir()) == []
