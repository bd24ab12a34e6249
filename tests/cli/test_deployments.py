"""`packsmith plan` and `packsmith assess`, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.cli import run
from tests.cli.runs import Cli

CONFIG = {"num_hidden_layers": 4, "num_experts": 16, "mlp_only_layers": [0], "hidden_size": 1000}
CONFIG |= {"moe_intermediate_size": 1000, "dtype": "bfloat16"}
LOADS = np.random.default_rng(3).lognormal(3, 0.8, (3, 4, 16)).round() + 1
LOADS[:, 0] = 0
SIZES = ("--trace", "loads.npy", "--gpus", "8", "--nodes", "2", "--model", "config.json")
PLAN = ("plan", "programs/eplb/snake.py", *SIZES, "--redundant", "8", "--device", "cpu")


@pytest.fixture
def folder(workshop: Path) -> Path:
    np.save(workshop / "loads.npy", LOADS)
    (workshop / "config.json").write_text(json.dumps(CONFIG))
    return workshop


@pytest.mark.slow
def test_a_plan_is_written_with_its_provenance_and_assessed(folder: Path) -> None:
    cli = Cli(cwd=folder)
    done = cli(*PLAN, "--for", "sglang", "-o", "new.json")
    assert done.code == 0, done.err
    assert max(map(len, done.out.splitlines())) <= 80, done.out
    for words in ("as an engine starts", "this placement", "planned a window earlier", "ceiling", "Worst layers"):
        assert words in done.out
    assert "redundant slots take 18 MB a GPU: 3 experts of 6 MB in bfloat16" in " ".join(done.out.split())
    assert "note: planned on the newest of 3 windows" in done.err
    assert "Balance under sglang_static: mean GPU load" in done.out and "If replicas shared evenly" in done.out
    assert "note: balance is of what SGLang's static dispatch sends on 2 nodes" in done.err
    content = json.loads((folder / "new.json").read_text())
    assert list(content) == ["physical_to_logical_map"]
    assert np.array(content["physical_to_logical_map"]).shape == (4, 24)
    provenance = json.loads((folder / "new.json.provenance.json").read_text())
    assert provenance["program"]["name"] == "snake.py" and len(provenance["program"]["sha256"]) == 64
    assert provenance["sizes"]["replicas"] == 24 and provenance["layers"][0]["layer"] == 1
    balance = provenance["balance"]
    assert balance["from"]["newest"] < balance["placement"]["newest"] <= balance["ceiling"]
    assert provenance["dispatch"] == {"rule": "sglang_static", "nodes": 2, "tokens_per_rank": None}

    scored = cli("assess", "new.json", *SIZES, "--json")
    assert scored.code == 0, scored.err
    [record] = scored.records
    assert record["balance"]["placement"] == balance["placement"] and len(record["by_window"]) == 3
    [even] = cli("assess", "new.json", *SIZES, "--dispatch", "even", "--json").records
    assert even["balance"]["placement"] == provenance["balance_even"]["placement"] != balance["placement"]
    shown = cli("assess", "new.json", *SIZES, "--from", "new.json", "--dispatch", "vllm_hash", "--tokens-per-rank", "3")
    assert "Balance under vllm_hash" in shown.out
    assert "Balance by window" in shown.out and "0 of 72 slots" in " ".join(shown.out.split())


WRONG = {
    "no output": ([*PLAN, "--for", "vllm"], 2, "Missing option '-o'"),
    "unknown engine": ([*PLAN, "--for", "tgi", "-o", "new.json"], 2, "'sglang', 'vllm', 'trtllm'"),
    "a file that exists": ([*PLAN, "--for", "vllm", "-o", "config.json"], 1, "exists: name another or replace it"),
    "another name": ([*PLAN, "--for", "trtllm", "-o", "new.json"], 1, "ends in .yaml or .yml for trtllm"),
    "no engine": ([*PLAN, "-o", "new.json"], 1, "expected the engine (--for"),
    "no program": (["plan", "nope.py", *SIZES, "--for", "vllm", "-o", "new.json"], 1, "nope.py: no such file"),
    "not a task": ([*PLAN, "--for", "vllm", "-o", "new.json", "--task", "x"], 1, "whose plans can be deployed: eplb"),
    "not a plan": (
        ["assess", "config.json", *SIZES],
        1,
        "expected an object with physical_to_logical_map or layer_list",
    ),
    "no tokens": (
        ["assess", "config.json", *SIZES, "--tokens-per-rank", "0"],
        1,
        "--tokens-per-rank: expected a whole",
    ),
    "no loads": (["assess", "config.json", "--gpus", "8"], 1, "expected recorded loads (--trace PATH)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    arguments, code, said = WRONG[name]
    before = sorted(folder.iterdir())
    monkeypatch.chdir(folder)
    assert run(arguments) == code
    out, err = capfd.readouterr()
    assert not out and said in err and "Traceback" not in err
    assert sorted(folder.iterdir()) == before, "nothing is written"


def test_a_program_that_is_rejected(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "none.py").write_text("x = 1\n")
    monkeypatch.chdir(folder)
    assert run(["plan", "none.py", *SIZES, "--for", "vllm", "-o", "new.json", "--device", "cpu"]) == 1
    assert "rejected at screen: entry_point" in capfd.readouterr().out and not (folder / "new.json").exists()
    assert run(["plan", "none.py", *SIZES, "--for", "vllm", "-o", "new.json", "--device", "cpu", "--json"]) == 1
    assert json.loads(capfd.readouterr().out)["reason"] == "entry_point"
