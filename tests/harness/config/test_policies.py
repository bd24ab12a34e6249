"""A config whose reference is an engine's policy, read from a wheel of our own text."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluator.shipped import shipped
from harness.config import ConfigError, load, restored
from tests.evaluator.wheels import VERSION, engine_wheel

CONFIG = """
task: {name: eplb, cases: [{layers: 2, experts: 8, replicas: 12, groups: 1, nodes: 1, gpus: 4}], form: phy2log}
program: programs/eplb/vectorised_greedy_phy2log.py
budget: {attempts: 1}
judge:
  engine_wheels: [wheels/%s]
  reference: vllm:default
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "wheels").mkdir()
    path = tmp_path / "mine.yaml"
    path.write_text(CONFIG % engine_wheel(tmp_path / "wheels", "vllm").name)
    return path


def test_a_policy_is_a_reference_and_its_run_needs_no_wheel(config: Path, tmp_path: Path) -> None:
    read = load(config)
    assert read.reference.path.name == read.reference.name == f"vllm:default {VERSION}"
    assert "\ndef rebalance_experts(" in read.reference.text() and read.reference.text().endswith("return phy2log\n")
    stored = read.resolved()
    assert stored["judge"]["reference"] == {"file": f"vllm:default {VERSION}", "sha256": read.reference.sha256}
    assert stored["judge"]["engine_wheels"] == [f"vllm-{VERSION}-py3-none-any.whl"]
    folder = tmp_path / "restored"
    folder.mkdir()
    seed = shipped("programs/eplb/vectorised_greedy_phy2log.py").read_text()
    again = restored(stored, program=seed, reference=read.reference.text(), folder=folder)
    assert again.reference.path.name == f"vllm:default {VERSION}" and again.reference.sha256 == read.reference.sha256


def test_wheels_on_the_command_line_and_another_form(config: Path, tmp_path: Path) -> None:
    wheel = engine_wheel(tmp_path, "sglang")
    laid_over = ["judge.reference=sglang:deepseek", f"judge.engine_wheels=[{wheel}]", "task.form=triple"]
    read = load(config, laid_over)
    assert read.reference.name == f"sglang:deepseek {VERSION}" and read.reference.text().endswith("return answer\n")
    assert read.resolved()["judge"]["engine_wheels"] == [wheel.name]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["judge.reference=vllm:fast"], "judge.reference: expected one of the policies vllm:default, "),
        (["judge.engine_wheels=[]"], "mine.yaml:7: judge.reference: vllm:default: vllm is neither installed here nor "),
        (["judge.engine_wheels=[no.whl]"], "no.whl: cannot read it: No such file or directory; expected a wheel"),
        (["judge.engine_wheels=x.whl"], "judge.engine_wheels: expected a list"),
    ],
)
def test_what_cannot_be_a_reference_is_an_error_with_its_place(
    config: Path, overrides: list[str], expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(config, overrides)
    assert expected in str(caught.value)
