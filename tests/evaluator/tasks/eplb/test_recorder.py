"""Files of SGLang's expert distribution recorder, written by torch with the keys, dtypes and names that it uses."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.tasks.eplb import recorder
from evaluator.tasks.eplb.recorder import in_order
from evaluator.tasks.eplb.task import Eplb
from evaluator.tasks.eplb.torch_files import LOADER, Counts, Records, load_files
from evaluator.tasks.eplb.traces import read_traces
from evaluator.types import WorkloadError
from tests.evaluator.dumps import write_dumps

WRITER = """
import os, torch

os.makedirs("stat"), os.makedirs("pass"), os.makedirs("token"), os.makedirs("mixed"), os.makedirs("renamed")
os.makedirs("draft")
placement = torch.tensor([[0, 1, 2, 3, 0, 1], [3, 2, 1, 0, 3, 2]])  # int64, [layers, physical experts]

def stat(rows, name):
    counts = torch.as_tensor(rows, dtype=torch.int32)
    torch.save(dict(rank=0, logical_count=counts, average_utilization_rate_over_window=None), name)

def record(number, rank, counts, gatherer="primary", **more):
    counts = torch.as_tensor(counts, dtype=torch.int32)
    return dict(forward_pass_id=number, rank=rank, gatherer_key=gatherer, **more, global_physical_count=counts)

def detail(records, name, placed=placement):
    torch.save(dict(records=records, last_physical_to_logical_map=placed), name)

def token(number, rank):
    topk = torch.full((2, 3, 8), -1, dtype=torch.int32)
    topk[:, :, 0] = torch.tensor([rank, 2, 5])
    counts = torch.stack([torch.bincount(ids[ids >= 0], minlength=6) for ids in topk])
    tokens = dict(input_ids=[5, 6, 7], positions=[0, 1, 2], extend_seq_lens=None, forward_mode=1)
    return record(number, rank, counts, **tokens, topk_ids_of_layer=topk, misc_objects=[])

ring = torch.zeros(40, 2, 4, dtype=torch.int32)
ring[:30] = torch.arange(1, 31)[:, None, None]
stat(ring, "stat/expert_distribution_recorder_1764356985.75.pt")
again = torch.zeros(40, 2, 4, dtype=torch.int32)
again[30:], again[:10] = torch.arange(31, 41)[:, None, None], torch.arange(41, 51)[:, None, None]
stat(again, "stat/expert_distribution_recorder_1764356985.8.pt")
stat(ring[:1], "stat/expert_distribution_recorder_964356985.9.pt")  # earlier, although its name sorts later

for rank in range(2):
    counts = torch.arange(12).reshape(2, 6) + 1
    passes = [record(number, rank, counts * number) for number in range(7, 27)]
    detail(passes, f"pass/expert_distribution_recorder_1764356985.{rank}_{rank}.pt")
    detail([token(number, rank) for number in (1, 2, 3)], f"token/expert_distribution_recorder_{5 + rank}.5_{rank}.pt")
    # Each pass leaves a record of every gatherer; the passes of the draft model have numbers of their own.
    both = []
    for number in range(1, 4):
        for own, draft in ((counts * 0, counts), (counts * number, counts * 0)):
            both += [record(number, rank, own), record(number, rank, draft, "speculative_draft")]
    del both[2]["gatherer_key"]  # without a key, a record is of the model itself
    detail(both, f"draft/expert_distribution_recorder_1764356985.{rank}_{rank}.pt")
detail([record(1, 0, counts)], "mixed/expert_distribution_recorder_1.5_0.pt")
stat(ring, "mixed/expert_distribution_recorder_2.5.pt")
stat(ring[:2], "renamed/monday.pt"), stat(ring[2:4], "renamed/tuesday.pt")
open("renamed/server.log", "w").write("text")

ok = record(1, 0, counts)
without = dict(ok)
del without["global_physical_count"]
bad = dict(
    empty=[], text="abc", number=[3], key=[without], rank=[{**ok, "rank": "0"}], turn=[{**ok, "forward_pass_id": -1}],
    flat=[record(1, 0, [1, 2])], ragged=[ok, record(2, 0, counts[:, :5])],
    list=[{**ok, "global_physical_count": [[1, 2]]}], bool=[{**ok, "global_physical_count": counts > 3}],
    ranks=[ok, record(2, 1, counts)], draft=[record(1, 0, counts, "speculative_draft")],
    huge=[{**ok, "global_physical_count": torch.ones(1).expand(10**9, 8)}],
)
for name, records in bad.items():
    detail(records, f"bad_{name}.pt")
