"""Secret loads: what a secret and the number of a call decide, and that nothing else does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.measuring.draws import Draws, derived_seed, new_secret
from evaluator.task_protocol import Task
from evaluator.tasks.eplb import Eplb
from evaluator.tasks.eplb.cases import EplbCase
from tests.evaluator.tasks.toy import Toy

SIZES = {"layers": 1, "experts": 8, "replicas": 12, "groups": 1, "nodes": 1, "gpus": 4}
TASK = Eplb(sizes=(EplbCase(**SIZES), EplbCase(name="twin", **SIZES)), windows=4)
CASE, TWIN = TASK.cases(0)
SECRET = "0123456789abcdef" * 2
calls = st.integers(0, 200)


def load(draws: Draws, call: int) -> bytes:
    case, step = draws.at(call)
    return case.data.tobytes() + bytes([step])


def test_a_secret_is_new_each_time() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100 and all(len(bytes.fromhex(secret)) == 16 for secret in made)


@given(order=st.lists(calls, min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_secret_and_number_decide_loads_and_seed_in_any_order(order: list[int]) -> None:
    """A reader who checks a single call need not make those before it."""
    draws = Draws(TASK, CASE, SECRET)
    for call in order:
        again = Draws(TASK, CASE, SECRET)
        assert load(draws, call) == load(again, call)
        assert draws.seed(call) == again.seed(call)


@given(call=calls, other=calls)
@settings(max_examples=40, deadline=None)
def test_another_secret_case_or_draw_has_other_loads(call: int, other: int) -> None:
    draws = Draws(TASK, CASE, SECRET)
    for elsewhere in (Draws(TASK, CASE, SECRET[::-1]), Draws(TASK, TWIN, SECRET)):
        assert not np.array_equal(draws.at(call)[0].data, elsewhere.at(call)[0].data)
        assert draws.seed(call) != elsewhere.seed(call)
    same = np.array_equal(draws.at(call)[0].data, draws.at(other)[0].data)
    assert same == (call // draws.steps == other // draws.steps)
    assert (draws.seed(call) == draws.seed(other)) == (call == other)


def test_calls_take_the_steps_of_a_draw_in_order() -> None:
    draws = Draws(TASK, CASE, SECRET)
    assert draws.steps == 3
    seen = [draws.at(call) for call in range(9)]
    assert [step for _, step in seen] == [0, 1, 2] * 3
    for first in (0, 3, 6):
        assert all(case is seen[first][0] for case, _ in seen[first : first + 3])
    assert len({case.data.tobytes() for case, _ in (*seen, (CASE, 0))}) == 4
    assert {case.name for case, _ in seen} == {CASE.name}


@pytest.mark.parametrize("task", [Toy(), Eplb(sizes=(EplbCase(**SIZES),), windows=1)], ids=["toy", "one window"])
def test_every_call_of_a_task_with_one_step_is_a_draw(task: Task) -> None:
    draws = Draws(task, task.cases(0)[0], SECRET)
    seen = [draws.at(call) for call in range(20)]
    assert {step for _, step in seen} == {0}
    assert len({case.data.tobytes() for case, _ in seen}) == 20


def test_seeds_fit_the_generators_and_are_the_same_on_every_machine() -> None:
    assert derived_seed("ab", 3, "call", 7) == 0x1C984378198D  # the first 48 bits of the SHA-256 of "ab/3/call/7"
    assert all(0 <= derived_seed(SECRET, number) < 2**48 for number in range(100))
    assert len({derived_seed(*parts) for parts in (("a", 1), ("a", 2), ("b", 1), ("a", 1, 0), (1, "a"))}) == 5
