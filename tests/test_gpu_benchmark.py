"""The benchmark for GPUs runs where there is a CPU only: all its parts, on a tiny case."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.gpu import FIGURES, PARTS
from tests.benchmarks.gpu_parts import CHILD, torch_programs

CASE = '{"name": "tiny", "layers": 2, "experts": 8, "replicas": 12, "groups": 4, "nodes": 2, "gpus": 4}'
GENEROUS = ("--seconds", "200", "--measuring", "0.01", "--runs", "1")
"""Short measurements, and time for all of them also where the machine is busy."""


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script on a machine without a GPU, or with its GPU hidden."""
    command = [sys.executable, "tests/benchmarks/gpu.py", *arguments]
    environ = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environ)


@pytest.mark.long
def test_all_parts_run_on_a_cpu(root: Path) -> None:
    done = run(root, "--device", "cpu", "--quick", "--json", "--case", CASE, *GENEROUS)
    figures = json.loads(done.stdout)
    assert (done.returncode, figures["failed"], figures["skipped"]) == (0, [], []), done.stderr
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
    done = run(root)
    assert done.returncode == 1
    assert "torch sees no CUDA device here" in done.stdout and len(done.stdout.splitlines()) == 1
    assert "--device cpu" in done.stdout


def test_what_does_not_fit_into_the_time_is_skipped(root: Path) -> None:
    done = run(root, "--device", "cpu", "--seconds", "0.01", "--parts", "tests,programs,slow")
    assert done.returncode == 0, done.stdout + done.stderr
    for what in ("tests", "programs, greedy.py", f"programs, {CHILD}", "slow"):
        assert f"{what}: skipped, the time is up" in done.stdout.splitlines()


@pytest.mark.slow
def test_a_part_that_fails_says_why_and_the_rest_goes_on(root: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "def rebalance_experts(weight, replicas, groups, nodes, gpus):\n    raise ValueError('no plan')\n"
    )
    fixed = ("--device", "cpu", "--json", "--case", CASE)
    done = run(root, *fixed, *GENEROUS, "--parts", "clock,aa", "--reference", str(broken))
    figures = json.loads(done.stdout)
    assert done.returncode == 1
    assert [failure.partition(": ")[0] for failure in figures["failed"]] == ["clock, broken.py", "aa"]
    assert all("no plan" in failure for failure in figures["failed"])
    assert [row["program"] for row in figures["clock"]] == ["topk_swap.py"]
    assert (figures["aa_runs"], figures["aa_worse"]) == (0, None)