detail([ok], "bad_shape.pt", placement[:, :5])
detail([ok], "bad_float.pt", placement.double())
torch.save(dict(records=[ok]), "bad_unplaced.pt")
torch.save(counts, "bad_foreign.pt")
torch.save(dict(counts=counts), "bad_names.pt")
torch.save(dict(logical_count=torch.ones(1).expand(10**9, 8)), "bad_wide.pt")
torch.save({f"layer.{n}.weight": n for n in range(1000)}, "bad_weights.pt")
torch.save(dict(logical_count=torch.zeros(900, 2, 4)), "bad_zeros.pt")
torch.save(dict(logical_count=torch.full((2, 2, 4), float("nan"))), "bad_counts.pt")
torch.save(dict(logical_count=counts.to_sparse()), "bad_sparse.pt")
"""


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dumps")
    write_dumps(folder, WRITER)
    good = (folder / "bad_counts.pt").read_bytes()
    (folder / "bad_half.pt").write_bytes(good[: len(good) // 2])
    (folder / "bad_zip.pt").write_bytes(b"PK\x03\x04" + b"\0" * 50)
    return folder


@pytest.fixture(scope="module")
def contents(dumps: Path) -> dict[Path, Counts | Records]:
    """What the files hold that can be loaded: one process loads them all, because it takes a second to start."""
    files = [file for file in sorted(dumps.rglob("*.pt")) if file.name not in BAD]
    return {content.path: content for content in load_files(files, 1 << 26)}


@pytest.fixture
def loaded(dumps: Path, contents: dict[Path, Counts | Records], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the files, whose contents need no process any more."""
    monkeypatch.setattr(recorder, "load_files", lambda files, most: map(contents.__getitem__, files))
    return dumps


COUNTS = np.arange(1, 13).reshape(2, 6)
LOADS = np.array([[1 + 5, 2 + 6, 3, 4], [10, 9, 8 + 12, 7 + 11]])
"""COUNTS, by hand, for the logical experts of the placement above."""


@pytest.mark.slow
def test_a_folder_of_stat_dumps_is_one_trace_in_order_of_time(loaded: Path) -> None:
    trace = read_traces([loaded / "stat"])
    rows = np.concatenate([[1], np.arange(1, 51)])[:, None, None] * np.ones((51, 2, 4))
    np.testing.assert_array_equal(trace.loads, rows[:50].reshape(10, 5, 2, 4).sum(axis=1))
    turned, left_out, summed = trace.notes
    assert "1764356985.8.pt: rows 30 to 39 are taken first: after the unused rows" in turned
    assert left_out.endswith("stat: left out 30 of 81 forward passes without load")
    assert "51 steps summed into 10 windows of 5; the last 1 steps do not fill" in summed
    apart = read_traces([loaded / "stat"], steps_per_window=1)
    np.testing.assert_array_equal(apart.loads, rows)


@pytest.mark.slow
def test_a_folder_with_other_names_is_read_in_their_order(loaded: Path) -> None:
    trace = read_traces([loaded / "renamed"])
    np.testing.assert_array_equal(trace.loads[:, 0, 0], [1, 2, 3, 4])
    assert trace.notes[0].endswith("left out what is not a .pt file: server.log")
    assert "not all names hold a time" in trace.notes[1]


@pytest.mark.slow
def test_per_pass_dumps_are_summed_over_ranks_for_logical_experts(loaded: Path) -> None:
    expected = np.arange(7, 27)[:, None, None] * 2 * LOADS
    trace = read_traces([loaded / "pass"])
    np.testing.assert_array_equal(trace.loads, expected.reshape(10, 2, 2, 4).sum(axis=1))
    assert [note.partition(": ")[2] for note in trace.notes] == [
        "20 steps summed into 10 windows of 2; steps_per_window sets another number"
    ]
    files = sorted((loaded / "pass").iterdir(), reverse=True)
    np.testing.assert_array_equal(read_traces(files, steps_per_window=20).loads, [expected.sum(axis=0)])
    alone = read_traces(files[:1], steps_per_window=1)
    np.testing.assert_array_equal(alone.loads, expected / 2)
    assert "the counts of rank 1 alone" in alone.notes[0]


@pytest.mark.slow
def test_per_token_dumps_are_read_by_their_counts(loaded: Path) -> None:
    trace = read_traces([loaded / "token"])
    # In each layer rank 0 sends tokens to the physical experts 0, 2 and 5, rank 1 to 1, 2 and 5.
    np.testing.assert_array_equal(trace.loads, [[[1, 1 + 2, 2, 0], [0, 2, 1 + 2, 1]]] * 3)
    assert not trace.notes


