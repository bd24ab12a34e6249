"""Shares of turns: over any weights, any history, and whoever lets turns pass."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.proposers.stride import Stride, Turns

NAMES = ("llm", "catalogue", "replay", "other")
WHOLE = st.lists(st.integers(1, 9), min_size=1, max_size=4)
WEIGHTS = st.lists(st.floats(0.01, 1000), min_size=1, max_size=4)


def named(weights: list[float] | list[int]) -> dict[str, float]:
    return dict(zip(NAMES, map(float, weights), strict=False))


def taken(weights: dict[str, float], able: list[set[str]]) -> list[str]:
    """Who takes each turn: the first in order that is able to; "" where none is."""
    turns, found = Turns(Stride(weights)), []
    for number, those in enumerate(able):
        name = next((name for name in turns.order() if name in those), "")
        turns.add(number, name)
        found.append(name)
    return found


def test_six_and_two_are_spread_evenly() -> None:
    always = [{"llm", "catalogue"}] * 16
    assert "".join(name[0] for name in taken({"llm": 6.0, "catalogue": 2.0}, always)) == "llclllcl" * 2


@given(weights=WHOLE, rounds=st.integers(1, 4))
def test_every_whole_round_has_exactly_the_shares(weights: list[int], rounds: int) -> None:
    shares = named(weights)
    found = taken(shares, [set(shares)] * (rounds * sum(weights)))
    for at in range(rounds):
        each = found[at * sum(weights) : (at + 1) * sum(weights)]
        assert {name: each.count(name) for name in shares} == shares


@settings(max_examples=60)
@given(data=st.data(), weights=WEIGHTS)
def test_shares_hold_among_those_that_are_able(data: st.DataObject, weights: list[float]) -> None:
    """A proposer may run out, come back, and run out again: nobody else's share suffers, and nothing is made up for."""
    shares = named(weights)
    able = data.draw(st.lists(st.sets(st.sampled_from(list(shares))), max_size=40))
    begin = data.draw(st.integers(0, len(able)))
    found = taken(shares, able)
    for name, those in zip(found, able, strict=True):
        assert name in those or (name == "" and not those)
    always = set(shares).intersection(*able[begin:]) if able[begin:] else set(shares)
    quotas = {name: Fraction(found[begin:].count(name)) / Fraction(shares[name]) for name in always}
    for one in always:
        for other in always:
            assert abs(quotas[one] - quotas[other]) <= 1 / Fraction(shares[one]) + 1 / Fraction(shares[other])


@given(weights=WEIGHTS, names=st.lists(st.sampled_from(NAMES), max_size=30), seed=st.integers(0, 99))
def test_whose_turn_it_is_follows_from_the_turns_whenever_they_become_known(
    weights: list[float], names: list[str], seed: int
) -> None:
    """Late ones, those under way, and a continued run alike; strangers count for nothing."""
    stride, numbered = Stride(named(weights)), list(enumerate(names))
    straight = Turns(stride)
    for number, name in numbered:
        straight.order()
        straight.add(number, name)
    rng = random.Random(seed)
    rng.shuffle(numbered)
    cut = rng.randint(0, len(numbered))
    late = Turns(stride)
    for number, name in numbered[:cut]:
        late.add(number, name)
        late.order(numbered[cut:])
    assert late.order(numbered[cut:]) == straight.order()
    for number, name in numbered[cut:]:
        late.add(number, name)
    assert late.order() == straight.order()


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"a": -1.0}, {"a": float("nan")}, {"a": float("inf")}])
def test_useless_weights_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weights above 0"):
        Stride(weights)


def test_turns_of_a_long_run_are_followed_as_they_come() -> None:
    """The next turn costs what is new, not what the run has: the passes before it are kept."""
    turns = Turns(Stride({"llm": 6.0, "catalogue": 2.0}))
    for number in range(20_000):
        turns.add(number, turns.order()[0])
    assert turns.order(((20_000, "llm"), (20_001, "llm")))[0] == "catalogue"
