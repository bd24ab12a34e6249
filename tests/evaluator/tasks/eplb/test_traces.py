"""Reading recorded loads: every format, summing and dropping, and one clear error for every bad file."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.tasks.eplb.traces import read_traces
from evaluator.types import WorkloadError
from tests.evaluator.dumps import write_dumps

SHARED = Path(__file__).resolve().parents[4] / ".." / "shared" / "traces"
LOADS = np.random.default_rng(0).integers(1, 1000, (4, 3, 6)).astype(np.float64)


def save_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def save_npy(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


@pytest.fixture(scope="module")
def pt_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files that torch saved, as the recorder does."""
    code = """
import torch
loads = torch.arange(1, 37).reshape(2, 3, 6)
torch.save({"logical_count": loads, "rank": 0, "average": None}, "windows.pt")
torch.save({"logical_count": loads[0].float()}, "one.pt")
"""
    folder = tmp_path_factory.mktemp("pt")
    write_dumps(folder, code)
    return folder


def adrs(steps: np.ndarray) -> dict[str, Any]:
    return {"load_history": [{"logical_expert_load": step.tolist(), "step": i} for i, step in enumerate(steps)]}


def test_an_adrs_history_becomes_windows_of_a_hundred_steps(tmp_path: Path) -> None:
    steps = np.random.default_rng(0).integers(0, 9, (230, 2, 4)).astype(float)
    trace = read_traces([save_json(tmp_path / "t.json", adrs(steps))])
    np.testing.assert_array_equal(trace.loads, [steps[:100].sum(axis=0), steps[100:200].sum(axis=0)])
    assert (
        "230 steps summed into 2 windows of 100; the last 30 steps do not fill a window and are dropped"
        in trace.notes[0]
    )


def test_the_steps_of_a_window_can_be_chosen(tmp_path: Path) -> None:
    path = save_json(tmp_path / "t.json", adrs(LOADS))
    np.testing.assert_array_equal(read_traces([path], steps_per_window=1).loads, LOADS)
    np.testing.assert_array_equal(
        read_traces([path], steps_per_window=2).loads, [LOADS[:2].sum(axis=0), LOADS[2:].sum(axis=0)]
    )
    npy = save_npy(tmp_path / "t.npy", LOADS)
    np.testing.assert_array_equal(read_traces([npy], steps_per_window=4).loads, LOADS.sum(axis=0, keepdims=True))
    with pytest.raises(WorkloadError, match="steps_per_window to be at least 1, found 0"):
        read_traces([path], steps_per_window=0)


def test_fewer_steps_than_a_window_are_one_window(tmp_path: Path) -> None:
    trace = read_traces([save_json(tmp_path / "t.json", adrs(LOADS))])
    np.testing.assert_array_equal(trace.loads, LOADS.sum(axis=0, keepdims=True))
    assert "4 steps, fewer than the 100 of a window, summed into one window" in trace.notes[0]


@pytest.mark.parametrize("loads", [LOADS, LOADS[0]], ids=["T-L-E", "L-E"])
def test_json_counts_of_the_sglang_recorder_are_read(tmp_path: Path, loads: np.ndarray) -> None:
    trace = read_traces([save_json(tmp_path / "t.JSON", {"logical_count": loads.tolist(), "rank": 0})])
    np.testing.assert_array_equal(trace.loads, loads.reshape(-1, 3, 6))
    assert trace.notes == ()


@pytest.mark.slow
def test_the_file_of_the_sglang_recorder_is_read(pt_files: Path) -> None:
    loads = np.arange(1, 37).reshape(2, 3, 6)
    both = read_traces([pt_files / "windows.pt", pt_files / "one.pt"])
    np.testing.assert_array_equal(both.loads, loads[[0, 1, 0]])