@pytest.mark.slow
def test_passes_of_a_draft_model_are_left_out_and_noted(loaded: Path) -> None:
    trace = read_traces([loaded / "draft"])
    np.testing.assert_array_equal(trace.loads, np.arange(1, 4)[:, None, None] * 2 * LOADS)
    [note] = trace.notes
    assert "draft: left out 12 records of other gatherers than primary (speculative_draft)" in note


@pytest.mark.slow
def test_a_task_of_a_folder_plays_on_its_windows(loaded: Path) -> None:
    case = {"layers": 1, "experts": 4, "replicas": 6, "groups": 1, "nodes": 1, "gpus": 2}
    task = Eplb.from_options({"traces": [str(loaded / "pass")], "cases": [case]})
    [made] = task.cases(0)
    drawn = task.draw(made, np.random.default_rng(0))
    assert made.data.shape == drawn.data.shape == (10, 2, 4)
    plan = np.array([[0, 1, 2, 3, 0, 1], [3, 2, 1, 0, 3, 2]])
    quality = task.score(drawn, (plan,) * task.steps(drawn))
    assert 0 < quality.value <= quality.ceiling <= 1
    assert task.notes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mixed", r"_2\.5\.pt: expected files of one kind, found counts of all ranks .* and records of single ranks"),
        ("bad_zeros.pt", "expected some load, found only zeros in 900 forward passes"),
        ("bad_counts.pt", "expected finite loads, found nan at step 0, layer 0, expert 0"),
    ],
)
def test_a_bad_dump_is_one_clear_error(loaded: Path, name: str, says: str) -> None:
    with pytest.raises(WorkloadError, match=says) as error:
        read_traces([loaded / name])
    assert name in str(error.value) and "Traceback" not in str(error.value) and len(str(error.value)) < 700


CONTRADICTORY = {
    "bad_ranks.pt": "expected the records of one rank, found those of ranks 0, 1: give the files as",
    "bad_draft.pt": "expected records with the gatherer_key primary, found only speculative_draft: give the file",
}


@pytest.mark.slow
def test_records_that_contradict_their_file_are_refused(dumps: Path, contents: dict[Path, Counts | Records]) -> None:
    for name, says in CONTRADICTORY.items():
        content = contents[dumps / name]
        assert isinstance(content, Records)
        with pytest.raises(WorkloadError, match=says) as error:
            recorder._of_one_rank(content)
        assert name in str(error.value) and len(str(error.value)) < 700


BAD = {
    "bad_empty.pt": "expected at least one record, found none: nothing was recorded before this dump",
    "bad_text.pt": "expected records to be a list, found str",
    "bad_number.pt": r"records\[0\]: expected a dict with forward_pass_id, rank, .*, found int",
    "bad_key.pt": r"records\[0\]: expected a dict with .*, found keys forward_pass_id, gatherer_key, rank",
    "bad_rank.pt": r"records\[0\]: expected rank to be a whole number of at least 0, found '0'",
    "bad_turn.pt": r"records\[0\]: expected forward_pass_id to be a whole number of at least 0, found -1",
    "bad_flat.pt": r"global_physical_count of \[layers, physical experts\], found the shape \[2\]",
    "bad_ragged.pt": r"records\[1\]: .* the shape \[2, 6\] as in records\[0\], found the shape \[2, 5\]",
    "bad_list.pt": "expected global_physical_count to be a dense tensor of numbers, found list",
    "bad_bool.pt": "expected global_physical_count to hold numbers, found torch.bool",
    "bad_huge.pt": "expected at most 67108864 loads, found 8000000000: record fewer forward passes",
    "bad_shape.pt": r"last_physical_to_logical_map of whole numbers, of the shape \[2, 6\] .* shape \[2, 5\]",
    "bad_float.pt": r"of whole numbers, .*, found torch.float64 of the shape \[2, 6\]",
    "bad_unplaced.pt": "or with records and last_physical_to_logical_map, found keys records",
    "bad_foreign.pt": "expected a dict with logical_count, .*, found Tensor",
    "bad_names.pt": "expected a dict with logical_count, or with records .*, found keys counts",
    "bad_wide.pt": "expected at most 67108864 loads, found 8000000000",
    "bad_weights.pt": r"found keys layer\.0\.weight, .* and 995 more",
    "bad_sparse.pt": "expected logical_count to be a dense tensor",
    "bad_half.pt": "torch cannot load the file weights-only",
    "bad_zip.pt": "torch cannot load the file weights-only",
}


