"""Plans with ranks missing: what SGLang's own planner answers is valid here, and read as SGLang means it."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluator.tasks.eplb_over_time import EplbOverTime
from evaluator.tasks.eplb_over_time.courses import Course
from evaluator.tasks.eplb_over_time.ranks import on_active
from tests.engines.test_dispatch import executed, instead, wheel

ROOM = "sglang.srt.eplb.eplb_algorithms"
SIZES = {"layers": 3, "experts": 32, "replicas": 48, "groups": 1, "nodes": 2, "gpus": 8}


@pytest.fixture
def planner(wheels: tuple[Path, ...], tmp_path: Path) -> Any:
    """`rebalance_experts` of the wheel's policy `elasticity_aware`."""
    archive = wheel(wheels, "sglang")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("deepseek", "elasticity_aware"):
            source = archive.read(f"{ROOM.replace('.', '/')}/{name}.py").decode()
            patch.setitem(sys.modules, name, types.ModuleType(name))
            module = executed(source, name, tmp_path)
            instead(patch, f"{ROOM}.{name}", **vars(module))
        yield module.rebalance_experts


def test_its_answers_are_valid_with_up_to_two_ranks_missing(planner: Callable[..., tuple[torch.Tensor, ...]]) -> None:
    task = EplbOverTime.from_options({"sizes": SIZES, "elastic": ["lost", "back"], "missing": 2, "rebalances": 2})
    calls = [(case, task.call(case, 0, ())) for case in task.cases(0)]
    calls += [(hard.case, hard.call) for hard in task.hard_cases(0) if hard.case.data.ndim == 1]
    lost = 0
    for case, call in calls:
        active = call.offered["active_ranks"]
        assert isinstance(active, np.ndarray)
        weight, *sizes = call.args
        answer = tuple(
            part.numpy() for part in planner(torch.from_numpy(weight), *sizes, False, torch.from_numpy(active))
        )
        plan = task.read(case, answer)
        active_M = Course.unpacked(case.data, case.sizes).active_M
        np.testing.assert_array_equal(on_active(plan, active_M), on_active(answer[0], active_M))
        lost += not active_M.all()
    assert lost >= 5