@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "uint8", ">i8"])
@pytest.mark.parametrize("shape", [(2, 3, 6), (3, 6)])
def test_numpy_arrays_are_read(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    loads = np.arange(1, 1 + np.prod(shape)).reshape(shape)
    trace = read_traces([save_npy(tmp_path / "t.npy", loads.astype(dtype))])
    np.testing.assert_array_equal(trace.loads, loads.reshape(-1, 3, 6))
    assert trace.loads.dtype == np.float64


def test_several_files_are_one_sequence_of_windows(tmp_path: Path) -> None:
    first = save_json(tmp_path / "a.json", {"logical_count": LOADS[0].tolist()})
    second = save_npy(tmp_path / "b.npy", LOADS[1:3])
    np.testing.assert_array_equal(read_traces([first, second]).loads, LOADS[:3])
    np.testing.assert_array_equal(read_traces([second, first]).loads, LOADS[[1, 2, 0]])


def test_only_layers_that_are_zero_in_every_window_are_dropped(tmp_path: Path) -> None:
    loads = LOADS.copy()
    loads[:, 0] = 0
    loads[1, 2] = 0
    trace = read_traces([save_npy(tmp_path / "t.npy", loads)])
    np.testing.assert_array_equal(trace.loads, loads[:, 1:])
    assert trace.notes == ("dropped 1 of 3 layers, zero in every window: 0",)


def test_the_same_layers_are_dropped_from_all_files(tmp_path: Path) -> None:
    first, second = LOADS[0].copy(), LOADS[1].copy()
    first[:2] = 0
    second[0] = 0
    files = [save_npy(tmp_path / "a.npy", first), save_npy(tmp_path / "b.npy", second)]
    np.testing.assert_array_equal(read_traces(files).loads, [first[1:], second[1:]])


def test_an_idle_window_is_kept_and_noted(tmp_path: Path) -> None:
    loads = LOADS.copy()
    loads[2] = 0
    trace = read_traces([save_npy(tmp_path / "t.npy", loads)])
    assert trace.loads.shape == loads.shape
    assert trace.notes == ("windows without any load, whose balance is 1 under every plan: 2",)


def test_the_windows_are_read_only(tmp_path: Path) -> None:
    assert not read_traces([save_npy(tmp_path / "t.npy", LOADS)]).loads.flags.writeable


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "expected a trace, found an empty file"),
        ("{", "expected JSON, but it does not parse"),
        ("[" * 200_000, "expected JSON, but it does not parse"),
        (b"\xff\xfe\x00", "expected JSON, but it does not parse"),
        ("[[1, 2]]", "expected an object with load_history or logical_count, found list"),
        ("{}", "expected an object with load_history or logical_count, found no keys"),
        ('{"counts": 1, "a": 2}', "found keys a, counts"),
        ('{"logical_count": [[1, 2], [3]]}', "expected rows of equal length, found a ragged list"),
        ('{"logical_count": [1, 2]}', r"expected \[layers, experts\] or .*, found the shape \[2\]"),
        ('{"logical_count": 3}', r"found the shape \[\]"),
        ('{"logical_count": [[[[1]]]]}', r"found the shape \[1, 1, 1, 1\]"),
        ('{"logical_count": []}', r"found the shape \[0\]"),
        ('{"logical_count": [[], []]}', r"found the shape \[2, 0\]"),
        ('{"logical_count": [["a", "b"]]}', "expected numbers, found something else"),
        ('{"logical_count": [[1, null]]}', "expected numbers, found something else"),
        ('{"logical_count": [[1, "2"]]}', "expected numbers, found something else"),
        ('{"logical_count": {"0": [1]}}', "expected numbers, found something else"),
        ('{"logical_count": [[true, false]]}', "expected numbers, found something else"),
        ('{"logical_count": [[1, 2], [3, NaN]]}', "expected finite loads, found nan at step 0, layer 1, expert 1"),
        ('{"logical_count": [[1, Infinity]]}', "expected finite loads, found inf"),
        ('{"logical_count": [[1, 1e999]]}', "expected finite loads, found inf"),
        ('{"logical_count": [[1, -2]]}', "expected loads of at least 0, found -2.0 at step 0, layer 0, expert 1"),
        ('{"logical_count": [[1, 1e31]]}', r"expected loads of at most 1e\+30"),
        ('{"logical_count": [[0, 0]]}', "expected some load, found only zeros in 1 forward passes"),
        ('{"load_history": []}', "expected load_history to be a list of steps, at least one"),
        ('{"load_history": {"a": 1}}', "expected load_history to be a list of steps"),
        ('{"load_history": [{"load": [[1]]}]}', r"load_history\[0\]: expected an object with logical_expert_load"),
        ('{"load_history": [[1]]}', r"load_history\[0\]: expected an object"),
        ('{"load_history": [{"logical_expert_load": [1, 2]}]}', r"expected \[layers, experts\], found the shape \[2\]"),
        ('{"load_history": [{"logical_expert_load": [[]]}]}', "expected at least one layer and one expert"),
        (
            '{"load_history": [{"logical_expert_load": [[1, 2]]}, {"logical_expert_load": [[1, 2, 3]]}]}',
            r"load_history\[1\]: expected 1 layers x 2 experts as in the first step, found the shape \[1, 3\]",
        ),
    ],
)
def test_a_bad_json_file_is_one_clear_error(tmp_path: Path, content: str | bytes, says: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(WorkloadError, match=says) as error:
        read_traces([path])
    assert str(path) in str(error.value)


def header(text: str) -> bytes:
    padded = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not numpy at all", "expected a numeric .npy array"),
        (b"\x93NUMPY", "expected a numeric .npy array"),
        (pickle.dumps([1, 2]), "expected a numeric .npy array"),
        (
            header("{'descr': '<f8', 'fortran_order': False, 'shape': (99999, 58, 256)}"),
            "expected a numeric .npy array",
        ),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2)}") + bytes(64), "expected a numeric .npy"),
        (
            header("{'descr': '|O', 'fortran_order': False, 'shape': (2, 2)}") + bytes(64),
            "expected a numeric .npy array",
        ),
        (
            header("{'descr': 'zz', 'fortran_order': False, 'shape': (2, 2)}") + bytes(64),
            "expected a numeric .npy array",
        ),
        (header("nonsense") + bytes(64), "expected a numeric .npy array"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 2)}") + bytes(64), "expected"),
    ],
)
def test_a_bad_npy_file_is_one_clear_error(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.npy"
    path.write_bytes(content)
    with pytest.raises(WorkloadError, match=says) as error:
        read_traces([path])
    assert str(path) in str(error.value)


def test_arrays_that_are_not_loads_are_refused(tmp_path: Path) -> None:
    objects = tmp_path / "objects.npy"
    np.save(objects, np.array([[1, "a"]], dtype=object), allow_pickle=True)
    for array, says in (
        (np.ones((2, 2), dtype=complex), "complex128"),
        (np.ones((2, 2), dtype=bool), "bool"),
        (np.array([["a"]]), "<U1"),
        (np.ones(4), r"found the shape \[4\]"),
        (np.array([[1, np.nan]]), "expected finite loads"),
        (np.array([[1, -1]]), "loads of at least 0"),
    ):
        with pytest.raises(WorkloadError, match=says):
            read_traces([save_npy(tmp_path / "t.npy", array)])
    with pytest.raises(WorkloadError, match=r"expected a numeric \.npy array"):
        read_traces([objects])


class Boom:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("boom"),))


