"""Engines' policies as programs, on wheels of our own text behind the engines' interfaces.

That the engines' own files answer validly is tested in `tests/engines`, with their wheels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluator import TASKS, Task
from evaluator.screen import screen
from evaluator.task_protocol import SoftwareMissing
from evaluator.tasks.eplb.answers import FORMS, Form, read_answer
from evaluator.tasks.eplb.cases import EplbCase
from evaluator.types import EvaluatorError
from tests.evaluator.wheels import (
    ABSTRACT,
    DEEPSEEK,
    DEFAULT,
    ENGINE_FILES,
    VERSION,
    engine_wheel,
    install,
    write_wheel,
)

KIND = TASKS["eplb"]
HIERARCHICAL = EplbCase(layers=2, experts=8, replicas=12, groups=4, nodes=2, gpus=4)
SHAPES = (
    HIERARCHICAL,
    EplbCase(layers=3, experts=13, replicas=35, groups=1, nodes=1, gpus=7),
    EplbCase(layers=1, experts=12, replicas=16, groups=3, nodes=2, gpus=4),
)
PLANS = ([[0, 1, 2, 3, 0, 1, 4, 5, 6, 7, 4, 5]] * 2, [[i % 13 for i in range(35)]] * 3, [[*range(12), 0, 1, 2, 3]])


def task(form: Form = "triple") -> Task:
    return KIND({"form": form})


def read(name: str, wheels: Sequence[Path], form: Form = "triple") -> str:
    policy = KIND.policy(name, task(form), wheels)
    assert policy is not None and policy.name == f"{name} {VERSION}"
    return policy.source


def solver(source: str) -> Callable[..., Any]:
    """The entry point of a program, which runs in this process: it is ours."""
    assert screen(source, "rebalance_experts") is None
    space: dict[str, Any] = {}
    exec(compile(source, "program.py", "exec", dont_inherit=True), space)
    found = space["rebalance_experts"]
    assert callable(found)
    return found  # type: ignore[no-any-return]


def arrays(answer: Any) -> tuple[np.ndarray, ...]:
    return tuple(each.numpy() for each in (answer if isinstance(answer, tuple) else (answer,)))


def sizes(case: EplbCase) -> tuple[int, ...]:
    return case.replicas, case.groups, case.nodes, case.gpus


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", KIND.policies)
def test_a_policy_answers_in_the_form_of_the_task(tmp_path: Path, name: str, form: Form) -> None:
    solve = solver(read(name, [engine_wheel(tmp_path, name.partition(":")[0])], form))
    for case, plan in zip(SHAPES, PLANS, strict=True):
        answer = solve(torch.ones(case.layers, case.experts), *sizes(case))
        assert read_answer(arrays(answer), case.sizes, form).tolist() == plan


def test_vllm_is_told_of_the_placement_in_force(tmp_path: Path) -> None:
    solve = solver(read("vllm:default", [engine_wheel(tmp_path, "vllm")], "phy2log"))
    old = torch.arange(12).flip(0).repeat(2, 1) % 8
    assert torch.equal(solve(torch.ones(2, 8), *sizes(HIERARCHICAL), old_phy2log=old), old)


def test_a_program_holds_the_files_as_they_are_but_for_imports_of_the_engine(tmp_path: Path) -> None:
    text = read("vllm:default", [engine_wheel(tmp_path, "vllm"), engine_wheel(tmp_path, "sglang")])
    lines = text.splitlines()
    assert lines[0] == "from __future__ import annotations"
    assert lines[1] == f"# {ABSTRACT}, as it is in vllm {VERSION}, but for imports of the engine"
    assert "# from vllm.distributed.eplb.policy.abstract import (\n#     AbstractEplbPolicy,\n# )\n" in text
    kept = [line for line in ENGINE_FILES["vllm"][DEFAULT].splitlines() if "vllm" not in line]
    assert set(kept) - {"    AbstractEplbPolicy,", ")"} <= set(lines)
    assert "# what calls vllm:default as the engine does: by packsmith" in lines


def refused(name: str, wheels: Sequence[Path], kind: type[EvaluatorError] = EvaluatorError) -> str:
    with pytest.raises(kind) as caught:
        KIND.policy(name, task(), wheels)
    return str(caught.value)


def test_an_engine_that_is_not_there_is_said_so_and_how_to_get_it(tmp_path: Path) -> None:
    text = refused("vllm:default", [engine_wheel(tmp_path, "sglang")], SoftwareMissing)
    assert text.startswith("vllm:default: vllm is neither installed here nor given as a wheel; ")
    assert f"none-any.whl is of sglang {VERSION}: get the wheel with `pip download --no-deps vllm==0.32.0`" in text
    assert "--engine-wheel FILE" in text and "judge.engine_wheels" in text


def test_a_wheel_of_another_project_is_refused_even_beside_the_right_one(tmp_path: Path) -> None:
    other = write_wheel(tmp_path, "numpy", {"numpy/__init__.py": ""}, "2.4")
    text = refused("vllm:default", [engine_wheel(tmp_path, "vllm"), other])
    assert text == f"{other}: expected a wheel of sglang or vllm, found one of numpy 2.4"


def test_an_installed_engine_is_found_and_a_wheel_comes_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(install(engine_wheel(tmp_path, "vllm"), tmp_path / "site"))
    solver(read("vllm:default", ()))
    newer = write_wheel(tmp_path, "vllm", ENGINE_FILES["vllm"], "9.2")
    policy = KIND.policy("vllm:default", task(), [newer])
    assert policy is not None and policy.name == "vllm:default 9.2"
    (tmp_path / "site" / DEFAULT).unlink()
    text = refused("vllm:default", ())
    assert f"expected the file {DEFAULT}, found none; files that may hold it: {ABSTRACT}, in the installed " in text
    assert f"package in {tmp_path / 'site' / 'vllm'}, version {VERSION}" in text


def test_names_of_policies_are_told_from_paths(tmp_path: Path) -> None:
    assert KIND.policy("programs/eplb/snake.py", task(), ()) is None
    assert KIND.policy("vllm.py", task(), ()) is None and KIND.policy("c:deepseek", task(), ()) is None
    assert refused("sglang:deepsek", ()).endswith(", found sglang:deepsek: did you mean sglang:deepseek?")


SIGNATURE = "rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus, enable_hierarchical)"


@pytest.mark.parametrize(
    ("name", "path", "text", "expected"),
    [
        ("vllm:default", DEFAULT, None, f"expected the file {DEFAULT}, found none; files that may hold it: {ABSTRACT}"),
        ("vllm:default", DEFAULT, "class DefaultEplbPolicy: ...\n", "found no such function"),
        ("sglang:deepseek", DEEPSEEK, f"def {SIGNATURE[:-1]}, ranks): ...", "enable_hierarchical, ranks)"),
        ("sglang:deepseek", DEEPSEEK, f"def {SIGNATURE[:-1]}, *, ranks): ...", "enable_hierarchical, ranks)"),
        ("sglang:deepseek", DEEPSEEK, f"def {SIGNATURE.replace('weight', 'load')}: ...", f"expected {SIGNATURE}"),
        ("sglang:deepseek", DEEPSEEK, "def rebalance_experts(:", "expected Python, found SyntaxError"),
        ("sglang:deepseek", DEEPSEEK, "#" * 100_001, "expected at most 100,000 bytes"),
        (
            "sglang:deepseek",
            DEEPSEEK,
            f"from sglang.srt.layers import dp\ndef {SIGNATURE}: ...",
            f"among {DEEPSEEK}, found 'from sglang.srt.layers import dp' in line 1 of {DEEPSEEK}",
        ),
        ("sglang:deepseek", DEEPSEEK, f"def {SIGNATURE}:\n    import sglang", "found 'import sglang' in line 2"),
        ("sglang:deepseek", DEEPSEEK, f"from . import deepseek_vec\ndef {SIGNATURE}: ...", "'from . import deepseek_"),
    ],
)
def test_a_policy_that_has_changed_is_refused(
    tmp_path: Path, name: str, path: str, text: str | None, expected: str
) -> None:
    wheel = engine_wheel(tmp_path, name.partition(":")[0], files={path: text})
    said = refused(name, [wheel])
    assert said.startswith(f"{name}: ") and expected in said
    known = "0.32.0" if name.startswith("vllm") else "0.5.23"
    assert f"in the wheel {wheel.name}, version {VERSION}: the policy has changed since version {known}" in said


def test_more_parameters_with_defaults_do_no_harm(tmp_path: Path) -> None:
    text = ENGINE_FILES["sglang"][DEEPSEEK].replace("enable_hierarchical):", "enable_hierarchical, rank=0, *, x=1):")
    solver(read("sglang:deepseek", [engine_wheel(tmp_path, "sglang", files={DEEPSEEK: text})]))
