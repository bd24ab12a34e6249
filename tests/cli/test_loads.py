"""`packsmith loads`: showing recorded loads, converting them, and one clear error for each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.cli import run
from tests.cli.runs import Cli

LOADS = np.random.default_rng(0).poisson(np.geomspace(5, 500, 32), (40, 3, 32))


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with recordings."""
    monkeypatch.chdir(tmp_path)
    np.save("steps.npy", LOADS)
    Path("broken.json").write_text('{"logical_count": [[1, 2')
    Path("negative.json").write_text('{"logical_count": [[1, -2]]}')
    Path("nan.json").write_text('{"logical_count": [[1, NaN]]}')
    Path("foreign.json").write_text('{"physical_to_logical_map": [[0, 1]]}')
    Path("truncated.npy").write_bytes(Path("steps.npy").read_bytes()[:-8])
    Path("taken.npy").write_text("mine")
    Path("program.py").write_text("x = 1\n")
    Path("nothing").mkdir()
    return tmp_path


def test_recorded_loads_are_shown(recorded: Path) -> None:
    cli = Cli(cwd=recorded)
    shown = cli("loads", "steps.npy", "--steps-per-window", "10", "--windows", "1-3", "--layers", "0,2")
    assert shown.code == 0, shown.err
    assert shown.out.startswith("2 layers x 32 experts, 30 steps in 3 windows, from 1 source\n")
    assert "Skew of the layers" in shown.out and "\nPlan on windows 1-3, 30 steps\n" in shown.out
    table = shown.out[: shown.out.index("Plan on")].splitlines()
    assert max(map(len, table)) <= 80
    assert "note: steps.npy: 40 steps summed into 4 windows of 10" in shown.err
    [record] = cli("loads", "steps.npy", "--steps-per-window", "10", "--json").records
    assert [window["number"] for window in record["windows"]] == [0, 1, 2, 3]
    assert record["windows"][1]["drift"]["beyond_noise"] < record["windows"][1]["drift"]["noise"]
    assert [layer["layer"] for layer in record["layers"]] == [0, 1, 2]
    assert record["advice"]["steps_per_window"] == 40


def test_recorded_loads_are_converted(recorded: Path) -> None:
    cli = Cli(cwd=recorded)
    done = cli("loads", "steps.npy", "--to", "adrs", "-o", "steps.json")
    assert (done.code, done.out) == (0, "wrote steps.json: 40 steps x 3 layers x 32 experts\n"), done.err
    [record] = cli("loads", "steps.json", "--to", "npy", "-o", "back.npy", "--json").records
    assert (record["file"], record["rows"], record["count"]) == ("back.npy", "steps", 40)
    np.testing.assert_array_equal(np.load(recorded / "back.npy"), LOADS)
    assert not [path for path in recorded.iterdir() if path.name.startswith(".")]


WRONG = {
    "broken": (["broken.json"], "broken.json: expected JSON, but it does not parse"),
    "truncated": (["truncated.npy"], "truncated.npy: expected a numeric .npy array"),
    "negative": (["negative.json"], "expected loads of at least 0, found -2.0 at step 0, layer 0, expert 1"),
    "not a number": (["nan.json"], "expected finite loads, found nan"),
    "foreign": (["foreign.json"], "expected an object with load_history or logical_count, found keys physical_to"),
    "program": (["program.py"], "expected a trace file ending in .json, .pt, .npy"),
    "missing": (["nope.json"], "nope.json: cannot be read: No such file"),
    "empty folder": (["nothing"], "expected a folder of .pt files of the SGLang recorder, found it empty"),
    "layer out of range": (["steps.npy", "--layers", "0-3"], "--layers: expected numbers of 0 to 2, found 3"),
    "window out of range": (["steps.npy", "--windows", "40"], "--windows: expected numbers of 0 to 39, found 40"),
    "words for a range": (["steps.npy", "--layers", "all"], "expected numbers and ranges such as 0,3-60, found 'all'"),
    "huge range": (["steps.npy", "--layers", f"0-{10**19}"], "expected numbers and ranges"),
    "range turned round": (["steps.npy", "--windows", "5-3"], "from the smaller to the larger, found '5-3'"),
    "no steps": (["steps.npy", "--steps-per-window", "0"], "expected a whole number of at least 1"),
    "unknown format": (["steps.npy", "--to", "csv", "-o", "a.csv"], "--to csv: expected one of adrs (.json), sglang"),
    "format alone": (["steps.npy", "--to", "npy"], "expected -o FILE as well"),
    "file alone": (["steps.npy", "-o", "a.npy"], "expected --to FORMAT as well"),
    "other extension": (["steps.npy", "--to", "npy", "-o", "a.json"], "expected a name that ends in .npy"),
    "file that exists": (["steps.npy", "--to", "npy", "-o", "taken.npy"], "expected the name of a new file"),
    "missing folder": (["steps.npy", "--to", "npy", "-o", "no/a.npy"], "its folder no does not exist"),
    "unknown task": (["steps.npy", "--task", "tetris"], "expected a task with recorded loads: eplb"),
    "bad file, converted": (["negative.json", "--to", "npy", "-o", "a.npy"], "expected loads of at least 0"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_one_error_and_leaves_nothing(
    recorded: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    before = {path: path.read_bytes() for path in recorded.rglob("*") if path.is_file()}
    assert run(["loads", *arguments]) == 1
    out, err = capfd.readouterr()
    assert (out, err.count("error: ")) == ("", 1) and said in err, err
    assert {path: path.read_bytes() for path in recorded.rglob("*") if path.is_file()} == before


def test_no_file_is_wrong_usage(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["loads"]) == 2
    assert "Missing argument 'PATH...'" in capfd.readouterr().err


def test_the_help_names_the_tasks_options(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["loads", "--help"]) == 0
    out = capfd.readouterr().out
    assert "--steps-per-window" in out and "packsmith loads steps.npy --windows 6-9 --to sglang -o last.pt" in out


def test_a_file_that_appears_meanwhile_is_kept(recorded: Path) -> None:
    from harness.cli.console import UserError
    from harness.cli.new_files import new_file

    with pytest.raises(UserError, match="another process has written it meanwhile"), new_file(Path("a.json")) as beside:
        beside.write_text("ours")
        Path("a.json").write_text(json.dumps("theirs"))
    assert Path("a.json").read_text() == '"theirs"'
    assert [path.name for path in recorded.iterdir() if path.name.startswith(".")] == []
