"""The contract suite of the rules that pick parents; a test class inherits it and makes the rule under test.

To test a new rule, subclass `RuleContract` and set `name`.
"""

from __future__ import annotations

import random
import time

from harness.select import Pareto, RuleSettings, Selector, Standing, build, standing
from harness.types import Entry
from tests.harness.builders import PROGRAM, REJECTED, confirmed, entry, scored

LONG = 3_000


def source(entry_id: str) -> str:
    """The program of an entry: the higher its number, the more lines it has."""
    return PROGRAM + "x = [1]\n" * (int(entry_id[1:]) % 7)


def searched(attempts: int, seed: int = 0) -> list[Entry]:
    """A search of that length after the seed program: some rejected, some below the floor, most in between."""
    rng = random.Random(seed)
    entries = [entry(0, scored(0.80, 1.0))]
    for number in range(1, attempts + 1):
        parent = f"e{rng.randrange(number)}"
        verdict = scored(round(rng.uniform(0.7, 0.95), 3), round(2 ** rng.uniform(-2, 4), 3), noise=0.01)
        entries.append(entry(number, REJECTED if rng.random() < 0.2 else verdict, parents=(parent,)))
    return entries


class RuleContract:
    """Inherit, and set `name`."""

    name: str

    def make(self) -> Selector:
        return build(self.name, RuleSettings(), source)

    def standing(self) -> Standing:
        entries = [
            entry(0, scored(0.80, 1.0)),
            entry(1, scored(0.85, 2.0)),
            entry(2, scored(0.90, 1.5)),
            entry(3, REJECTED),
            entry(4, scored(0.70, 9.0)),
            entry(5, scored(0.95, 0.5)),
            entry(6, scored(0.82, 1.2)),
        ]
        return standing(confirmed(entries, Pareto()), Pareto())

    def test_picks_different_programs_above_the_floor(self) -> None:
        for where in (self.standing(), standing(searched(150), Pareto())):
            rule, allowed = self.make(), {entry.id for entry in where.valid}
            for seed in range(20):
                for n in (1, 2, 5, 50):
                    ids = [entry.id for entry in rule(where, random.Random(seed), n)]
                    assert 1 <= len(ids) <= n
                    assert len(set(ids)) == len(ids)
                    assert set(ids) <= allowed

    def test_same_standing_and_random_state_pick_the_same(self) -> None:
        """However often the rule was asked while the search grew, and whatever other search it saw before."""
        entries, grown, used = searched(120), standing([], Pareto()), self.make()
        used(standing(searched(40, seed=1), Pareto()), random.Random(0), 3)
        for number, one in enumerate(entries):
            grown = grown.add(one)
            if number % 3 == 0:
                assert used(grown, random.Random(number), 3) == self.make()(grown, random.Random(number), 3)

    def test_an_earlier_standing_does_not_matter(self) -> None:
        where, used = standing(searched(60), Pareto()), self.make()
        used(standing(searched(80), Pareto()), random.Random(0), 3)
        assert used(where, random.Random(0), 3) == self.make()(where, random.Random(0), 3)

    def test_picks_the_seed_if_nothing_else_is_valid(self) -> None:
        seed = entry(0, scored(0.8, 1.0))
        where = standing([seed, entry(1, REJECTED)], Pareto())
        assert self.make()(where, random.Random(0), 4) == (seed,)

    def test_picks_nothing_if_nothing_is_scored(self) -> None:
        assert self.make()(standing([], Pareto()), random.Random(0), 4) == ()

    def test_a_pick_in_a_long_search_costs_what_is_new(self) -> None:
        where, rule = standing(searched(LONG), Pareto()), self.make()
        rule(where, random.Random(0), 4)
        least = min(_pick_s(rule, where.add(entry(LONG + one, scored(0.85, 3.0)))) for one in range(1, 4))
        assert least < 0.005


def _pick_s(rule: Selector, where: Standing) -> float:
    begun = time.thread_time()
    rule(where, random.Random(0), 4)
    return time.thread_time() - begun
