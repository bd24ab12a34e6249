"""`packsmith evaluate` and `packsmith replay`, as a user runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.runs import PATCHES, SIZES, Cli, check_width, on_terminal, patch, without_escapes, write_workshop
from tests.evaluator.dumps import write_dumps

TINY = ("--case", SIZES, "--device", "cpu", "--budget", "0.05")
KEYS = [
    "program", "task", "device", "verdict", "stage", "reason", "detail", "quality", "balance", "same_window_balance",
    "gain", "pass_quality", "runtime_ms", "speedup", "load_s", "secret", "decided", "cases", "environment",
    "split", "agreement", "busy",
]  # fmt: skip
NULL_WHERE_REJECTED = ("quality", "balance", "same_window_balance", "runtime_ms", "speedup", "load_s")
NULL_WHERE_REJECTED += ("gain", "pass_quality", "secret")


def test_evaluate_shows_every_program_and_fails_if_one_is_rejected(cli: Cli) -> None:
    (cli.cwd / "late.py").write_text("def rebalance_experts(*arguments):\n    raise ValueError('no idea')\n")
    done = cli("evaluate", "programs/eplb/snake.py", "late.py", *TINY)
    assert done.code == 1
    assert "balance" in done.out and "[" in done.out
    assert re.search(r"^loads in [\d.]+ s$", done.out, re.MULTILINE) and re.search(r" 0\.\d{4} ±\.\d{4} ", done.out)
    assert re.search(r"^in the pass over the cases of the seed, .*: 0\.\d{4}$", done.out, re.MULTILINE)
    assert "late.py\n  rejected at run: exception\n" in done.out and "no idea" in done.out
    assert "Traceback" not in done.out + done.err


NO_PROGRAMS = {
    "empty.py": "",
    "syntax.py": "def rebalance_experts(:\n",
    "nul.py": "\x00",
    "import.py": "import socket\n",
    "bad.py": "def another_name():\n    pass\n",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The records of one command about programs of every kind, by their names."""
    folder = write_workshop(tmp_path_factory.mktemp("judged"))
    for name, source in NO_PROGRAMS.items():
        (folder / name).write_text(source)
    (folder / "crlf.py").write_bytes((folder / "solver.py").read_bytes().replace(b"\n", b"\r\n"))
    names = ["programs/eplb/snake.py", "solver.py", "crlf.py", *NO_PROGRAMS]
    done = Cli(cwd=folder)("evaluate", *names, "--json", *TINY)
    assert done.code == 1, done.err
    assert "programs of the task eplb define rebalance_experts; --task chooses another" in done.err
    assert [record["program"] for record in done.records] == names
    return {record["program"]: record for record in done.records}


def test_json_has_the_documented_keys(judged: dict[str, dict[str, Any]]) -> None:
    scored, rejected = judged["programs/eplb/snake.py"], judged["bad.py"]
    assert list(scored) == list(rejected) == KEYS
    assert (scored["program"], scored["task"], scored["device"]) == ("programs/eplb/snake.py", "eplb", "cpu")
    assert scored["split"] == rejected["split"] == "search"
    assert scored["verdict"] == "scored" and scored["stage"] is scored["reason"] is scored["detail"] is None
    assert list(scored["quality"]) == ["name", "value", "ceiling"]
    assert scored["quality"]["name"] == "balance_next" and scored["quality"]["value"] == scored["balance"]
    assert scored["speedup"]["low"] <= scored["speedup"]["median"] <= scored["speedup"]["high"]
    assert 0 < scored["load_s"] < 10
    assert scored["agreement"] is scored["busy"] is None, "which are details"
    [case] = scored["cases"]
    assert case["balance"] == pytest.approx(scored["balance"]) and case["balance"] < case["ceiling"]
    assert scored["balance"] == pytest.approx(case["reference_pass_quality"] + case["gain"]["median"])
    assert scored["gain"]["low"] <= scored["gain"]["median"] <= scored["gain"]["high"] and len(scored["secret"]) == 32
    assert scored["pass_quality"] == case["pass_quality"] != scored["balance"]
    assert len(case["samples"]["candidate_quality"]) == len(case["samples"]["calls"]) == case["pairs"]
    assert len(case["samples"]["candidate_us"]) == len(case["samples"]["reference_us"]) == case["pairs"] >= 3
    assert rejected["verdict"] == "rejected" and (rejected["stage"], rejected["reason"]) == ("screen", "entry_point")
    assert all(rejected[key] is None for key in NULL_WHERE_REJECTED) and rejected["cases"] == []
    assert rejected["environment"]["device"] == "cpu"


def test_line_ends_of_another_system_do_not_matter(judged: dict[str, dict[str, Any]]) -> None:
    assert judged["crlf.py"]["verdict"] == "scored"
    assert judged["crlf.py"]["pass_quality"] == judged["solver.py"]["pass_quality"]


@pytest.mark.parametrize("name", NO_PROGRAMS)
def test_texts_that_are_no_programs_are_rejected_at_the_screen(judged: dict[str, dict[str, Any]], name: str) -> None:
    assert judged[name]["stage"] == "screen" and judged[name]["detail"]


