"""Engines' policies on the command line, from wheels of our own text."""

from __future__ import annotations

import pytest

from tests.cli.runs import QUICKLY, SIZES, Cli
from tests.evaluator.wheels import VERSION, engine_wheel, write_wheel

TINY = ("--case", SIZES, "--device", "cpu", "--budget", "0.05")


def test_a_policy_is_reference_and_contestant(cli: Cli) -> None:
    for project in ("vllm", "sglang"):
        engine_wheel(cli.cwd, project)
    wheels = [word for project in ("vllm", "sglang") for word in ("--engine-wheel", f"{project}-9.1-py3-none-any.whl")]
    names = ("solver.py", "sglang:deepseek", "sglang:deepseek_vec")
    done = cli("evaluate", *names, "--reference", "vllm:default", *wheels, *TINY, "--json")
    assert done.code == 0, done.err
    ours, deepseek, vectorised = done.records
    assert ours["environment"]["reference"].startswith(f"vllm:default {VERSION} ")
    assert deepseek["program"] == f"sglang:deepseek {VERSION}" and deepseek["verdict"] == "scored"
    assert vectorised["pass_quality"] == deepseek["pass_quality"] < ours["pass_quality"]
    assert deepseek["gain"]["median"] == 0.0, "all our engines make the same plan"


def test_a_run_names_the_engine_and_needs_its_wheel_no_more(cli: Cli) -> None:
    wheel = engine_wheel(cli.cwd, "vllm")
    reference = ("-s", "judge.reference=vllm:default", "-s", f"judge.engine_wheels=[{wheel.name}]")
    searched = cli("search", "tiny.yaml", "--run", "run", *reference, "-s", "budget.attempts=1", *QUICKLY)
    assert searched.code == 0, searched.err
    assert f"vllm:default {VERSION}" in searched.out + searched.err
    wheel.unlink()
    [record] = cli("evaluate", "solver.py", "--run", "run", "--json").records
    assert record["environment"]["reference"].startswith(f"vllm:default {VERSION} ")
    installed = engine_wheel(cli.cwd, "sglang").name
    [record] = cli("evaluate", "sglang:deepseek", "--run", "run", "--engine-wheel", installed, "--json").records
    assert record["verdict"] == "scored" and record["gain"]["median"] == 0.0


def test_mistakes_with_policies_and_wheels(cli: Cli) -> None:
    assert "vllm is neither installed here nor given" in cli.refused("evaluate", "vllm:default", *TINY)
    assert "did you mean sglang:deepseek_vec?" in cli.refused("evaluate", "sglang:deepseekvec", *TINY)
    wheel = write_wheel(cli.cwd, "numpy", {}).name
    wrong = cli.refused("evaluate", "solver.py", "--reference", "vllm:default", "--engine-wheel", wheel, *TINY)
    assert f"{wheel}: expected a wheel of sglang or vllm, found one of numpy {VERSION}" in wrong
    unused = cli.refused("evaluate", "solver.py", "--engine-wheel", wheel, *TINY, code=2)
    assert "--engine-wheel" in unused and "leave this option out" in unused


@pytest.mark.parametrize("json", [False, True])
def test_doctor_says_which_policies_are_found(cli: Cli, json: bool) -> None:
    done = cli("doctor", *(["--json"] if json else []))
    assert done.code == 0
    assert done.records[0]["policies"] == [] if json else "\npolicies no engine is installed; " in done.out
