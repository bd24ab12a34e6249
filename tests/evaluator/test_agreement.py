"""Rank agreement of real programs in real processes: which are refused, where, and for which condition."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evaluator import Agreement, AgreementCheck, JudgeSettings, Rejected, shipped
from evaluator.cpu_levels import cpu_levels
from evaluator.tasks import TASKS

STABLE = "    sorted_weight, order = weight.sort(dim=1, descending=True, stable=True)\n"
BARE = (
    "    order = torch.from_numpy(np.argsort(-weight.numpy(), axis=1))\n    sorted_weight = weight.gather(1, order)\n"
)
RETURN = "    return expert_of.gather(1, replica_at).reshape(num_layers, num_replicas)\n"


@pytest.fixture(scope="module")
def check() -> Iterator[AgreementCheck]:
    with AgreementCheck(TASKS["eplb"]({"form": "phy2log"}), settings=JudgeSettings(memory_gb=1)) as opened:
        yield opened


def solver(old: str = "", new: str = "") -> str:
    """The shipped solver with a change."""
    source = shipped("programs/eplb/vectorised_greedy_phy2log.py").read_text()
    assert source.count(old) == 1 or not old
    return source.replace(old, new) if old else source


def ordering_slots_by(order: str) -> str:
    """The shipped solver, with the slots of every GPU in an order that an expression gives."""
    first = RETURN.replace("return ", "phy2log = ").replace("num_replicas)", "num_gpus, -1)")
    return solver(RETURN, f"{first}    return phy2log[:, :, torch.as_tensor({order}).argsort()].flatten(1)\n")


def disagreement(check: AgreementCheck, source: str) -> str:
    found = check.check(source)
    assert isinstance(found, Agreement), found
    assert found.disagreement is not None and not found.agrees
    assert found.conditions[-1] == found.disagreement.condition
    return str(found.disagreement)


def test_a_shipped_solver_agrees_under_every_condition(check: AgreementCheck) -> None:
    levels = tuple(f"CPU level {level.name}" for level in cpu_levels())
    conditions = ("a fresh process", "another random seed", "2 threads", "3 threads", *levels)
    assert check.check(solver()) == Agreement(conditions=conditions, inputs=10)


@pytest.mark.skipif(not cpu_levels(), reason="this machine can imitate no other processor")
def test_ties_that_a_bare_argsort_orders_are_found_by_the_level_of_the_processor(check: AgreementCheck) -> None:
    text = disagreement(check, solver(STABLE, BARE))
    assert text.startswith("with CPU level ")
    assert "the plan differs at layer 0, slot " in text
    assert "ties" in text or "equal" in text
    assert "stable" in text


@pytest.mark.parametrize(
    ("order", "condition", "cause"),
    [
        ("np.random.default_rng().permutation(num_replicas // num_gpus)", "a fresh process", "unseeded generator"),
        ("torch.randperm(num_replicas // num_gpus)", "another random seed", "draws random numbers"),
        ("torch.arange(num_replicas // num_gpus).roll(torch.get_num_threads())", "2 threads", "number of threads"),
        ("[hash(str(slot)) for slot in range(num_replicas // num_gpus)]", "a fresh interpreter", "hashes of texts"),
    ],
)
def test_what_is_no_argument_is_found_out(check: AgreementCheck, order: str, condition: str, cause: str) -> None:
    text = disagreement(check, ordering_slots_by(order))
    assert text.startswith(f"with {condition} the plan differs at layer 0, slot ")
    assert cause in text


def test_an_invalid_answer_is_a_rejection_that_names_the_condition(check: AgreementCheck) -> None:
    found = check.check(solver(RETURN, RETURN.replace("num_replicas)", "num_replicas)[:, 1:]")))
    assert isinstance(found, Rejected)
    assert (found.stage, found.reason) == ("validate", "shape")
    assert found.detail.startswith("the first process, asked for rank agreement: float32 loads, placed on nodes: ")
