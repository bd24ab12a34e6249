"""`packsmith package`: what is packaged works without packsmith, and what must not be packaged is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Searched
from tests.cli.runs import SIZES, Cli, environment, solver

UNSEEDED = "import numpy\nNUMBERS = numpy.random.default_rng()\n"


@pytest.mark.slow
def test_an_attempt_becomes_a_package_whose_own_test_passes(searched: Searched, tmp_path: Path) -> None:
    best = searched.best
    done = Cli(cwd=tmp_path)("package", f"{searched.run}:best", "--for", "plain", "-o", "made", "--json")
    assert done.code == 0, done.err
    [record] = done.records
    assert record["agreement"]["agrees"] and record["agreement"]["inputs"] == 10
    module = tmp_path / "made" / "packsmith_policy"
    stored = json.loads((module / "provenance.json").read_text())
    assert stored == record["provenance"]
    assert (stored["solver"]["commit"], stored["solver"]["attempt"]) == (best["id"], best["number"])
    assert stored["score"]["balance"]["low"] <= best["balance"] <= stored["score"]["balance"]["high"]
    assert stored["machine"]["hardware"] == best["environment"]["hardware"]
    assert sorted(record["files"]) == sorted(
        str(path.relative_to(tmp_path / "made")) for path in (tmp_path / "made").rglob("*") if path.is_file()
    )
    # Isolated from packsmith: neither this folder nor an environment variable leads to it.
    tested = subprocess.run(
        [sys.executable, "-m", "packsmith_policy.selftest"],
        cwd=tmp_path / "made",
        env=environment(NUMBA_DISABLE_JIT="1", PYTHONPATH=None, PATH=os.defpath),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert tested.returncode == 0, tested.stderr
    assert tested.stdout.count("passed: ") == 8


@pytest.mark.slow
def test_a_solver_that_ranks_would_disagree_on_is_refused(workshop: Path, cli: Cli) -> None:
    packing = "    gpu, place = pack_replicas_to_gpus("
    noise = "    replica_load = replica_load * (1 + 0.01 * torch.from_numpy(NUMBERS.random(replica_load.shape)))\n"
    source = solver()
    assert source.count(packing) == 1
    (workshop / "random.py").write_text(UNSEEDED + source.replace(packing, noise + packing))
    done = cli("package", "random.py", "--for", "plain", "-o", "made", "--case", SIZES, "--budget", "0.01")
    text = done.err.partition("error: ")[2]  # what is said before warns of a disturbed machine
    assert done.code == 1 and text.startswith("random.py is not packaged, because ranks")
    assert "with a fresh process the plan differs at layer 0, slot " in text
    assert not (workshop / "made").exists()


def test_what_cannot_be_packaged_is_said_before_anything_is_measured(searched: Searched, tmp_path: Path) -> None:
    cli, run = Cli(cwd=tmp_path), searched.run
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    broken = searched.number("broken")
    to = ("--for", "plain", "-o", "made")
    assert "77" in cli.refused("package", f"{run}:77", *to)
    assert f"attempt {broken} of {run} was rejected at validate" in cli.refused("package", f"{run}:{broken}", *to)
    assert "found files in it" in cli.refused("package", run, "--for", "plain", "-o", "full")
    assert (tmp_path / "full" / "file").read_text() == "mine"
    text = cli.refused("package", run, "--for", "triton", "-o", "made")
    assert "--for triton: no such engine; known: vllm, sglang, plain" in text
    assert "no such file; expected a program" in cli.refused("package", "gone.py", *to)
    assert "the run decides that" in cli.refused("package", run, *to, "--seed", "1", code=2)
    assert not (tmp_path / "made").exists()
