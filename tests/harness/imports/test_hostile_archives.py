"""Damaged and hostile archives: each is refused with one error that says what was expected, found and where."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.imports import ForeignProgram, ImportProblem, read_archive
from harness.imports.foreign import MOST_PROGRAM, scores_of
from harness.imports.lineage import in_order

SHINKA = Path(__file__).resolve().parents[2] / "data" / "imports" / "shinka" / "programs.sqlite"


def checkpoint(folder: Path, *records: Any, number: int = 1) -> Path:
    programs = folder / f"checkpoint_{number}" / "programs"
    programs.mkdir(parents=True)
    for at, record in enumerate(records):
        text = record if isinstance(record, str) else json.dumps(record)
        (programs / f"{at}.json").write_text(text)
    return folder


def program(id_: Any = "a", code: Any = "x = 1", **more: Any) -> dict[str, Any]:
    return {"id": id_, "code": code, "metrics": {"combined_score": 1.0}, **more}


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (["{"], "expected a program as JSON, found 1 other bytes"),
        (["[" * 100_000], "nested too deeply"),
        (["[]"], "expected a program as a JSON object"),
        ([{"id": "a"}], "expected a program with the key 'code'"),
        ([{"id": "a", "solution": "x"}], "its key 'solution' is that of the other"),
        ([program(code=7)], "expected the text of a program, found 7"),
        ([program(code="x" * (MOST_PROGRAM + 1))], "a program of 2,000,001 bytes"),
        ([program(code="\ud800")], "half a surrogate pair"),
        ([program(id_="")], "expected an id of 1 to 200 printable characters, found ''"),
        ([program(id_="a\x1b[2J")], "expected an id of 1 to 200 printable characters"),
        ([program(id_=["a"])], "expected an id"),
        ([program(), program(code="y")], "two programs have the id 'a'"),
        ([program(parent_id="a")], "found a circle: 'a' <- 'a'"),
        ([program(parent_id="b"), program("b", parent_id="a"), program("c")], "found a circle: 'a' <- 'b' <- 'a'"),
        ([program(other_context_ids="b")], "expected a list of ids"),
        ([], "found one without programs"),
    ],
)
def test_a_checkpoint_is_refused_with_one_error(tmp_path: Path, records: list[Any], expected: str) -> None:
    with pytest.raises(ImportProblem) as caught:
        read_archive("openevolve", checkpoint(tmp_path, *records))
    message = str(caught.value)
    assert expected in message and str(tmp_path) in message
    assert message.isprintable() and len(message) < 700


def test_a_file_that_leads_out_of_the_archive_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text(json.dumps(program()))
    folder = checkpoint(tmp_path / "archive", program("b"))
    (folder / "checkpoint_1" / "programs" / "z.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(ImportProblem, match="a symbolic link"):
        read_archive("openevolve", folder)


def test_checkpoints_of_two_runs_are_not_mixed(tmp_path: Path) -> None:
    checkpoint(tmp_path, program(), number=1)
    checkpoint(tmp_path, program(code="x = 2"), number=2)
    with pytest.raises(ImportProblem, match="another text than in an earlier checkpoint"):
        read_archive("openevolve", tmp_path)


@pytest.mark.parametrize("framework", ["openevolve", "skydiscover", "shinka", "gepa"])
def test_a_folder_without_an_archive_is_refused(tmp_path: Path, framework: str) -> None:
    with pytest.raises(ImportProblem, match="expected"):
        read_archive(framework, tmp_path)
    with pytest.raises(ImportProblem, match="no such file or folder"):
        read_archive(framework, tmp_path / "nowhere")


def _sql(*statements: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with sqlite3.connect(path) as database:
            for statement in statements:
                database.execute(statement)
        database.close()

    return change


def _cut(size: int) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes()[:size])


RENAMED = "ALTER TABLE programs RENAME TO hidden"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_cut(20_000), "damaged"),
        (_cut(100), "damaged"),
        (lambda path: path.write_text("no database"), "damaged"),
        (_sql(RENAMED), "no table of that name"),
        (_sql(RENAMED, "CREATE VIEW programs AS SELECT * FROM hidden"), "found 'view'"),
        (_sql(RENAMED, "CREATE VIRTUAL TABLE programs USING fts5(id, code)"), "expected a table `programs`"),
        (_sql(RENAMED, "CREATE TABLE programs (id TEXT)"), "found no code"),
        (_sql(RENAMED, "CREATE TABLE programs (id TEXT, code TEXT AS ('x = 1'))"), "found no code"),
        (_sql("UPDATE programs SET public_metrics = '{' WHERE generation = 0"), "expected JSON"),
        (_sql("UPDATE programs SET code = zeroblob(100)"), "expected the text of a program"),
        (_sql(f"UPDATE programs SET code = printf('%.*c', {MOST_PROGRAM + 1}, 'x')"), "a program of 2,000,001 bytes"),
        (_sql("UPDATE programs SET code = printf('%.*c', 20000000, 'x')"), "damaged"),
        (_sql("UPDATE programs SET code = CAST(X'ff' AS TEXT)"), "damaged"),
        (_sql("UPDATE programs SET parent_id = id"), "found a circle"),
    ],
)
def test_a_database_is_refused_with_one_error(tmp_path: Path, change: Callable[[Path], object], expected: str) -> None:
    path = Path(shutil.copy(SHINKA, tmp_path))
    change(path)
    with pytest.raises(ImportProblem) as caught:
        read_archive("shinka", tmp_path)
    message = str(caught.value)
    assert expected in message and str(tmp_path) in message
    assert message.isprintable() and len(message) < 700


def test_a_write_ahead_log_is_named_and_not_read(tmp_path: Path) -> None:
    path = Path(shutil.copy(SHINKA, tmp_path))
    path.with_name(f"{path.name}-wal").write_bytes(b"anything")
    archive = read_archive("shinka", tmp_path)
    assert len(archive.programs) == 4 and "programs.sqlite-wal was not read" in archive.notes[0]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"gepa_state.bin": "x"}, "only gepa_state.bin, a pickle"),
        ({"candidates.json": "{}"}, "expected a list of candidates"),
        ({"candidates.json": '[{"a": "x", "b": "y"}]'}, "--component NAME"),
        ({"candidates.json": '[{"a": "x"}]', "run_log.json": "7"}, "expected a list of iterations"),
        ({"result.json": '{"candidates": [{"a": "x"}], "parents": []}'}, "expected a list of 1 entries"),
        (
            {"result.json": '{"candidates": [{"a": "x"}], "parents": [["y"]], "val_aggregate_scores": [1]}'},
            "expected a list of the parents' indices",
        ),
    ],
)
def test_results_of_gepa_are_refused_with_one_error(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ImportProblem) as caught:
        read_archive("gepa", tmp_path)
    assert expected in str(caught.value) and str(tmp_path) in str(caught.value)


def test_the_pickle_of_gepa_is_never_read(tmp_path: Path) -> None:
    path = tmp_path / "gepa_state.bin"
    path.write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")
    with pytest.raises(ImportProblem, match=r"a pickle, which would run its author's code: export .*to_dict"):
        read_archive("gepa", path)


def test_numbers_that_are_no_scores_are_left_out() -> None:
    scores, notes = scores_of({"a": 1, "b": True, "c": "2", "d": float("nan"), "e": 10**400, "f\n": 2.5, "g": [1]})
    assert scores == {"a": 1.0, "f": 2.5}
    assert notes == ("not a finite number, and left out: d, e",)


def test_a_program_without_parents_comes_before_one_that_lost_its_own() -> None:
    orphan = ForeignProgram(id="orphan", source="", parents=("gone",), place=(0.0, 0.0))
    root = ForeignProgram(id="root", source="", place=(1.0, 0.0))
    assert [one.id for one in in_order([orphan, root], "here")] == ["root", "orphan"]
    assert [one.id for one in in_order([orphan], "here")] == ["orphan"]


@given(st.lists(st.tuples(st.lists(st.integers(0, 12), max_size=3), st.integers(0, 3)), max_size=10))
def test_every_parent_comes_before_its_children(rows: list[tuple[list[int], int]]) -> None:
    """Parents with a lower number make no circle; those beyond the last are missing."""
    programs = [
        ForeignProgram(
            id=str(number),
            source="",
            parents=tuple(str(parent) for parent in parents if parent < number or parent >= len(rows)),
            inspirations=tuple(str(parent) for parent in parents),
            place=(float(place), 0.0),
        )
        for number, (parents, place) in enumerate(rows)
    ]
    ordered = in_order(programs[::-1], "here")
    assert {one.id for one in ordered} == {one.id for one in programs}
    places = {one.id: place for place, one in enumerate(ordered)}
    for one in ordered:
        assert all(places[id_] < places[one.id] for id_ in (*one.parents, *one.inspirations))
        recorded = set(programs[int(one.id)].parents)
        assert recorded - set(one.parents) == {id_ for id_ in recorded if id_ not in places}