@pytest.mark.slow
def test_a_bad_pt_file_is_one_clear_error_and_runs_nothing(pt_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pt_files)
    (pt_files / "pickle.pt").write_bytes(pickle.dumps({"logical_count": Boom()}))
    with pytest.raises(WorkloadError, match="torch cannot load the file weights-only") as error:
        read_traces([pt_files / "pickle.pt"])
    assert "pickle.pt" in str(error.value) and "Traceback" not in str(error.value)
    assert not (pt_files / "boom").exists()


def test_files_that_are_not_traces_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "t.csv").write_text("1,2")
    for name, says in (
        ("folder.json", r"expected a folder of \.pt files of the SGLang recorder, found it empty"),
        ("none.json", "none.json: cannot be read: No such file"),
        ("t.csv", r"expected a trace file ending in .json, .pt, .npy, or a folder of a recorder, found .csv"),
        ("t", "found no extension"),
    ):
        with pytest.raises(WorkloadError, match=says):
            read_traces([tmp_path / name])
    with pytest.raises(WorkloadError, match="at least one trace file"):
        read_traces([])


def test_a_file_or_a_trace_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(2**29 + 1)
    with pytest.raises(WorkloadError, match="expected a trace of at most 536870912 bytes, found 536870913"):
        read_traces([huge])
    many = tmp_path / "many.npy"
    with many.open("wb") as file:
        file.write(header("{'descr': '|u1', 'fortran_order': False, 'shape': (262145, 1, 256)}"))
        file.truncate(128 + 262145 * 256)
    with pytest.raises(WorkloadError, match="expected at most 67108864 loads, found 67109120"):
        read_traces([many])


def test_files_of_different_sizes_are_refused(tmp_path: Path) -> None:
    files = [save_npy(tmp_path / "a.npy", LOADS), save_npy(tmp_path / "b.npy", LOADS[:, :2])]
    with pytest.raises(WorkloadError, match=r"b\.npy: expected 3 layers x 6 experts as in .*a\.npy, found 2 layers"):
        read_traces(files)


@pytest.mark.skipif(not SHARED.exists(), reason="the recorded traces are not here")
def test_recorded_traces_are_read_as_a_sequence() -> None:
    trace = read_traces([SHARED / "prefill_in1024.json", SHARED / "prefill_in4096.json"])
    assert trace.loads.shape == (2, 58, 256)
    assert trace.notes == ("dropped 3 of 61 layers, zero in every window: 0, 1, 2",)
