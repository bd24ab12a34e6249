"""Placement over time on recorded steps: cutting, sampling, fresh draws, and errors about recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.chained import quality_in_pass
from evaluator.task_protocol import Task
from evaluator.tasks.eplb_over_time import EplbOverTime
from evaluator.tasks.eplb_over_time.courses import Course
from evaluator.tasks.eplb_over_time.pace import Pace
from evaluator.tasks.eplb_over_time.recorded import Recording, read_recording
from evaluator.types import WorkloadError
from tests.evaluator.tasks import test_eplb_over_time as whole
from tests.evaluator.tasks.test_eplb_over_time import SMALL

PACE = Pace(window=20, interval=40)
STEPS = 180
"""Room for three rebalances: 20 + 4 x 40."""


def mixed(steps: int = STEPS, layers: int = 4, experts: int = 32) -> np.ndarray:
    """Every tenth step is prefill, with 32 times the tokens, which go to other experts; loads drift."""
    rng = np.random.default_rng(5)
    level = rng.normal(0, 0.8, (layers, experts))
    other = level + rng.normal(0, 0.4, level.shape)
    made = []
    for step in range(steps):
        level = level + rng.normal(0, 0.02, level.shape)
        weight = np.exp(other if step % 10 == 3 else level)
        tokens = (2**17 if step % 10 == 3 else 2**12) / weight.sum(axis=1, keepdims=True)
        made.append(rng.poisson(weight * tokens))
    return np.stack(made)


MIXED = mixed()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recorded") / "steps.npy"
    np.save(file, MIXED)
    return file


@pytest.fixture(scope="module")
def recording(path: Path) -> Recording:
    return read_recording([path], PACE, None)


def options(path: Path, **more: Any) -> dict[str, Any]:
    return {"traces": [str(path)], "sizes": dict(SMALL.sizes), "window": 20, "interval": 40, **more}


class TestRecorded(whole.TestEplbOverTime):
    test_the_judge_never_imports_torch = None  # type: ignore[assignment]  # it is one module
    test_its_ladder_is_in_order = None  # type: ignore[assignment]  # the same programs

    @pytest.fixture(autouse=True)
    def _recorded(self, path: Path) -> None:
        self.path = path

    def make(self) -> Task:
        return EplbOverTime.from_options(options(self.path))


def test_windows_and_intervals_follow_each_other(recording: Recording) -> None:
    assert recording.rebalances == 3 and not recording.notes
    np.testing.assert_array_equal(recording.windows_WLE, [MIXED[at : at + 20].sum(axis=0) for at in (0, 40, 80, 120)])
    begins, ends = (0, 20, 60, 100, 140), (20, 60, 100, 140, 180)
    intervals = [MIXED[begin:end].sum(axis=0) for begin, end in zip(begins, ends, strict=True)]
    np.testing.assert_array_equal(recording.intervals_ILE, intervals)


def test_sampled_steps_stand_for_all_of_both_kinds(recording: Recording) -> None:
    samples = recording.samples
    assert samples.steps_NSLE.shape == (3, 16, 4, 32)
    for interval in range(3):
        rows = (samples.time_NS[interval] - 0.5).astype(int) + 60 + 40 * interval
        assert (np.diff(rows) > 0).all()
        np.testing.assert_array_equal(samples.steps_NSLE[interval], MIXED[rows])
        prefill = rows % 10 == 3
        assert prefill.sum() == 4 and samples.count_NS[interval][prefill].sum() == pytest.approx(4)
        assert samples.count_NS[interval].sum() == pytest.approx(40)
        load = samples.load_weight_NS[interval] @ samples.steps_NSLE[interval].sum(axis=(1, 2))
        assert load == pytest.approx(recording.intervals_ILE[interval + 2].sum())


def test_short_intervals_are_taken_whole(path: Path) -> None:
    samples = read_recording([path], Pace(window=1, interval=2), 4).samples
    np.testing.assert_array_equal(samples.steps_NSLE[0], MIXED[3:5])
    assert (samples.count_NS == 1).all() and (samples.load_weight_NS == 1).all()


def test_a_draw_has_other_experts_and_the_same_statistics(recording: Recording) -> None:
    windows, samples = recording.draw(np.random.default_rng(1))
    assert (
        windows.shape == recording.windows_WLE.shape and samples.steps_NSLE.shape == recording.samples.steps_NSLE.shape
    )
    assert (windows == np.rint(windows)).all() and (samples.steps_NSLE == np.rint(samples.steps_NSLE)).all()
    steps, own = samples.steps_NSLE, recording.samples.steps_NSLE
    np.testing.assert_allclose(np.sort(steps.sum(axis=3), axis=2), np.sort(own.sum(axis=3), axis=2), rtol=0.02)
    assert abs(np.corrcoef(windows[0].ravel(), recording.windows_WLE[0].ravel())[0, 1]) < 0.4

    def figures(windows: np.ndarray, steps: np.ndarray) -> list[float]:
        """Drift of windows, how prefill differs from decode, and the scatter of decode steps in an interval."""
        prefill = steps.sum(axis=(2, 3))[0] > 2**16
        two = [np.log1p(steps[:, kind].sum(axis=(0, 1))) for kind in (prefill, ~prefill)]
        decode = steps[:, ~prefill]
        scatter = decode.std(axis=1) / np.sqrt(decode.mean(axis=1) + 1)
        return [float(np.log(windows[0] / windows[-1]).std()), float((two[0] - two[1]).std()), float(scatter.mean())]

    drawn = np.mean([figures(w, s.steps_NSLE) for w, s in map(recording.draw, map(np.random.default_rng, range(8)))], 0)
    np.testing.assert_allclose(drawn, figures(recording.windows_WLE, own), rtol=0.35)


def test_layers_without_load_are_dropped_and_what_is_left_over_is_said(tmp_path: Path) -> None:
    steps = MIXED.copy()
    steps[:, 1] = 0
    np.save(tmp_path / "steps.npy", steps)
    task = EplbOverTime.from_options(options(tmp_path / "steps.npy", rebalances=2))
    assert task.workload.sizes.layers == 3 and task.workload.names == ("recorded",)
    assert task.notes == ("dropped 1 of 4 layers without load: 1", "the first 140 of 180 recorded steps are used")
    many = read_recording([tmp_path / "steps.npy"], Pace(window=1, interval=2), None)
    assert many.rebalances == 64 and "has room for 88 rebalances; the first 64 are used" in many.notes[1]
    windows, samples = many.draw(np.random.default_rng(0))
    assert (len(windows), len(samples.steps_NSLE)) == (16, 15), "a stretch of a long recording"


def test_single_windows_of_several_files_are_a_chain(tmp_path: Path) -> None:
    """A file a workload, without a time axis: each is a step."""
    files = []
    for at in range(4):
        files.append(tmp_path / f"{at}.json")
        files[-1].write_text(json.dumps({"logical_count": MIXED[at].tolist()}))
    given = {"traces": [str(file) for file in files], "sizes": dict(SMALL.sizes), "window": 1, "interval": 1}
    task = EplbOverTime.from_options({**given, "elastic": ["lost"]})
    assert [task.steps(case) for case in task.cases(0)] == [2, 2]
    course = Course.unpacked(task.cases(0)[0].data, SMALL.sizes)
    np.testing.assert_array_equal(course.windows_WLE, MIXED[:3])
    np.testing.assert_array_equal(course.samples.steps_NSLE[:, 0], MIXED[2:4])


def test_a_recording_is_part_of_the_identity(path: Path, tmp_path: Path) -> None:
    one = EplbOverTime.from_options(options(path)).identity()
    np.save(tmp_path / "other.npy", MIXED[::-1])
    other = EplbOverTime.from_options(options(tmp_path / "other.npy")).identity()
    assert one["rebalances"] == 3 and one["trace"] != other["trace"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"pace": "vllm", "window": None, "interval": None}, "at least 7000 recorded steps, .* found 180: give more"),
        ({"rebalances": 4}, "20 and 5 intervals of 40 for 4 rebalances"),
        ({"sizes": None}, "the 32 experts of the recording, found 256"),
        ({"traces": ["nowhere.npy"]}, "nowhere.npy"),
    ],
)
def test_recordings_that_cannot_serve_are_refused(path: Path, more: dict[str, Any], said: str) -> None:
    with pytest.raises(WorkloadError, match=said):
        EplbOverTime.from_options({**options(path), **more})


@pytest.mark.parametrize(("value", "said"), [(np.nan, "finite"), (-1.0, "at least 0"), (None, "only zeros")])
def test_invalid_loads_are_refused(tmp_path: Path, value: float | None, said: str) -> None:
    steps = MIXED.astype(np.float64) if value is not None else np.zeros(MIXED.shape)
    steps[100, 2, 3] = 0 if value is None else value
    np.save(tmp_path / "steps.npy", steps)
    with pytest.raises(WorkloadError, match=said):
        EplbOverTime.from_options(options(tmp_path / "steps.npy"))


def test_idle_steps_and_whole_idle_intervals_cost_nothing(tmp_path: Path) -> None:
    """No load in interval 0 and in a window, as at night; a plan that moves pays, one that does not loses nothing."""
    steps = MIXED.copy()
    steps[62:99] = 0
    steps[100:140] = 0
    np.save(tmp_path / "steps.npy", steps)
    task = EplbOverTime.from_options(options(tmp_path / "steps.npy"))
    for case in (task.cases(0)[0], task.draw(task.cases(0)[0], np.random.default_rng(0))):
        course = Course.unpacked(case.data, case.sizes)
        kept = (course.old_LR,) * 3
        assert task.score(case, kept).value <= 1
        assert quality_in_pass(task, case, 1, kept[:2]) == 1, "nothing to do, and it takes no time"
        assert quality_in_pass(task, case, 1, (kept[0], kept[0][:, ::-1])) == 0
