"""From options to what a program is asked, and to what a file is worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator import EvaluatorError, Rejected, plan
from evaluator.tasks.eplb.deployment import PlacementDeployment, score
from evaluator.tasks.eplb.layouts import trivial
from evaluator.types import InvalidAnswer

CONFIG = {"num_hidden_layers": 3, "num_experts": 8, "first_k_dense_replace": 1, "n_group": 4}
LOADS = np.random.default_rng(5).integers(1, 99, (3, 3, 8)).astype(float)
LOADS[:, 0] = 0  # a dense layer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "loads.npy", LOADS)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    rows = [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5, 6, 7, 0, 1], [7, 6, 5, 4, 3, 2, 1, 0, 7, 6]]
    (tmp_path / "old.json").write_text(json.dumps({"physical_to_logical_map": rows}))
    (tmp_path / "fewer.json").write_text(json.dumps({"physical_to_logical_map": [list(range(8))] * 3}))
    return tmp_path


def options(folder: Path, **more: Any) -> dict[str, Any]:
    common = {"traces": [folder / "loads.npy"], "gpus": "2", "model": str(folder / "config.json")}
    return {key: value for key, value in {**common, **more}.items() if value is not None}


def opened(folder: Path, **more: Any) -> PlacementDeployment:
    return PlacementDeployment.from_options(options(folder, format="sglang", redundant="2", **more))


def test_a_program_is_asked_twice_the_second_time_on_all_loads(folder: Path) -> None:
    problem = opened(folder, in_force=str(folder / "old.json")).problem
    [case] = problem.cases(0)
    assert problem.steps(case) == 2 and problem.entry_point == "rebalance_experts"
    for step, upto in ((0, 2), (1, 3)):
        call = problem.call(case, step, ())
        np.testing.assert_array_equal(call.args[0], LOADS[upto - 1, 1:])
        assert call.args[1:] == (10, 4, 1, 2)
        np.testing.assert_array_equal(call.offered["history"], LOADS[:upto, 1:])
        np.testing.assert_array_equal(call.offered["old_phy2log"][1], [7, 6, 5, 4, 3, 2, 1, 0, 7, 6])  # type: ignore[index]


def test_planning_on_the_sum(folder: Path) -> None:
    problem = opened(folder, plan_on="sum").problem
    [case] = problem.cases(0)
    for step, upto in ((0, 2), (1, 3)):
        call = problem.call(case, step, ())
        np.testing.assert_array_equal(call.args[0], LOADS[:upto, 1:].sum(axis=0))
        np.testing.assert_array_equal(call.offered["history"], [call.args[0]])
        assert call.offered["old_phy2log"] is None


def test_one_window_is_planned_once(folder: Path) -> None:
    np.save(folder / "loads.npy", LOADS[:1])
    deployment = opened(folder)
    [case] = deployment.problem.cases(0)
    assert deployment.problem.steps(case) == 1
    assert "how well it does on later loads is not known" in " ".join(deployment.notes)


@pytest.mark.parametrize(
    ("engine", "given", "rule", "tokens", "said"),
    [
        ("sglang", {}, "sglang_static", None, "SGLang's static dispatch sends on 2 nodes"),
        ("vllm", {}, "vllm_hash", 64, "vLLM's hash sends the 64 tokens of a rank"),
        ("vllm", {"tokens_per_rank": "8"}, "vllm_hash", 8, "vLLM's hash sends the 8 tokens of a rank"),
        ("trtllm", {}, "even", None, ""),
        ("sglang", {"dispatch": "even"}, "even", None, ""),
        ("json", {"dispatch": "sglang_static"}, "sglang_static", None, "static dispatch sends on 2 nodes"),
    ],
)
def test_tokens_are_sent_as_the_engine_does_unless_another_rule_is_given(
    folder: Path, engine: str, given: dict[str, str], rule: str, tokens: int | None, said: str
) -> None:
    deployment = PlacementDeployment.from_options(options(folder, format=engine, redundant="2", nodes="2", **given))
    [case] = deployment.problem.cases(0)
    offered = deployment.problem.call(case, 1, ()).offered
    assert [offered[each] for each in ("dispatch", "num_dispatch_nodes", "tokens_per_rank")] == [rule, 2, tokens]
    notes = " ".join(deployment.notes)
    assert said in notes and ("balance is of" in notes) == bool(said)
    slots = np.array([[0, 1, 2, 3, 4, 5, 6, 7, 0, 0]] * 2)
    record = deployment.appraise((slots, slots)).record
    assert record["dispatch"] == {"rule": rule, "nodes": 2, "tokens_per_rank": tokens}
    # Of the three replicas of expert 0, the second GPU has two: even thirds, or a half for each GPU, or hashed.
    assert (record["balance"] == record["balance_even"]) == (rule == "even")


def test_a_file_is_scored_as_its_engine_sends(folder: Path) -> None:
    found = {}
    row = [0, 1, 2, 3, 4, 5, 6, 7, 0, 0]
    for rows, given in ((3, {}), (3, {"dispatch": "even"}), (2, {})):  # all layers of the model, or those with experts
        (folder / "new.json").write_text(json.dumps({"physical_to_logical_map": [row] * rows}))
        appraisal, notes = score(folder / "new.json", options(folder, nodes="2", **given))
        found[appraisal.record["dispatch"]["rule"]] = appraisal.record
        assert any(note.startswith("balance is of") for note in notes) == (not given)
    assert list(found) == ["sglang_static", "even", "vllm_hash"]
    assert found["sglang_static"]["balance_even"] == found["even"]["balance"] != found["sglang_static"]["balance"]


def test_answers_in_both_forms_are_read(folder: Path) -> None:
    problem = opened(folder).problem
    [case] = problem.cases(0)
    slots = trivial(2, 8, 10)
    np.testing.assert_array_equal(problem.read(case, (slots,)), slots)
    with pytest.raises(InvalidAnswer, match="no slot"):
        problem.read(case, (np.zeros_like(slots),))
    with pytest.raises(InvalidAnswer, match="expected three arrays"):
        problem.read(case, (slots, slots))


def test_for_vllm_ascend_no_device_holds_an_expert_twice(folder: Path) -> None:
    problem = PlacementDeployment.from_options(options(folder, format="ascend", redundant="2")).problem
    [case] = problem.cases(0)
    slots = problem.read(case, (np.array([[0, 0, 1, 2, 3, 4, 5, 6, 7, 7]] * 2),))
    assert all(len(set(device)) == 5 for row in slots for device in (row[:5], row[5:]))


def test_what_it_says_of_itself(folder: Path) -> None:
    deployment = opened(folder, in_force=str(folder / "fewer.json"), nodes="2")
    identity = json.loads(json.dumps(deployment.identity))
    assert identity["sizes"] == {"layers": 2, "experts": 8, "replicas": 10, "groups": 4, "nodes": 2, "gpus": 2}
    assert (identity["layer_numbers"], identity["model_layers"], identity["engine"]) == ([1, 2], 3, "sglang")
    assert identity["loads"]["files"][0]["name"] == "loads.npy" and identity["model"]["name"] == "config.json"
    assert len({identity["loads"]["sha256"], identity["model"]["sha256"], identity["from"]["sha256"]}) == 3
    notes = " ".join(deployment.notes)
    assert "planned on the newest of 3 windows" in notes and "dropped 1 of 3 layers" in notes
    assert "another number of slots: the program is not given it" in notes and deployment.problem.in_force is None


def test_a_plan_and_its_file(folder: Path) -> None:
    deployment = opened(folder)
    slots = np.array([[0, 1, 2, 3, 0, 4, 5, 6, 7, 4]] * 2)
    record = deployment.appraise((slots, slots)).record
    written = deployment.encode(folder / "new.json", slots, {})
    assert json.loads(written)["physical_to_logical_map"][1:] == slots.tolist()
    (folder / "new.json").write_bytes(written)
    appraisal, notes = score(folder / "new.json", options(folder, in_force=str(folder / "old.json")))
    assert appraisal.record["balance"]["placement"] == record["balance"]["placement"]
    assert appraisal.record["moves"]["slots"] == 20 and any("sglang, 10 slots on 2 GPUs" in note for note in notes)
    assert "new.json" not in json.dumps(record)


def test_a_text_without_the_entry_point_is_rejected_without_a_process(folder: Path) -> None:
    refused = plan("x = 1\n", opened(folder).problem, device="cpu")
    assert isinstance(refused, Rejected) and (refused.stage, refused.reason) == ("screen", "entry_point")


def test_a_newest_window_without_load_is_not_planned_on(folder: Path) -> None:
    loads = LOADS.copy()
    loads[2, 2] = 0
    np.save(folder / "loads.npy", loads)
    with pytest.raises(EvaluatorError, match=r"newest window, found none in layer 2: leave .* \(--plan-on sum\)"):
        opened(folder)
    assert opened(folder, plan_on="sum").notes


PLAN_ERRORS = {
    "no engine": ({"format": None}, "expected the engine (--for sglang|vllm|trtllm|ascend|json), found none"),
    "no loads": ({"traces": None}, "expected recorded loads (--trace PATH), found none"),
    "no GPUs": ({"gpus": None}, "expected the number of GPUs (--gpus N), found none"),
    "a word": ({"gpus": "two"}, "--gpus: expected a whole number of at least 1, found 'two'"),
    "many": ({"gpus": "99999999"}, "--gpus 99999999: expected at most 1048576"),
    "an unknown option": ({"gpu": 2}, "options: unknown key 'gpu': did you mean gpus?"),
    "an unknown rule": ({"dispatch": "static"}, "--dispatch: expected one of even, sglang_static, vllm_hash, found"),
    "tokens of another rule": ({"tokens_per_rank": "8"}, "tokens_per_rank: is an option of dispatch: vllm_hash, and"),
    "too many tokens": ({"format": "vllm", "tokens_per_rank": "99999"}, "a whole number from 1 to 65536, found 99999"),
    "redundancy": ({"redundant": "3"}, "found 8 + 3 = 11: the nearest are 2 and 4"),
    "no such model": ({"model": "nothing.json"}, "nothing.json: No such file or directory; expected a model's config"),
    "no such placement": ({"in_force": "nothing.json"}, "nothing.json: No such file or directory; expected the file"),
}
SCORE_ERRORS = {
    "no GPUs": ({"gpus": None}, "the format sglang does not say how many GPUs: give --gpus N"),
    "GPUs that do not fit": ({"gpus": "3"}, "expected slots that are a multiple of 3 GPUs, found 10"),
    "tokens of another rule": ({"tokens_per_rank": "8"}, "and dispatch is sglang_static: leave it out"),
    "another format": ({"format": "ascend"}, "expected moe_layer_count to be a whole number, found no such key"),
}


@pytest.mark.parametrize("name", PLAN_ERRORS)
def test_errors_of_a_plan(name: str, folder: Path) -> None:
    change, said = PLAN_ERRORS[name]
    with pytest.raises(EvaluatorError) as refused:
        PlacementDeployment.from_options(options(folder, **{"format": "sglang", "redundant": "2", **change}))
    assert said in str(refused.value)


@pytest.mark.parametrize("name", SCORE_ERRORS)
def test_errors_of_an_assessment(name: str, folder: Path) -> None:
    change, said = SCORE_ERRORS[name]
    with pytest.raises(EvaluatorError) as refused:
        score(folder / "old.json", options(folder, **change))
    assert said in str(refused.value)


def test_files_that_name_their_gpus(folder: Path) -> None:
    deployment = PlacementDeployment.from_options(options(folder, format="ascend", redundant="2"))
    path = folder / "map.json"
    path.write_bytes(deployment.encode(path, np.array([[0, 1, 2, 3, 4, 5, 6, 7, 0, 1]] * 2), {}))
    assert score(path, options(folder, gpus=None))[0].record["windows"] == 3
    with pytest.raises(EvaluatorError, match=r"expected 5 GPUs \(--gpus\), found a placement on 2"):
        score(path, options(folder, gpus="5"))
    with pytest.raises(EvaluatorError, match="expected a placement on 5 GPUs, found one on 2"):
        score(folder / "old.json", options(folder, gpus="5", in_force=str(path)))
