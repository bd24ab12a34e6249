"""A search on a Ray cluster whose driver or head is killed, as a user runs it. With --long only: a cluster takes ten
seconds of processor time to start, and a head counts as lost after half a minute.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evaluator import shipped
from tests.cli.runs import Cli
from tests.evaluator.remote.nodes import Nodes

pytestmark = pytest.mark.long
MANY, ENOUGH = 200, 12


@pytest.fixture
def nodes(pytestconfig: pytest.Config) -> Nodes:
    pytest.importorskip("ray", reason="needs the extra `ray`")
    if not pytestconfig.getoption("long"):
        pytest.skip("starts a cluster: with --long")
    return Nodes()


def command(nodes: Nodes, run: Path, attempts: int) -> list[str]:
    config = shipped("configs/ray.yaml")
    options = {"executor.address": nodes.address, "budget.attempts": attempts, "budget.minutes": 5}
    given = (part for name, value in options.items() for part in ("-s", f"{name}={value}"))
    return ["search", str(config), "--run", str(run), "--json", *given]


def killed(nodes: Nodes, run: Path, what: str) -> tuple[int, str]:
    """Start a search, and kill its driver or the head after three attempts; the exit code and what stderr said."""
    with subprocess.Popen(
        [sys.executable, "-m", "harness", *command(nodes, run, MANY)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as search:
        assert search.stdout is not None
        for _ in range(4):
            assert search.stdout.readline()
        if what == "driver":
            search.kill()
        else:
            nodes.kill_head()
        _, told = search.communicate(timeout=120)  # which reads on: a search whose output nobody reads waits
        return search.returncode, told


def continues(nodes: Nodes, run: Path, tmp_path: Path) -> None:
    """The same command continues, with each attempt judged once."""
    cli = Cli(cwd=tmp_path)
    before = len(cli("log", run, "--json").records)
    assert 4 <= before < MANY
    attempts = max(ENOUGH, before + 2)
    done = cli(*command(nodes, run, attempts))
    assert done.code == 0, done.err
    numbers = [int(record["number"]) for record in cli("log", run, "--json").records]
    assert sorted(numbers) == list(range(attempts + 1))
    assert cli("verify", run).code == 0


def test_a_killed_driver_leaves_nothing_half_done(nodes: Nodes, tmp_path: Path) -> None:
    killed(nodes, tmp_path / "run", "driver")
    continues(nodes, tmp_path / "run", tmp_path)
    nodes.close()


def test_a_lost_head_ends_the_search_with_its_reason(nodes: Nodes, tmp_path: Path) -> None:
    code, told = killed(nodes, tmp_path / "run", "head")
    assert code == 1
    assert "the head of the Ray cluster at" in told
    assert "start the cluster again" in told
    nodes.close()
    anew = Nodes()
    continues(anew, tmp_path / "run", tmp_path)
    anew.close()