def test_the_ladder_tells_programs_apart(cli: Cli) -> None:
    done = cli("evaluate", "--ladder", "--json", *TINY, "--split", "gate")
    assert done.code == 0, done.err
    [record] = done.records
    assert record["split"] == "gate"
    assert list(record["rungs"]) == ["random_placement", "snake", "greedy", "lpt_swap"]
    values = [rung[0]["same_window_balance"] for rung in record["rungs"].values()]
    assert sorted(values) == values and len(set(values)) == 4
    assert list(record["told_apart"].values()) == [True]


TOLD = """
plan = rebalance_experts
def rebalance_experts(weight, replicas, groups, nodes, gpus, *, dispatch, num_dispatch_nodes, tokens_per_rank):
    assert (dispatch, num_dispatch_nodes, tokens_per_rank) == ("sglang_static", nodes, None)
    return plan(weight, replicas, groups, nodes, gpus)
"""


def test_details_another_reference_and_the_dispatch_that_a_program_is_told(cli: Cli) -> None:
    """On a terminal, which all of it fits."""
    (cli.cwd / "told.py").write_text((cli.cwd / "solver.py").read_text() + TOLD)
    options = ("--details", "--reference", "solver.py", "--dispatch", "sglang_static", *TINY)
    code, text = on_terminal(cli.cwd, 80, "evaluate", "told.py", *options)
    assert code == 0, text
    check_width(text, 80)
    out = without_escapes(text).replace("\r", "")
    for metric in ("worst_layer_balance", "moved_share", "with the first plan kept:", "balance_vllm_hash"):
        assert f"\n{metric}" in out
    balances = dict(re.findall(r"^balance_(\w+) +(0\.\d{4})$", out, re.MULTILINE))
    assert list(balances) == ["even", "sglang_static", "vllm_hash"]
    assert f"repeats to the last digit: {balances['sglang_static']}\n" in out
    unwrapped = " ".join(out.split())
    assert "speed-up is over solver.py" in unwrapped
    assert "rank agreement: yes, on 10 inputs with a fresh process, another random seed, 2 threads" in unwrapped
    assert re.search(r"^case +alone, ms +busy, ms +times +held up, ms\n", out, re.MULTILINE)


def test_traces_replace_generated_loads(cli: Cli) -> None:
    loads = np.rint(np.random.default_rng(0).lognormal(size=(3, 5, 16)) * 1000).astype(np.int64)
    loads[:, 2] = 0
    np.save(cli.cwd / "loads.npy", loads)
    done = cli("evaluate", "solver.py", "--trace", "loads.npy", "--json", *TINY)
    assert done.err.startswith("note: "), "a layer without load is dropped, and that is said"
    assert done.records[0]["verdict"] == "scored" and done.records[0]["quality"]["name"] == "balance_next"
    (cli.cwd / "one.json").write_text(json.dumps({"logical_count": loads[0].tolist()}))
    single = cli("evaluate", "solver.py", "--trace", "one.json", "--json", *TINY)
    assert single.records[0]["quality"]["name"] == "balance_same"


def test_a_folder_of_recorder_dumps_is_a_trace(cli: Cli) -> None:
    code = """
import torch
for rank in range(2):
    counts = torch.randint(1, 99, (60, 2, 16), generator=torch.Generator().manual_seed(rank), dtype=torch.int32)
    records = [
        {"forward_pass_id": number, "rank": rank, "gatherer_key": "primary", "global_physical_count": count.clone()}
        for number, count in enumerate(counts)
    ]
    dump = {"records": records, "last_physical_to_logical_map": torch.arange(16).repeat(2, 1)}
    torch.save(dump, f"expert_distribution_recorder_1764356985.7{rank}_{rank}.pt")
"""
    folder = cli.cwd / "dumps"
    folder.mkdir()
    write_dumps(folder, code)
    done = cli("evaluate", "solver.py", "--trace", "dumps", "--steps-per-window", "20", "--json", *TINY)
    assert done.code == 0 and done.records[0]["quality"]["name"] == "balance_next"
    assert done.err.splitlines()[0] == "note: dumps: 60 steps summed into 3 windows of 20"


def test_the_phy2log_form_has_its_own_reference(cli: Cli) -> None:
    text = (cli.cwd / "solver.py").read_text()
    (cli.cwd / "short.py").write_text(text.replace("    return phy2log, log2phy", "    return phy2log  # log2phy"))
    done = cli("evaluate", "short.py", "solver.py", "--form", "phy2log", "--json", *TINY)
    assert done.code == 1, done.err
    short, triple = done.records
    assert short["verdict"] == "scored" and "phy2log" in short["environment"]["reference"]
    assert triple["verdict"] == "rejected"


