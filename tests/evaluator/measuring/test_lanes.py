"""Timing lanes: which lanes exclude each other, across processes, users' umasks and crashes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evaluator.measuring.lanes import away_from, claim, hold, lanes_apart, lock_folder, lock_names, spare, usable, width
from evaluator.settings import Lane, own_first
from evaluator.types import EvaluatorError

CPU = Lane(device="cpu")


def core(*cpus: int) -> Lane:
    return Lane(device="cpu", cpus=cpus)


def never() -> None:
    raise AssertionError("the lane is held")


HOLD = (
    "import sys, time; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
    "from evaluator.measuring.lanes import hold; from evaluator.settings import Lane\n"
    "with hold([Lane(device=sys.argv[3], cpus=tuple(map(int, sys.argv[4:])))], folder=Path(sys.argv[2])):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(600)\n"
)


@contextmanager
def holder(root: Path, folder: Path, lane: Lane) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lane until it is killed."""
    cpus = [str(cpu) for cpu in lane.cpus]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root), str(folder), lane.device, *cpus], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    ("held", "wanted", "excluded"),
    [
        (Lane(device="cuda:0"), Lane(device="cuda:0"), True),
        (Lane(device="cuda:0"), Lane(device="cuda:1"), False),
        (Lane(device="cuda:0"), CPU, False),
        (Lane(device="cuda:0", cpus=(0,)), core(0), True),
        (core(0, 5), core(5, 9), True),
        (core(0, 5), core(1, 9), False),
    ],
)
def test_lanes_that_share_a_device_or_a_core_exclude_each_other(
    tmp_path: Path, held: Lane, wanted: Lane, excluded: bool
) -> None:
    waited = threading.Event()
    done = threading.Event()

    def second() -> None:
        with hold([wanted], waited.set, tmp_path):
            done.set()

    with hold([held], never, tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        assert (waited if excluded else done).wait(10)
        assert done.is_set() != excluded
    thread.join(10)
    assert done.is_set()


def test_cpu_lane_without_cores_takes_all_and_others_take_their_own() -> None:
    assert lock_names(CPU, [0, 3]) == ["packsmith-lane-core-0.lock", "packsmith-lane-core-3.lock"]
    assert lock_names(core(9, 2), [0, 3]) == ["packsmith-lane-core-2.lock", "packsmith-lane-core-9.lock"]
    assert lock_names(Lane(device="cuda:1"), [0, 3]) == ["packsmith-lane-cuda-1.lock"]
    both = lock_names(Lane(device="cuda:1", cpus=(4,)), [0, 3])
    assert both == ["packsmith-lane-cuda-1.lock", "packsmith-lane-core-4.lock"]


def test_first_free_lane_is_taken(root: Path, tmp_path: Path) -> None:
    with holder(root, tmp_path, core(0)), hold([core(0), core(1)], never, tmp_path) as lane:
        assert lane == core(1)


def test_partly_taken_lane_is_released(root: Path, tmp_path: Path) -> None:
    """Core 1 must not stay locked when the lane of cores 1 and 2 is not free."""
    with holder(root, tmp_path, core(2)), hold([core(1, 2), core(3)], never, tmp_path) as lane:
        assert lane == core(3)
        with hold([core(1)], never, tmp_path):
            pass


def test_held_by_another_process_until_it_is_killed(root: Path, tmp_path: Path) -> None:
    with holder(root, tmp_path, core(0)) as process:
        waited: list[float] = []

        def waiting() -> None:
            waited.append(time.monotonic())
            process.kill()

        with hold([core(0)], waiting, tmp_path):
            assert len(waited) == 1
            assert process.wait(10) == -9


def test_free_again_after_use_and_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold([core(0)], never, tmp_path):
        raise ZeroDivisionError
    for _ in range(2):
        with hold([core(0)], never, tmp_path):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["packsmith-lane-core-0.lock"]


def test_files_can_be_locked_by_other_users_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        with hold([core(0)], never, tmp_path):
            pass
    finally:
        os.umask(before)
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o444  # a lock needs read access only


def test_file_replaced_during_the_wait_is_detected(tmp_path: Path) -> None:
    path = tmp_path / "packsmith-lane-core-0.lock"
    held = threading.Event()
    go = threading.Event()

    def first() -> None:
        with hold([core(0)], never, tmp_path):
            held.set()
            go.wait(10)
            path.unlink()

    thread = threading.Thread(target=first)
    thread.start()
    assert held.wait(10)
    with (
        hold([core(0)], go.set, tmp_path),
        pytest.raises(AssertionError, match="held"),
        hold([core(0)], never, tmp_path),
    ):
        pass
    thread.join(10)


@pytest.mark.parametrize("make", ["link", "pipe", "folder"])
def test_only_a_regular_file_is_a_lock(tmp_path: Path, make: str) -> None:
    path = tmp_path / "packsmith-lane-core-0.lock"
    if make == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif make == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(EvaluatorError, match="timing lock"), hold([core(0)], never, tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    said = r"missing/packsmith-lane-core-0\.lock.*check that its folder is writable"
    with pytest.raises(EvaluatorError, match=said), hold([core(0)], never, missing):
        pass


def test_folder_does_not_depend_on_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lock_folder()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert lock_folder() == before


def test_lanes_of_the_runs_device_are_usable() -> None:
    mine = min(os.sched_getaffinity(0))
    assert usable((), "cpu", asked="cpu") == (CPU,)
    assert usable((Lane(cpus=(mine,)), Lane(device="cuda:1")), "cpu", asked="auto") == (core(mine),)
    assert usable((Lane(device="cuda"),), "cuda:0", asked="cuda") == (Lane(device="cuda:0"),)
    with pytest.raises(EvaluatorError, match=r"lane for the device cpu in judge\.lanes, found cuda:1"):
        usable((Lane(device="cuda:1"),), "cpu", asked="cpu")
    with pytest.raises(EvaluatorError, match=r"found \[99999\]"):
        usable((Lane(cpus=(99999,)),), "cpu", asked="cpu")


def test_untimed_work_avoids_the_cores_of_lanes() -> None:
    cores = os.sched_getaffinity(0)
    assert spare((CPU,)) == tuple(sorted(cores))
    assert spare((core(min(cores)),)) == (tuple(sorted(cores))[1:] or tuple(cores))
    assert spare((core(*cores),)) == tuple(sorted(cores))
    if len(cores) > 1:  # each judge of lanes that take all cores keeps to its own
        first, *rest = sorted(cores)
        assert spare((core(first), core(*rest))) == (first,)
        assert spare(own_first((core(first), core(*rest)), 1)) == tuple(rest)


def test_each_judge_looks_at_its_own_lane_first() -> None:
    lanes = (core(0), core(1), core(2))
    assert [own_first(lanes, number)[0] for number in range(4)] == [*lanes, lanes[0]]
    assert set(own_first(lanes, 2)) == set(lanes) and own_first((), 3) == ()


def test_judges_claim_different_cores_until_all_are_claimed(tmp_path: Path) -> None:
    cores = (1, 4, 5, 8, 9)
    with claim(cores, 2, tmp_path) as first, claim(cores, 2, tmp_path) as second:
        assert (first, second) == ((1, 4), (5, 8))
        for _ in range(20):
            with claim(cores, 2, tmp_path) as third:
                assert third in ((1, 4), (5, 8), (1, 9))
        with hold([core(1)], never, tmp_path):
            pass  # a claim excludes no measurement
    with claim(cores, 2, tmp_path) as again:
        assert again == (1, 4)


def test_claim_never_fails(tmp_path: Path) -> None:
    for cores, count, expected in (((3,), 4, (3,)), ((2, 6), 4, (2, 6)), ((2, 6), 2, (2, 6))):
        with claim(cores, count, tmp_path) as claimed:
            assert claimed == expected
    with claim((2, 6), 1, tmp_path / "missing") as claimed:
        assert claimed in ((2,), (6,))


def test_program_on_a_gpu_has_a_core_for_the_drivers_threads() -> None:
    assert (width("cpu", 1), width("cpu", 3)) == (1, 3)
    assert (width("cuda:0", 1), width("cuda:1", 3)) == (2, 4)


def test_the_judges_thread_keeps_off_the_measured_cores() -> None:
    """Only the calling thread, only meanwhile, and only where it has other cores to use."""
    cores = os.sched_getaffinity(0)
    measured, main = min(cores), os.getpid()
    with pytest.raises(ZeroDivisionError), away_from((measured,)):
        assert os.sched_getaffinity(0) == (cores - {measured} or cores)
        seen: list[set[int]] = []
        other = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(main)))
        other.start()
        other.join()
        raise ZeroDivisionError
    assert seen and os.sched_getaffinity(0) == cores
    with away_from(tuple(cores)):
        assert os.sched_getaffinity(0) == cores
    with away_from((measured,), [core(measured), core(*cores)]):  # elsewhere it would disturb another lane
        assert os.sched_getaffinity(0) == {measured}


def test_lanes_apart_share_no_core_and_no_hardware_threads_while_others_are_left(tmp_path: Path) -> None:
    for cpu, threads in enumerate(("0,2", "1,3", "0,2", "1,3")):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{threads}\n")

    def found(count: int, width: int, *cores: int) -> list[tuple[int, ...]]:
        return [lane.cpus for lane in lanes_apart(count, width, cores=cores, topology=tmp_path)]

    assert found(1, 1, 0, 1, 2, 3) == [(1,)]
    assert found(9, 1, 0, 1, 2, 3) == [(1,), (0,), (3,), (2,)]
    assert found(2, 2, 0, 1, 2, 3) == [(0, 1), (2, 3)]
    assert found(3, 1, 5, 9) == [(9,), (5,)], "unknown to the kernel: each on its own"
    assert found(2, 2, 0, 1, 2) == [(0, 1)] and found(2, 4, 0, 1) == [(0, 1)], "as far as there are cores"
