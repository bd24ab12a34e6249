"""A recording: what it is said to hold, what is chosen of it, and its conversion to each format and back."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evaluator.loads import Ranges
from evaluator.tasks.eplb.recording import Recording, read_recording
from evaluator.tasks.eplb.trace_files import FORMATS
from evaluator.types import WorkloadError

LOADS = np.random.default_rng(0).integers(1, 1000, (6, 3, 8)).astype(np.float64)
TEXT_FORMATS = [("adrs", ".json"), ("sglang", ".json"), ("npy", ".npy")]


def read(
    *paths: Path,
    per_window: int | None = None,
    layers: Ranges = (),
    windows: Ranges = (),
    only: str = "",
    said: list[str] | None = None,
) -> Recording:
    options: dict[str, Any] = {} if per_window is None else {"steps_per_window": per_window}
    if only:
        options["only"] = only
    heard = [] if said is None else said
    return read_recording(paths, options, layers, windows, heard.append)


def saved(path: Path, loads: np.ndarray) -> Path:
    np.save(path, loads)
    return path


def steps(recording: Recording) -> np.ndarray:
    return np.concatenate(recording.parts)


@settings(max_examples=40)
@given(
    loads=arrays(
        np.float64,
        st.tuples(st.integers(1, 20), st.integers(1, 3), st.integers(1, 4)),
        elements=st.one_of(
            st.integers(0, 2**53).map(float), st.floats(0, 1e30, allow_subnormal=True), st.just(0.0), st.just(1e30)
        ),
    ).filter(lambda loads: bool(loads.any())),
    target=st.sampled_from(TEXT_FORMATS),
)
def test_what_is_converted_reads_back_exactly(loads: np.ndarray, target: tuple[str, str]) -> None:
    form, suffix = target
    with tempfile.TemporaryDirectory() as folder:
        source, file = saved(Path(folder) / "a.npy", loads), Path(folder) / f"b{suffix}"
        written = read(source).write(form, file)
        expected = loads if form != "sglang" else loads[loads.any(axis=(1, 2))]
        back = read(file)
        np.testing.assert_array_equal(steps(back), expected)
        assert (written.rows, written.count, written.layers, written.experts) == ("steps", *expected.shape)
        assert any("without load" in note for note in written.notes) == (len(expected) < len(loads))


@pytest.mark.slow
def test_pt_files_are_written_as_the_recorder_writes_them(tmp_path: Path) -> None:
    read(saved(tmp_path / "a.npy", LOADS)).write("sglang", tmp_path / "b.pt")
    np.testing.assert_array_equal(steps(read(tmp_path / "b.pt")), LOADS)


def test_sglang_gets_one_key_and_whole_numbers(tmp_path: Path) -> None:
    read(saved(tmp_path / "a.npy", LOADS)).write("sglang", tmp_path / "b.json")
    assert (tmp_path / "b.json").read_text().count(".") == 0
    assert json.loads((tmp_path / "b.json").read_bytes()) == {"logical_count": LOADS.astype(int).tolist()}


def test_windows_are_written_where_their_length_is_given(tmp_path: Path) -> None:
    written = read(saved(tmp_path / "a.npy", LOADS), per_window=2).write("adrs", tmp_path / "b.json")
    assert (written.rows, written.count) == ("windows", 3)
    assert "read it with --steps-per-window 1" in written.notes[-1]
    np.testing.assert_array_equal(steps(read(tmp_path / "b.json")), LOADS.reshape(3, 2, 3, 8).sum(axis=1))


def test_steps_of_chosen_windows_and_layers_are_written(tmp_path: Path) -> None:
    history = [{"logical_expert_load": step.tolist()} for step in np.concatenate([LOADS] * 40)]
    (tmp_path / "a.json").write_text(json.dumps({"load_history": history}))
    chosen = read(tmp_path / "a.json", layers=((2, 2), (0, 0)), windows=((1, 1),))
    assert (chosen.layers, [window.number for window in chosen.windows]) == ((0, 2), [1])
    chosen.write("npy", tmp_path / "b.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), np.concatenate([LOADS] * 40)[100:200, [0, 2]])
    whole = read(tmp_path / "a.json")
    assert len(steps(whole)) == 240, "the last 40 steps are in no window, and are written all the same"


def test_a_description_numbers_layers_and_windows_as_recorded(tmp_path: Path) -> None:
    loads = np.concatenate([LOADS, LOADS[:, :, ::-1]])
    loads[:, 0] = loads[4] = 0
    said: list[str] = []
    report = read(saved(tmp_path / "a.npy", loads), layers=((0, 2),), windows=((2, 8),), said=said).describe()
    assert (report.steps, report.experts, report.empty_layers) == (7, 8, (0,))
    assert [layer.layer for layer in report.layers] == [1, 2]
    assert [window.number for window in report.windows] == [2, 3, 5, 6, 7, 8]
    assert report.notes == ("windows without any load, left out: 4",)
    np.testing.assert_allclose(report.map, (whole := loads[2:9, 1:].sum(axis=0)) / whole.mean(axis=1, keepdims=True))
    assert said[0].startswith("reading ") and said[-1] == "drift: window 6 of 6"


def test_prefill_and_decode_steps_are_told_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    decode, prefill = rng.dirichlet(np.ones(16), 2), rng.dirichlet(np.ones(16), 2)
    large = np.arange(200) % 10 == 7
    loads = np.where(
        large[:, None, None], rng.poisson(prefill * 50_000, (200, 2, 16)), rng.poisson(decode * 900, (200, 2, 16))
    )
    report = read(saved(tmp_path / "a.npy", loads.astype(float)), per_window=50).describe()
    assert report.kinds is not None and report.kinds.drift is not None
    assert (report.kinds.decode, report.kinds.prefill) == (180, 20)
    assert report.kinds.decode_load == pytest.approx(900, rel=0.02)
    assert report.kinds.prefill_load == pytest.approx(50_000, rel=0.02)
    assert report.kinds.prefill_share == pytest.approx(1000 / 1162, rel=0.02)
    ratio = np.log(prefill / decode).std(axis=1)
    assert report.kinds.drift.median == pytest.approx(float(np.median(ratio)), rel=0.1)
    assert [window.regime for window in report.windows] == ["A"] * 4
    assert "86 % of the load is of prefill steps" in report.advice.reasons[-1]


def test_one_kind_of_step_alone_is_described_and_written(tmp_path: Path) -> None:
    loads = np.concatenate([LOADS] * 10)
    loads[::7] *= 100
    source = saved(tmp_path / "a.npy", loads)
    for only, expected in (("prefill", loads[::7]), ("decode", np.delete(loads, np.s_[::7], axis=0))):
        recording = read(source, only=only, per_window=4)
        report = recording.describe()
        assert report.kinds is None and report.steps == len(expected) // 4 * 4
        assert report.notes[0] == f"{source}: kept {len(expected)} {only} steps of 60"
        read(source, only=only).write("npy", tmp_path / f"{only}.npy")
        np.testing.assert_array_equal(np.load(tmp_path / f"{only}.npy"), expected)
    with pytest.raises(WorkloadError, match=r"--only decode: expected two kinds of step .* found one in 9 steps"):
        read(tmp_path / "prefill.npy", only="decode")


@pytest.mark.parametrize(
    ("layers", "windows", "says"),
    [
        (((3, 3),), (), "--layers: expected numbers of 0 to 2, found 3"),
        ((), ((4, 10**9),), "--windows: expected numbers of 0 to 5, found 1000000000"),
        (((1, 1),), (), "expected some load in what is chosen, found only zeros"),
        ((), ((2, 2),), "expected some load in what is chosen, found only zeros"),
    ],
)
def test_a_choice_out_of_range_or_without_load_is_an_error(
    tmp_path: Path, layers: Ranges, windows: Ranges, says: str
) -> None:
    loads = LOADS.copy()
    loads[2] = loads[:, 1] = 0
    with pytest.raises(WorkloadError, match=says):
        read(saved(tmp_path / "a.npy", loads), layers=layers, windows=windows).describe()


def test_nothing_to_write_and_other_formats_are_errors(tmp_path: Path) -> None:
    silent = read(saved(tmp_path / "a.npy", np.zeros((2, 2, 2))))
    with pytest.raises(WorkloadError, match="expected some load to write, found only zeros"):
        silent.write("sglang", tmp_path / "b.json")
    with pytest.raises(WorkloadError, match=r"expected one of adrs in \.json, .*found npy in \.json"):
        silent.write("npy", tmp_path / "b.json")
    assert set(FORMATS) == {form for form, _ in TEXT_FORMATS}
    other = saved(tmp_path / "other.npy", LOADS[:, :2])
    with pytest.raises(WorkloadError, match="expected 3 layers x 8 experts"):
        read(saved(tmp_path / "a.npy", LOADS), other)
    with pytest.raises(WorkloadError, match="expected at least one trace file"):
        read()