def test_replay_prints_the_patched_program(cli: Cli) -> None:
    done = cli("replay", "hasty.patch", "--onto", "solver.py")
    assert done.code == 0
    assert "PAUSE_S = 0.0\n" in done.out and done.err == "hasty.patch: hasty: 1 block applied (exact)\n"
    assert cli("replay", "-", "--onto", "solver.py", stdin=PATCHES["hasty.patch"]).out == done.out


def test_patches_apply_in_order_each_to_the_result_of_the_last(cli: Cli) -> None:
    (cli.cwd / "first.patch").write_text(patch("first", "", "PAUSE_S = 0.003\n", "PAUSE_S = 0.02\n"))
    (cli.cwd / "second.patch").write_text(patch("second", "", "PAUSE_S = 0.02\n", "PAUSE_S = 0.03\n"))
    done = cli("replay", "first.patch", "second.patch", "--onto", "solver.py", "-o", "child.py")
    assert done.code == 0 and done.out == "wrote child.py\n"
    assert "PAUSE_S = 0.03\n" in (cli.cwd / "child.py").read_text()
    assert "second.patch: refused (no_match)" in cli.refused("replay", "second.patch", "--onto", "solver.py")


def test_replay_keeps_bytes(cli: Cli) -> None:
    source = (cli.cwd / "solver.py").read_bytes().replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    (cli.cwd / "crlf.py").write_bytes(source)
    assert cli("replay", "hasty.patch", "--onto", "crlf.py", "-o", "child.py").code == 0
    child = (cli.cwd / "child.py").read_bytes()
    assert child.count(b"\n") == child.count(b"\r\n") and not child.endswith(b"\n")


def test_a_refused_patch_prints_the_text_for_the_model(cli: Cli) -> None:
    (cli.cwd / "bad.patch").write_text(patch("bad", "", "PAUSE_S = 0.7\n", "PAUSE_S = 0.8\n"))
    error = cli.refused("replay", "bad.patch", "--onto", "solver.py", "-o", "child.py")
    assert error.startswith("error: bad.patch: refused (no_match)\nBlock 1")
    assert "PAUSE_S = 0.003" in error, "the nearest lines are shown"
    assert not (cli.cwd / "child.py").exists()
    done = cli("replay", "bad.patch", "--onto", "solver.py", "--json")
    assert done.code == 1 and done.records[0]["applied"] is False and done.records[0]["reason"] == "no_match"


def test_replay_judges_before_and_after(cli: Cli) -> None:
    longer = (*TINY[:-1], "1")
    done = cli("replay", "careful.patch", "--onto", "solver.py", "-o", "child.py", "--evaluate", *longer)
    assert done.code == 0, done.err
    assert "The change, after against before" in done.out
    [row] = [line.split() for line in done.out.split("The change")[1].splitlines() if line.startswith("48x16")]
    assert row[1].startswith("+"), "better balance"
    assert row[2].startswith("[") and row[3].endswith("]"), "with its interval"
    assert float(row[5].removesuffix("x")) > 0, "the ratio of run times; how large is up to the machine"
    rejected = cli("replay", "broken.patch", "--onto", "solver.py", "--evaluate", "--json", *TINY)
    assert rejected.code == 1
    assert [record.get("program") for record in rejected.records] == [None, "solver.py", "solver.py patched"]
    assert rejected.records[-1]["reason"] == "missing_expert"


@pytest.mark.slow
def test_the_real_patch_applies_to_its_real_parent(cli: Cli, shared: Path) -> None:
    seed = shared / "seeds" / "all_pairs_refinement.txt"
    if not seed.exists():
        pytest.skip("the document's patch is not in the shared folder")
    done = cli("replay", seed, "--onto", "programs/eplb/topk_swap.py", "-o", "child.py", "--evaluate", *TINY)
    assert done.code == 0, done.err
    assert "2 blocks applied (exact, exact)" in done.err


def test_chains_on_recorded_steps_with_a_lost_rank_are_judged_and_replayed(cli: Cli) -> None:
    """Steps of one recording, a case with all ranks and one without: the patch moves less, and serves in both."""
    steps = np.random.default_rng(0).integers(1, 999, (50, 2, 16))
    np.save(cli.cwd / "steps.npy", steps)
    sizes = "layers=2,experts=16,replicas=24,groups=1,nodes=2,gpus=4"
    over_time = ("--task", "eplb_over_time", "--trace", "steps.npy", "--window", "10", "--interval", "10")
    over_time += ("--sizes", sizes, "--elastic", "lost", "--rebalances", "2", "--budget", "0.05", "--device", "cpu")
    patch = "programs/eplb_over_time/patches/same_gpus.patch"
    done = cli("replay", patch, "--onto", "programs/eplb_over_time/greedy.py", "--evaluate", "--json", *over_time)
    assert done.code == 0, done.err
    assert "the first 40 of 50 recorded steps are used" in done.err
    before, after = (record for record in done.records if record.get("cases"))
    assert [case["name"] for case in after["cases"]] == ["recorded", "lost"]
    for was, now in zip(before["cases"], after["cases"], strict=True):
        assert now["moved_gigabytes"] < was["moved_gigabytes"] and now["useful"] <= now["ceiling"]