@pytest.mark.slow
def test_the_loader_says_what_is_wrong_with_each_file(dumps: Path) -> None:
    """One process for all of them, which takes a second to start."""
    command = [sys.executable, "-I", "-c", LOADER, str(1 << 26), *(str(dumps / name) for name in BAD)]
    lines = subprocess.run(command, capture_output=True, check=True).stdout.splitlines()
    for (name, says), line in zip(BAD.items(), lines, strict=True):
        error = json.loads(line)["error"]
        assert re.search(says, error) and len(error) < 600, (name, error)


class Boom:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("boom"),))


@pytest.mark.slow
def test_damaged_and_hostile_files_of_a_folder_are_named_and_run_nothing(
    dumps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = next((dumps / "stat").glob("*.75.pt")).read_bytes()
    for content, says in (
        (pickle.dumps({"records": [Boom()]}), "second.pt: torch cannot load the file weights-only"),
        (b"", "second.pt: expected a trace, found an empty file"),
    ):
        (tmp_path / "first.pt").write_bytes(good)
        (tmp_path / "second.pt").write_bytes(content)
        with pytest.raises(WorkloadError, match=says):
            read_traces([tmp_path])
    assert not (tmp_path / "boom").exists()


def test_a_folder_without_dumps_is_refused(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.json").write_text("{}")
    with pytest.raises(
        WorkloadError, match=r"expected a folder of \.pt files .*, found 00\.json, .* and 22 more: name"
    ):
        read_traces([tmp_path])
    (tmp_path / "a.pt").mkdir()
    with pytest.raises(WorkloadError, match=r"a\.pt: expected a trace file, found something that is not a file"):
        read_traces([tmp_path])
    huge = tmp_path / "huge"
    huge.mkdir()
    with (huge / "a.pt").open("wb") as file:
        file.truncate(2**33 + 1)
    with pytest.raises(WorkloadError, match="expected a trace of at most 8589934592 bytes, found 8589934593: split it"):
        read_traces([huge])


def ring(*rows: int) -> np.ndarray:
    return np.array(rows, dtype=np.float64)[:, None, None]


@pytest.mark.parametrize(
    ("rows", "order", "says"),
    [
        (
            [*range(1, 41)],
            [*range(1, 41)],
            "no part of the 40 rows is unused: if they are a ring buffer that has wrapped",
        ),
        ([*range(1, 21), *[0] * 20], [*range(1, 21)], None),
        ([*[0] * 20, *range(1, 21)], [*range(1, 21)], None),
        ([*[0] * 10, *range(1, 21), *[0] * 10], [*range(1, 21)], None),
        ([*range(11, 21), *[0] * 20, *range(1, 11)], [*range(1, 21)], "rows 30 to 39 are taken first"),
        ([5, 0, 0, 6, 0, 7, *[0] * 30, 1, 2, 0, 3], [1, 2, 3, 5, 6, 7], "rows 36 to 39 are taken first"),
        ([1, 0, 2, 0] * 10, [1, 2] * 10, "no part of the 40 rows is unused"),
        ([*range(1, 31), 0, *range(31, 60)], [*range(1, 60)], "no part of the 60 rows is unused"),
        ([3, 0, 0, 1, 2], [3, 1, 2], None),
        ([0] * 40, [], None),
    ],
)
def test_unused_rows_tell_where_a_ring_buffer_begins(rows: list[int], order: list[int], says: str | None) -> None:
    loads, notes = in_order(ring(*rows), Path("t.pt"))
    assert [int(load) for load in loads.ravel() if load] == order and len(loads) == len(rows)
    assert says in notes[0] if says else not notes


@pytest.mark.long
def test_many_passes_of_a_large_model_take_seconds(tmp_path: Path) -> None:
    code = """
import torch
random = torch.Generator().manual_seed(0)
counts = torch.randint(0, 50, (400, 58, 256), dtype=torch.int32, generator=random)
torch.save(dict(rank=0, logical_count=counts, average_utilization_rate_over_window=None), "stat.pt")
placement = torch.cat([torch.arange(256), torch.arange(32)]).expand(58, -1).clone()
count = torch.randint(0, 50, (58, 288), dtype=torch.int32, generator=random)
key = "global_physical_count"
records = [{"forward_pass_id": n, "rank": 0, "gatherer_key": "primary", key: count.clone()} for n in range(400)]
torch.save(dict(records=records, last_physical_to_logical_map=placement), "pass.pt")
"""
    write_dumps(tmp_path, code)
    for name in ("stat.pt", "pass.pt"):
        begin = time.perf_counter()
        trace = read_traces([tmp_path / name])
        assert time.perf_counter() - begin < 20
        assert trace.loads.shape[1:] == (58, 256) and sum(map(len, trace.notes)) < 1500
