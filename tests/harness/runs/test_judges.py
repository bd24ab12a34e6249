"""Which judges a config makes: one in this process, or one for each lane, each with its own lane first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evaluator import Judge, Lane, RemoteJudge
from harness.config import Config, load
from harness.runs.judges import judges_of, lanes_of

TWO = "judge.lanes=[{cpus: [0]}, {cpus: [1, 2]}]"


def config(*options: str) -> Config:
    return load("configs/quickstart.yaml", options)


@pytest.fixture(autouse=True)
def at_the_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)


def test_one_judge_works_in_this_process() -> None:
    core = min(os.sched_getaffinity(0))  # of those that this test may use
    for options in (
        (),
        (f"judge.lanes=[{{cpus: [{core}]}}]",),
        ("executor.workers=1", f"judge.lanes=[{{cpus: [{core}]}}, {{cpus: [{core}]}}]"),
    ):
        (judge,) = judges_of(config(*options))
        assert isinstance(judge, Judge)


def test_each_lane_has_a_judge_that_looks_at_it_first() -> None:
    judges = judges_of(config(TWO))
    assert [judge.shown for judge in judges if isinstance(judge, RemoteJudge)] == [
        "the judge of core 0",
        "the judge of cores 1, 2",
    ]
    lanes = (Lane(cpus=(0,)), Lane(cpus=(1, 2)))
    assert [judge._spec.settings.lanes for judge in judges if isinstance(judge, RemoteJudge)] == [lanes, lanes[::-1]]


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_are_as_many_as_the_config_says(workers: int) -> None:
    assert len(judges_of(config(f"executor.workers={workers}"))) == workers
    assert len(judges_of(config(f"executor.workers={workers}", TWO))) == workers


def test_workers_on_the_cpu_have_cores_of_their_own_where_no_lanes_are_named() -> None:
    cores = os.sched_getaffinity(0)
    lanes = [lane.cpus for lane in lanes_of(config("executor.workers=2", "judge.threads=1"))]
    assert len(lanes) == min(2, len(cores)) and all(len(lane) == 1 and cores >= set(lane) for lane in lanes)
    assert len(set(lanes)) == len(lanes)
    first, *_ = judges_of(config("executor.workers=2"))
    assert isinstance(first, RemoteJudge) and first._spec.settings.lanes[0].cpus == lanes[0]
    assert lanes_of(config("executor.workers=1")) == lanes_of(config()) == ()


@pytest.mark.parametrize(
    ("device", "lanes", "mine"),
    [
        ("cpu", "[{cpus: [0]}, {device: 'cuda:0'}, {device: cpu}]", ["", "cpu"]),
        ("cuda", "[{device: 'cuda:0'}, {device: 'cuda:1'}, {device: cpu}]", ["cuda:0", "cuda:1"]),
        ("auto", "[{device: 'cuda:0'}, {device: 'cuda:1'}, {device: cpu}]", ["cuda:0", "cuda:1"]),
        ("auto", "[{cpus: [0]}, {cpus: [1]}]", ["", ""]),
        ("cuda:1", "[{device: 'cuda:0'}, {device: 'cuda:1'}]", ["cuda:1"]),
    ],
)
def test_lanes_of_other_devices_are_left_out(device: str, lanes: str, mine: list[str]) -> None:
    made = config(f"device={device}", f"judge.lanes={lanes}")
    assert [lane.device for lane in lanes_of(made)] == mine


def test_each_gpu_is_the_device_of_its_judge() -> None:
    judges = judges_of(config("device=cuda", "judge.lanes=[{device: 'cuda:0'}, {device: 'cuda:1'}]"))
    assert [judge._spec.device for judge in judges if isinstance(judge, RemoteJudge)] == ["cuda:0", "cuda:1"]
