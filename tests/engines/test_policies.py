"""Engines' own policies as programs: valid answers, equal to those of the wheel's own function in a bare process."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator import TASKS, JudgeSettings, LocalExecutor, Task
from evaluator.screen import screen
from evaluator.tasks.eplb.answers import FORMS
from evaluator.types import Call, Case, Plan

KIND = TASKS["eplb"]
STANDARD = ("hier-ep32", "global-ep32", "global-ep72", "global-ep144", "hier-ep32-tight", "global-ep32-tight")
SEVERAL_NODES = {"layers": 4, "experts": 64, "replicas": 96, "groups": 1, "nodes": 4, "gpus": 16}
"""Placement is global, though there are several nodes."""


def asked(task: Task) -> list[tuple[Case, Call]]:
    """The hard cases, and two steps of each case, the second with the identity placement in force."""
    calls = [(hard.case, hard.call) for hard in task.hard_cases(1)]
    for case in task.cases(1):
        old = np.arange(case.sizes["replicas"]) % case.sizes["experts"]
        plans: tuple[Plan, ...] = (np.tile(old, (case.sizes["layers"], 1)),)
        calls += [(case, task.call(case, 0, ())), (case, task.call(case, 1, plans))]
    return calls


def answered(source: str, task: Task, calls: Sequence[tuple[Case, Call]]) -> list[Plan]:
    """The validated plans of a program that runs confined."""
    assert screen(source, task.entry_point) is None
    answer_bytes = max(task.answer_bytes(case) for case, _ in calls)
    with LocalExecutor(JudgeSettings(timeout_s=60)) as executor:
        worker = executor.open(request_bytes=2**24, answer_bytes=answer_bytes, device="cpu")
        worker.load(source, task.entry_point, ("history", "old_phy2log"))
        return [task.read(case, worker.call(call, 1, what=case.name)[0]) for case, call in calls]


def bare(wheel: Path, policy: str, calls: Sequence[tuple[Case, Call]]) -> list[Plan]:
    """The plans of the wheel's own function."""
    given: dict[str, Any] = {}
    for at, (_, call) in enumerate(calls):
        weight, *sizes = call.args
        given |= {f"weight{at}": weight, f"sizes{at}": np.array(sizes)}
        if call.offered["old_phy2log"] is not None:
            given[f"old{at}"] = call.offered["old_phy2log"]
    data = io.BytesIO()
    np.savez(data, **given)
    script = [sys.executable, "-I", str(Path(__file__).with_name("bare.py")), str(wheel), policy]
    done = subprocess.run(script, input=data.getvalue(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    plans = np.load(io.BytesIO(done.stdout))
    return [plans[f"plan{at}"] for at in range(len(calls))]


@pytest.mark.parametrize("policy", KIND.policies)
def test_a_policy_answers_as_the_engine_does(policy: str, wheels: tuple[Path, ...]) -> None:
    [wheel] = [path for path in wheels if path.name.startswith(policy.partition(":")[0])]
    cases = (*STANDARD, SEVERAL_NODES)
    calls = asked(KIND({"cases": cases}))
    expected = bare(wheel, policy, calls)
    for form in FORMS:
        task = KIND({"cases": cases, "form": form})
        program = KIND.policy(policy, task, wheels)
        assert program is not None and program.name.startswith(f"{policy} ")
        for (case, _), plan, own in zip(calls, answered(program.source, task, calls), expected, strict=True):
            assert np.array_equal(plan, own), (form, case.name)
