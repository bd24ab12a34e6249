"""Hostile EPLB programs and the whole judge: each ends as its first line says, and the judge works as before."""

from __future__ import annotations

import math
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator import Judge, JudgeSettings, Rejected, Scored, Task, TimingSettings, Verdict
from evaluator.tasks import TASKS
from tests.evaluator.hostile import CHEATS, Traces, cheat

HOSTILE = sorted((CHEATS / "eplb").glob("*.py"))
SECRET = "sk-a-key-that-nobody-may-see"
CASE = {"layers": 4, "experts": 16, "replicas": 24, "groups": 4, "nodes": 2, "gpus": 8}
DRIFT = 0.3
"""Large enough that knowing future windows pays."""
SETTINGS = JudgeSettings(timeout_s=2, load_timeout_s=2, timing=TimingSettings(budget_s=0.1))
"""The default confinement, with shorter times."""
PATIENT = replace(SETTINGS, timeout_s=5, load_timeout_s=8)
ENDLESS = {"run/timeout", "load/timeout"}
HASTY = replace(SETTINGS, timeout_s=1, load_timeout_s=1)
"""For the endless, each of which takes as long as it may."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What all fixtures are judged with: the task, the honest program, and the values of their placeholders."""

    task: Task
    honest: str
    places: Mapping[str, str]
    temporary: Path
    precious: Path

    def judge(self, settings: JudgeSettings = SETTINGS) -> Judge:
        return Judge(self.task, reference=self.honest, device="cpu", settings=settings)


