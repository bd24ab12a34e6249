"""Judges on a Ray cluster of three node processes: the contract of judges, and faults. With --long only, because
a cluster takes ten seconds of processor time to start.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluator.remote import Cluster, ProcessLine, RemoteJudge, Room
from evaluator.remote.ray_cluster import Gathered, RayLine, _deciding, _there_first
from evaluator.shipped import shipped
from evaluator.types import EvaluatorError, JudgeLost, Scored
from harness.archive import Archive
from harness.proposers import View
from harness.readings.verify import verify
from harness.search import Progress, SearchSetup, search
from harness.search.budget import Budget
from harness.select import Pareto, pick_front
from harness.types import Claimed, Imported, Proposal
from tests.evaluator.judges import JudgeContract, spec_and_task
from tests.evaluator.remote.nodes import Nodes
from tests.harness.builders import scored

ATTEMPTS, IN_FLIGHT = 96, 64


@pytest.fixture(scope="module")
def nodes(pytestconfig: pytest.Config) -> Iterator[Nodes]:
    pytest.importorskip("ray", reason="needs the extra `ray`")
    if not pytestconfig.getoption("long"):
        pytest.skip("starts a cluster: with --long")
    made = Nodes()
    yield made
    made.close()


@pytest.fixture(scope="module")
def cluster(nodes: Nodes) -> Iterator[Cluster]:
    with Cluster(nodes.address, ships=False) as cluster:
        yield cluster


def gathered(cluster: Cluster, stack: ExitStack, count: int, **more: Any) -> Gathered:
    spec, task = spec_and_task()
    return cluster.gather(spec, task, count=count, room=Room(), enter=stack.enter_context, **more)


@pytest.fixture(scope="module")
def judge(cluster: Cluster) -> Iterator[RemoteJudge]:
    with ExitStack() as stack:
        yield gathered(cluster, stack, 1).judges[0]


@pytest.mark.long
class TestRay(JudgeContract):
    def test_a_killed_worker_is_lost_and_started_again(self, judge: RemoteJudge, cluster: Cluster) -> None:
        line = judge._line
        assert isinstance(line, RayLine)
        judge.environment()
        cluster._ray.kill(line._actor)
        with pytest.raises(JudgeLost, match=r"judge 1 of the cluster on .* is lost"):
            judge.check(self.reference(judge))
        judge.restart()
        assert judge.check(self.reference(judge)) is None

    def test_hardware_that_is_not_there_is_named(self, cluster: Cluster) -> None:
        with ExitStack() as stack, pytest.raises(EvaluatorError, match=r"decides \(H200\), found"):
            gathered(cluster, stack, 1, hardware="H200")

    def test_judges_on_hardware_other_than_the_runs_decide_nothing(self, cluster: Cluster) -> None:
        with ExitStack() as stack, pytest.raises(EvaluatorError, match="start the run anew"):
            gathered(cluster, stack, 1, then=scored(1.0, 1.0).environment)


class Numbered:
    """Proposes the reference program with a number in it, each another program."""

    def __init__(self, source: str, root_id: str) -> None:
        self.source, self.root_id, self.made = source, root_id, 0

    def propose(self, view: View, rng: random.Random) -> Proposal:
        self.made += 1
        imported = Imported(claimed=Claimed(framework="test", id=str(self.made), scores={}))
        source = f"{self.source}\n\nNUMBER = {self.made}\n"
        return Proposal(kind="import", parents=(self.root_id,), reply=source, proposer="test", imported=imported)

    def repair(self, *_: object) -> None:
        return None


@pytest.mark.long
def test_a_node_is_killed_and_one_added_in_mid_run(nodes: Nodes, cluster: Cluster, tmp_path: Path) -> None:
    """Each attempt is judged once, and what the dead node had is judged again elsewhere."""
    _, task = spec_and_task()
    source = shipped(task.reference).read_text()
    steps: list[Progress] = []
    with ExitStack() as stack:
        archive = stack.enter_context(Archive.create(tmp_path / "run", seed_source=source, config={"task": "x"}))
        judges = gathered(cluster, stack, 6).judges
        setup = SearchSetup(
            judges=judges,
            proposer=Numbered(source, archive.root_id),
            selector=pick_front,
            objective=Pareto(),
            seed=1,
            budget=Budget(attempts=ATTEMPTS),
            in_flight=IN_FLIGHT,
            progress=steps.append,
        )
        for entry in search(archive, setup):
            if entry.number == 8:
                nodes.kill_one()
            if entry.number == 16:
                nodes.add_one()
    with Archive.open(tmp_path / "run") as archive:
        assert [entry.number for entry in archive.entries] == list(range(ATTEMPTS + 1))
        assert len({entry.ticket_number for entry in archive.entries}) == ATTEMPTS + 1
        assert all(isinstance(entry.verdict, Scored) for entry in archive.entries)
        assert verify(archive).ok and not archive.pending()
        again = {entry.name for entry in archive.entries if any("judged again" in each for each in entry.warnings)}
    lost = {step.name for step in steps if step.phase == "lost"} - {""}  # "": before it had taken a program
    assert again == lost != set()


def test_the_run_decides_else_the_name_else_most() -> None:
    one, other = scored(1.0, 1.0).environment, scored(1.0, 1.0).environment
    gpu = replace(one, hardware="NVIDIA H200", device="cuda:0")
    assert _deciding([one, other, gpu], "", None) == one
    assert _deciding([one, other, gpu], "h200", None) == gpu
    assert _deciding([one, other, gpu], "", gpu) == gpu
    assert _deciding([one, other], "", gpu) is None and _deciding([one], "H100", None) is None
    assert _deciding([], "", None) is None


def test_the_first_judge_is_one_that_is_there() -> None:
    spec, task = spec_and_task()
    other, late, here, later = (RemoteJudge(ProcessLine(str(number)), spec, task) for number in range(4))
    assert _there_first([other, late, here, later], {here, other}) == [other, here, late, later]


def test_without_the_package_it_is_said_which_extra_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EvaluatorError, match=r"install packsmith\[ray\], or use executor\.kind: local"), Cluster():
        pass
