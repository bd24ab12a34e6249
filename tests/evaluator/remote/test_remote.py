"""A judge in a process of its own: the contract of judges, and what becomes of it when it dies or is stopped."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator import Judge, JudgeSettings, Lane, shipped
from evaluator.remote import JudgeSpec, ProcessLine, RemoteJudge
from evaluator.remote.messages import Done, Failed, dumps, loads
from evaluator.remote.serving import Serving
from evaluator.types import EvaluatorError, JudgeLost
from tests.evaluator.judges import JudgeContract, spec_and_task
from tests.harness.builders import PROGRAM, KnobJudge


def running(line: ProcessLine) -> int:
    assert line._process is not None
    return line._process.pid


def below(pid: int) -> list[int]:
    """All processes below one."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *below(int(child))]
    return found


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module")
def judge() -> Iterator[RemoteJudge]:
    spec, task = spec_and_task()
    with RemoteJudge(ProcessLine("core 0"), spec, task) as judge:
        yield judge


@pytest.mark.slow
class TestProcess(JudgeContract):
    def test_killed_with_all_below_it_and_started_again(
        self, judge: RemoteJudge, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No key of ours is in its environment."""
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        judge.environment()
        line = judge._line
        assert isinstance(line, ProcessLine)
        pid = running(line)
        children = below(pid)
        assert children
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(JudgeLost, match=r"the judge of core 0 was ended by signal 9 \(Killed\)") as lost:
            judge.check(shipped(judge.task.reference).read_text())
        assert not lost.value.for_good
        assert gone(children)
        judge.restart()
        assert judge.check(shipped(judge.task.reference).read_text()) is None
        assert running(line) != pid
        assert b"sk-secret" not in Path(f"/proc/{running(line)}/environ").read_bytes()


def test_a_judge_that_cannot_be_made_says_why() -> None:
    spec, task = spec_and_task(JudgeSettings(lanes=(Lane(cpus=(9999,)),)))
    with (
        RemoteJudge(ProcessLine("core 9999"), spec, task) as judge,
        pytest.raises(EvaluatorError, match=r"judge\.lanes: expected cores"),
    ):
        judge.evaluate("x = 1")


class Full(JudgeSpec):
    """A judge on a machine whose disk is full."""

    def judge(self) -> Judge:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/packsmith-x")


class Broken(JudgeSpec):
    def judge(self) -> Judge:
        raise ZeroDivisionError("a bug")


def test_a_full_disk_and_a_bug_are_told_and_nobody_waits() -> None:
    spec, _ = spec_and_task()
    for kind, bug, told in ((Full, False, "No space left on device"), (Broken, True, "ZeroDivisionError: a bug")):
        serving = Serving(kind(task=spec.task, reference=spec.reference))
        (event,) = serving.events(10)
        assert isinstance(event, Failed) and event.bug is bug and told in event.text
        serving.close()


def test_messages_keep_their_values() -> None:
    verdict = KnobJudge().evaluate(PROGRAM)
    assert loads(dumps(Done(outcome=verdict))) == Done(outcome=verdict)
    spec, _ = spec_and_task()
    again = loads(dumps(spec))
    assert isinstance(again, JudgeSpec) and again.settings == spec.settings and again.reference == spec.reference
