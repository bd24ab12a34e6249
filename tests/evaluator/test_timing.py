"""The order of timed calls, when they stop, and the lock that keeps two measurements apart."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evaluator import stats
from evaluator.settings import TimingSettings
from evaluator.timing import lane, measure
from evaluator.types import EvaluatorError

LONG = TimingSettings(budget_s=60.0)


class Script:
    """A pair function that plays given nanoseconds and records the order it was asked for."""

    def __init__(self, times: Callable[[int], tuple[int, int]], pause_s: float = 0.0) -> None:
        self.times, self.pause_s = times, pause_s
        self.reference_first: list[bool] = []

    def __call__(self, reference_first: bool) -> tuple[int, int]:
        self.reference_first.append(reference_first)
        time.sleep(self.pause_s)
        return self.times(len(self.reference_first) - 1)


def quiet(_: int) -> tuple[int, int]:
    return 1_000_000, 2_000_000


def wild(count: int) -> tuple[int, int]:
    return 1_000_000, 1_000_000 * (1 + count % 7)


def test_calls_go_reference_candidate_candidate_reference() -> None:
    script = Script(quiet)
    measure(script, TimingSettings(budget_s=60.0, warmups=2))
    order = "".join("RC" if first else "CR" for first in script.reference_first[2:])
    assert order == "RCCRRCCRRCCR"  # A B B A; six pairs, the fewest for order statistics


def test_warmups_are_not_samples() -> None:
    script = Script(lambda count: (9_000_000, 9_000_000) if count < 3 else (1_000_000, 2_000_000))
    samples = measure(script, TimingSettings(budget_s=60.0, warmups=3))
    assert set(samples.candidate_us) == {1000} and set(samples.reference_us) == {2000}


def test_stops_as_soon_as_the_interval_is_narrow() -> None:
    assert len(measure(Script(quiet), LONG).candidate_us) == 6


def test_stops_at_the_most_pairs() -> None:
    assert len(measure(Script(wild), TimingSettings(budget_s=60.0, max_pairs=17)).candidate_us) == 17


def test_stops_at_the_budget_but_not_before_the_least_pairs() -> None:
    begin = time.monotonic()
    samples = measure(Script(wild, pause_s=0.02), TimingSettings(budget_s=0.1))
    assert 3 <= len(samples.candidate_us) <= 6
    assert time.monotonic() - begin < 2.0
    assert len(measure(Script(wild, pause_s=0.01), TimingSettings(budget_s=1e-9)).candidate_us) == 3


def test_least_pairs_hold_even_when_narrow() -> None:
    assert len(measure(Script(quiet), TimingSettings(budget_s=60.0, min_pairs=9)).candidate_us) == 9


def test_pairs_stay_pairs_and_times_whole_microseconds() -> None:
    samples = measure(Script(lambda count: (999, 1_500_999 + count * 10**9)), TimingSettings(budget_s=60, max_pairs=4))
    assert samples.candidate_us == (1, 1, 1, 1)  # below a microsecond is not zero
    assert samples.reference_us == tuple(1500 + (count + 1) * 10**6 for count in range(4))


def test_candidates_fault_goes_through() -> None:
    def fails(_: bool) -> tuple[int, int]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measure(fails, LONG)


def test_stopping_early_does_not_make_a_program_faster_than_itself() -> None:
    """Looking at the interval after every pair must not raise the share of false calls at the decision's level."""
    rng, called = np.random.default_rng(8), 0
    for _ in range(400):

        def noisy(_: int) -> tuple[int, int]:
            common = 1.9e6 * np.exp(0.4 * rng.standard_normal())
            return tuple(int(common * np.exp(0.02 * rng.standard_t(2))) for _ in range(2))  # type: ignore[return-value]

        samples = measure(Script(noisy), LONG)
        called += stats.compare([samples]) != "undecided"
    assert called <= 3


HOLD = (
    "import sys, time; sys.path.insert(0, sys.argv[1]); import tempfile; tempfile.tempdir = sys.argv[2]\n"
    "from evaluator.timing import lane\n"
    "with lane('cuda:0'):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(600)\n"
)


@pytest.mark.slow
def test_lane_excludes_another_process_until_it_is_killed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(root), str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        waited: list[float] = []

        def waiting() -> None:
            waited.append(time.monotonic())
            holder.kill()

        with lane("cpu"):  # another device is another lane
            assert not waited
        with lane("cuda:0", waiting):
            assert len(waited) == 1
            assert holder.wait(10) == -9
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_lane_is_free_again_after_use_and_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def never() -> None:
        raise AssertionError("the lane is held")

    with pytest.raises(ZeroDivisionError), lane("cpu", never):
        raise ZeroDivisionError
    for _ in range(2):
        with lane("cpu", never):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["packsmith-lane-cpu.lock"]


def test_lane_follows_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "packsmith-lane-cpu.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EvaluatorError, match="timing lock"), lane("cpu"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_lane_says_where_it_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(EvaluatorError, match=r"missing/packsmith-lane-cpu.lock.*is its folder writable"), lane("cpu"):
        pass
