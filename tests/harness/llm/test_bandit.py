import random
from collections import Counter
from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.llm.bandit import Bandit, BanditSettings
from harness.select import Pareto, Standing
from harness.types import Entry, Kind
from tests.harness.builders import REJECTED, entry, scored

SEED = entry(0, scored(0.5, 1.0))


def attempt(
    number: int, model: str, better: bool, *, usd: float = 1.0, tokens: int = 100, kind: Kind = "patch"
) -> Entry:
    """An attempt of a model that joins the front, with better quality than any before, or is rejected."""
    made = entry(number, scored(0.5 + number / 10_000, 1.0) if better else REJECTED, kind=kind)
    return replace(made, model=model, usd=usd, tokens=tokens)


def known(attempts: list[Entry], **settings: float) -> Bandit:
    empty = Bandit(settings=BanditSettings(**settings), standing=Standing(objective=Pareto()))
    return reduce(Bandit.add, [SEED, *attempts], empty)


def chosen(state: Bandit, kind: Kind = "patch", models: tuple[str, ...] = ("a", "b"), draws: int = 400) -> Counter[str]:
    rng = random.Random(1)
    return Counter(state.choose(kind, [(name, 1.0) for name in models], rng) for _ in range(draws))


def test_more_improvements_at_the_same_cost_win() -> None:
    attempts = [attempt(n, "ab"[n % 2], better=n % 2 == 1 and n % 3 == 0) for n in range(1, 121)]
    assert chosen(known(attempts))["b"] > 350


def test_half_the_improvements_at_a_tenth_of_the_cost_win() -> None:
    attempts = [attempt(n, "ab"[n % 2], n % (8 if n % 2 else 4) == n % 2, usd=(1.0, 0.1)[n % 2]) for n in range(1, 161)]
    assert chosen(known(attempts, discount=1.0))["b"] > 350


def test_tokens_count_where_nothing_costs_dollars() -> None:
    attempts = [attempt(n, "ab"[n % 2], n % 4 < 2, usd=0.0, tokens=(1000, 100)[n % 2]) for n in range(1, 121)]
    assert chosen(known(attempts))["b"] > 350


def test_free_model_that_never_improves_does_not_win_for_being_free() -> None:
    attempts = [attempt(n, "ab"[n % 2], n % 2 == 0 and n % 4 == 0, usd=(1.0, 0.0)[n % 2]) for n in range(1, 801)]
    state = known(attempts, discount=1.0, prior=0.5)
    assert chosen(state)["a"] > 40


def test_a_model_that_stops_improving_loses_its_lead() -> None:
    early = [attempt(n, "ab"[n % 2], better=n % 2 == 0) for n in range(1, 61)]
    late = [attempt(n, "ab"[n % 2], better=n % 2 == 1) for n in range(61, 261)]
    assert chosen(known(early))["a"] > 350
    assert chosen(known(early + late))["b"] > 350
    assert chosen(known(early, discount=1.0))["a"] > 350


def test_kinds_are_counted_separately() -> None:
    patches = [attempt(2 * n, "ab"[n % 2], n % 2 == 0) for n in range(1, 61)]
    rewrites = [attempt(2 * n + 1, "ab"[n % 2], n % 2 == 1, kind="rewrite") for n in range(1, 61)]
    state = known(sorted([*patches, *rewrites], key=lambda one: one.number))
    assert chosen(state, "patch")["a"] > 350
    assert chosen(state, "rewrite")["b"] > 350


def test_an_untried_model_is_tried() -> None:
    attempts = [attempt(n, "a", better=n % 10 == 0) for n in range(1, 101)]
    assert chosen(known(attempts))["b"] > 40


def test_without_attempts_all_models_are_equally_likely() -> None:
    found = chosen(known([]), models=("a", "b", "c", "d"))
    assert all(60 < count < 140 for count in found.values())


def test_weight_multiplies_the_sampled_quotient() -> None:
    rng, state = random.Random(2), known([])
    found = Counter(state.choose("patch", [("a", 1.0), ("b", 20.0)], rng) for _ in range(300))
    assert found["b"] > 270


def test_failed_equal_and_modelless_attempts_are_not_improvements() -> None:
    same = replace(entry(2, scored(0.5, 1.0)), model="a", usd=1.0)
    state = known([attempt(1, "a", better=False), same, entry(3, scored(0.9, 3.0))])
    (arm,) = state.arms.values()
    assert arm.improvements == 0
    assert arm.attempts == pytest.approx(1.98)


def test_an_unconfirmed_speed_is_not_an_improvement() -> None:
    claimed = replace(entry(1, scored(0.5, 2.0)), model="a", usd=1.0)
    assert known([claimed]).arms[("patch", "a")].improvements == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.sampled_from([0.0, 0.001, 5.0])), max_size=30))
def test_follows_from_the_entries_one_by_one_or_at_once(made: list[tuple[str, bool, float]]) -> None:
    attempts = [attempt(n, model, better, usd=usd) for n, (model, better, usd) in enumerate(made, 1)]
    step = Bandit(settings=BanditSettings(), standing=known([]).standing)
    for one in attempts:
        step = step.add(one)
    assert dict(step.arms) == dict(known(attempts).arms)
    names = [("a", 1.0), ("b", 1.0), ("c", 0.5)]
    picked = [step.choose("patch", names, random.Random(seed)) for seed in range(5)]
    assert picked == [known(attempts).choose("patch", names, random.Random(seed)) for seed in range(5)]
    assert set(picked) <= {"a", "b", "c"}


@pytest.mark.parametrize("settings", [{"discount": 0.0}, {"discount": 1.1}, {"prior": 0.0}])
def test_invalid_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected 0 < discount"):
        BanditSettings(**settings)
