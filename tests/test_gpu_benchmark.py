"""The benchmark for GPUs runs where there is a CPU only: all its parts, on a tiny case.

As a script once; elsewhere in this process, where its judges go on with the processes of the one before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.gpu import FIGURES, PARTS, main
from tests.benchmarks.gpu_parts import CHILD, torch_programs

CASE = '{"name": "tiny", "layers": 2, "experts": 8, "replicas": 12, "groups": 4, "nodes": 2, "gpus": 4}'
GENEROUS = ("--seconds", "200", "--measuring", "0.01", "--runs", "1")
"""Short measurements, and time for all of them also where the machine is busy."""


@pytest.fixture
def hidden_gpu(shared_processes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a GPU, or with its GPU hidden."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.long
def test_all_parts_run_on_a_cpu(hidden_gpu: None, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--device", "cpu", "--quick", "--json", "--case", CASE, *GENEROUS])
    printed = capsys.readouterr()
    figures = json.loads(printed.out)
    assert (code, figures["failed"], figures["skipped"]) == (0, [], []), printed.err
    assert list(figures) == list(FIGURES) and list(figures["seconds"]) == list(PARTS)
    assert {key for key, value in figures.items() if value is None} == set()
    assert (figures["device"], figures["driver"], figures["cuda"]) == ("cpu", "", "")
    judged = {(row["program"], row["case"]) for row in figures["programs"]}
    names = [CHILD, *(path.name for path in torch_programs())]
    assert judged == {(name, "tiny") for name in names}
    assert len(figures["clock"]) == 2 and all(row["calls"] > 0 for row in figures["clock"])
    assert 0 <= figures["clock_gap_us_median"] <= figures["clock_gap_us_largest"]
    assert (figures["aa_runs"], figures["slow_runs"]) == (1, 1)
    assert min(figures[key] for key in ("aa_speedup", "aa_seconds", "slow_speedup", "slow_seconds")) > 0


def test_without_a_gpu_it_says_what_it_needs(root: Path) -> None:
    command = [sys.executable, "tests/benchmarks/gpu.py"]
    environ = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 1
    assert "torch sees no CUDA device here" in done.stdout and len(done.stdout.splitlines()) == 1
    assert "--device cpu" in done.stdout


def test_what_does_not_fit_into_the_time_is_skipped(hidden_gpu: None, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--device", "cpu", "--seconds", "0.01", "--parts", "tests,programs,slow"])
    printed = capsys.readouterr()
    assert code == 0, printed.out + printed.err
    for what in ("tests", "programs, greedy.py", f"programs, {CHILD}", "slow"):
        assert f"{what}: skipped, the time is up" in printed.out.splitlines()


@pytest.mark.slow
def test_a_part_that_fails_says_why_and_the_rest_goes_on(
    hidden_gpu: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "def rebalance_experts(weight, replicas, groups, nodes, gpus):\n    raise ValueError('no plan')\n"
    )
    fixed = ("--device", "cpu", "--json", "--case", CASE)
    assert main([*fixed, *GENEROUS, "--parts", "clock,aa", "--reference", str(broken)]) == 1
    figures = json.loads(capsys.readouterr().out)
    assert [failure.partition(": ")[0] for failure in figures["failed"]] == ["clock, broken.py", "aa"]
    assert all("no plan" in failure for failure in figures["failed"])
    assert [row["program"] for row in figures["clock"]] == ["topk_swap.py"]
    assert (figures["aa_runs"], figures["aa_worse"]) == (0, None)
