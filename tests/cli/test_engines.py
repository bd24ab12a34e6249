"""Engines' policies on the command line, from wheels of our own text."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli.runs import QUICKLY, Cli, environment
from tests.evaluator.wheels import DEEPSEEK, VERSION, engine_wheel, install, write_wheel

SIZES = "layers=12,experts=16,replicas=24,groups=1,nodes=1,gpus=4"
TINY = ("--case", SIZES, "--device", "cpu", "--budget", "0.01")
FEW = ("-s", "budget.attempts=1", "-s", f"task.cases=[{{{SIZES.replace('=', ': ').replace(',', ', ')}}}]")
OURS = "programs/eplb/vectorised_greedy.py"


def test_a_policy_is_reference_and_contestant(cli: Cli) -> None:
    for project in ("vllm", "sglang"):
        engine_wheel(cli.cwd, project)
    wheels = [word for project in ("vllm", "sglang") for word in ("--engine-wheel", f"{project}-9.1-py3-none-any.whl")]
    done = cli("evaluate", OURS, "sglang:deepseek", "--reference", "vllm:default", *wheels, *TINY, "--json")
    assert done.code == 0, done.err
    ours, deepseek = done.records
    assert ours["environment"]["reference"].startswith(f"vllm:default {VERSION} ")
    assert deepseek["program"] == f"sglang:deepseek {VERSION}" and deepseek["verdict"] == "scored"
    assert deepseek["gain"]["median"] == 0.0 < ours["gain"]["median"], "all our engines make the same plan"


def test_a_run_names_the_engine_and_needs_its_wheel_no_more(cli: Cli) -> None:
    wheel = engine_wheel(cli.cwd, "vllm")
    reference = ("-s", "judge.reference=vllm:default", "-s", f"judge.engine_wheels=[{wheel.name}]")
    searched = cli("search", "tiny.yaml", "--run", "run", *reference, *FEW, *QUICKLY)
    assert searched.code == 0, searched.err
    assert f"vllm:default {VERSION}" in searched.out + searched.err
    wheel.unlink()
    other = engine_wheel(cli.cwd, "sglang").name
    [record] = cli("evaluate", "sglang:deepseek_vec", "--run", "run", "--engine-wheel", other, "--json").records
    assert record["environment"]["reference"].startswith(f"vllm:default {VERSION} ")
    assert record["program"] == f"sglang:deepseek_vec {VERSION}" and record["gain"]["median"] == 0.0


def test_mistakes_with_policies_and_wheels(cli: Cli) -> None:
    assert "vllm is neither installed here nor given" in cli.refused("evaluate", "vllm:default", *TINY)
    assert "did you mean sglang:deepseek_vec?" in cli.refused("evaluate", "sglang:deepseekvec", *TINY)
    wheel = write_wheel(cli.cwd, "numpy", {}).name
    wrong = cli.refused("evaluate", OURS, "--reference", "vllm:default", "--engine-wheel", wheel, *TINY)
    assert f"{wheel}: expected a wheel of sglang or vllm, found one of numpy {VERSION}" in wrong
    unused = cli.refused("evaluate", OURS, "--engine-wheel", wheel, *TINY, code=2)
    assert "--engine-wheel" in unused and "leave this option out" in unused


def test_doctor_finds_installed_engines(cli: Cli, tmp_path: Path) -> None:
    site = install(engine_wheel(tmp_path, "vllm"), tmp_path / "site")
    install(engine_wheel(tmp_path, "sglang", files={DEEPSEEK: None}), site)
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    [facts] = cli("doctor", "--json", env=environment(PYTHONPATH=path)).records
    assert facts["policies"] == [f"vllm:default {VERSION}", f"sglang:deepseek_vec {VERSION}"]
    assert facts["warnings"][0].startswith(f"sglang:deepseek: expected the file {DEEPSEEK}, found none")