@pytest.fixture(scope="module")
def ground(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    honest = (root / "programs/eplb/greedy.py").read_text()
    task = TASKS["eplb"]({"cases": [CASE], "drift": DRIFT})
    precious = tmp_path_factory.mktemp("precious")
    for name in ("HEAD", ".netrc"):
        (precious / name).write_text("precious")
    temporary = tmp_path_factory.mktemp("temporary")
    places = {
        "ROOT": str(root),
        "JUDGE": str(os.getpid()),
        "SECRET": SECRET,
        "HOME": str(precious),
        "ARCHIVE": str(precious),
        "FILLER": "x" * SETTINGS.source_bytes,
        "PARENTHESES": "(" * 10**5 + ")" * 10**5,
        "ATTRIBUTES": ".a" * 10**5,
        "TABLE": repr(known_answers(task, honest, ahead=0)),
        "COMING": repr(known_answers(task, honest, ahead=1)),
        "WINDOWS": repr(task.cases(0)[0].data.tolist()),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        patch.setenv("OPENAI_API_KEY", SECRET)
        patch.setenv("HOME", str(precious))
        yield Ground(task, honest, places, temporary, precious)


def known_answers(task: Task, honest: str, ahead: int) -> dict[str, Any]:
    """Good answers for the loads of the judge's seed, or of the next window: what a program can contain that knows the
    seed.
    """
    import torch

    module: dict[str, Any] = {}
    exec(honest, module)
    (case,) = task.cases(0)
    table = {}
    for step in range(task.steps(case)):
        weight, *sizes = task.call(case, step, tuple(case.data[:step])).args
        assert isinstance(weight, np.ndarray)
        answer = module["rebalance_experts"](torch.from_numpy(case.data[step + ahead].copy()), *sizes)
        table[weight.tobytes().hex()] = tuple(part.tolist() for part in answer)
    return table


def program(path: Path, ground: Ground) -> tuple[set[str], str]:
    """The allowed outcomes of a fixture, and its source, in which `honest` is the honest program."""
    expected, source = cheat(path, ground.places)
    first, _, rest = source.partition("\n")
    honest = ground.honest.replace("def rebalance_experts(", "def honest(")
    return expected, f"{first}\n{honest}\n\n{rest}"


def outcome(verdict: Verdict, honest: Scored) -> str:
    """The verdict as a fixture's first line states it."""
    if isinstance(verdict, Rejected):
        return f"{verdict.stage}/{verdict.reason}"
    actual, expected = verdict.score.quality.value, honest.score.quality.value
    if math.isclose(actual, expected, rel_tol=1e-12):
        return "scored"
    return "scored/lower" if actual < expected else "scored/higher"


FASTER = 1.3
"""A program that gives the honest answers is never credited with an interval of speed above this."""


def check_text(verdict: Verdict) -> None:
    if isinstance(verdict, Rejected):
        assert "BREACH" not in verdict.detail, verdict.detail
        assert verdict.detail.replace("\n", "").isprintable()
        assert len(verdict.detail) < 10_000


@dataclass(frozen=True, slots=True)
class Bench:
    judge: Judge
    honest: Scored
    ground: Ground


@pytest.fixture(scope="module")
def bench(ground: Ground) -> Iterator[Bench]:
    with ground.judge() as judge:
        honest = judge.evaluate(ground.honest)
        assert isinstance(honest, Scored)
        yield Bench(judge, honest, ground)


@pytest.fixture(scope="module")
def hasty(ground: Ground) -> Iterator[Judge]:
    with ground.judge(HASTY) as judge:
        assert isinstance(judge.qualify(ground.honest), tuple), "its processes are there before they are counted"
        yield judge


def test_every_stage_has_enough_fixtures() -> None:
    """A fixture that moves to another stage shows here, and the list does not shrink."""
    stages = [path.read_text().removeprefix("# expects: ").split()[0].partition("/")[0] for path in HOSTILE]
    assert len(HOSTILE) >= 90
    for stage, least in {"screen": 5, "load": 7, "run": 15, "validate": 25, "measure": 6, "scored": 25}.items():
        assert stages.count(stage) >= least, stage


@pytest.mark.slow
@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_hostile_program_ends_as_expected_and_leaves_nothing(
    bench: Bench, path: Path, request: pytest.FixtureRequest
) -> None:
    expected, source = program(path, bench.ground)
    judge = request.getfixturevalue("hasty") if expected <= ENDLESS else bench.judge
    before = Traces.now(bench.ground.temporary)
    verdict = judge.evaluate(source)
    check_text(verdict)
    assert (ended := outcome(verdict, bench.honest)) in expected, verdict
    assert ended != "scored" or (isinstance(verdict, Scored) and verdict.score.speedup.low < FASTER)
    assert not Traces.now(bench.ground.temporary).since(before)
    assert {file.read_text() for file in bench.ground.precious.iterdir()} == {"precious"}


@pytest.mark.slow
def test_honest_program_is_judged_as_before_the_hostile_ones(bench: Bench) -> None:
    """Runs after the hostile ones, with the same judge."""
    again = bench.judge.evaluate(bench.ground.honest)
    assert isinstance(again, Scored)
    assert again.score.quality == bench.honest.score.quality
    assert again.score.pass_quality == bench.honest.score.pass_quality
    assert [case.quality for case in again.score.cases] == [case.quality for case in bench.honest.score.cases]


@pytest.mark.slow
def test_hostile_programs_several_at_a_time(bench: Bench, hasty: Judge, at_length: bool) -> None:
    """One judge per thread, all with one list: same verdicts, the honest program unaffected, nothing left behind."""
    at_once = 8 if at_length else 3
    ground, honest = bench.ground, bench.honest
    before = Traces.now(ground.temporary)
    # Each is judged alone as well; every twentieth, and the endless, are enough to see that they do not interfere.
    chosen = [path for at, path in enumerate(HOSTILE) if at % 20 == 0 or program(path, ground)[0] <= ENDLESS]
    programs, lock = {path.stem: program(path, ground) for path in chosen}, threading.Lock()
    endless = [name for name, (expected, _) in programs.items() if expected <= ENDLESS]
    others = [name for name in programs if name not in endless]
    assert len(endless) >= 4

    def work(number: int) -> list[str]:
        """Two judges with short timeouts take the endless programs, because a long timeout occupies a core."""
        wrong = []
        todo, settings = (endless, HASTY) if number < 2 else (others, PATIENT)
        with ground.judge(settings) if number else nullcontext(hasty) as judge:
            while True:
                with lock:
                    name = todo.pop() if todo else None
                if name is None:
                    break
                expected, source = programs[name]
                verdict = judge.evaluate(source)
                check_text(verdict)
                actual = outcome(verdict, honest)
                wrong += [f"{name}: {actual}, {verdict}"] if actual not in expected else []
            again = judge.evaluate(ground.honest)
        return [*wrong, *([f"honest: {again}"] if outcome(again, honest) != "scored" else [])]

    with ThreadPoolExecutor(at_once) as pool:
        wrong = [line for lines in pool.map(work, range(at_once)) for line in lines]
    assert not wrong, "\n".join(wrong)
    assert not Traces.now(ground.temporary).since(before)
