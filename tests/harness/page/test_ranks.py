"""The standing of a run whose attempts come in any order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gate import gated_standing as standing
from harness.page.ranks import KEPT, Ranks, TooLate
from harness.page.scores import Scores
from harness.select import Pareto, improves
from harness.types import Entry
from tests.harness.builders import REJECTED, confirmed, entry, scored


def search(speeds: list[int]) -> list[Entry]:
    """A seed program and attempts of these speeds, 0 for a rejected one, with the duels that they fought."""
    verdicts = [scored(0.5, 1.0, gain=0.1), *(scored(0.5, speed, gain=0.1) if speed else REJECTED for speed in speeds)]
    return confirmed((entry(number, verdict) for number, verdict in enumerate(verdicts)), Pareto())


class TestRanks:
    @given(speeds=st.lists(st.integers(0, 9), max_size=25), seed=st.integers(0, 99))
    def test_the_order_of_coming_does_not_matter(self, speeds: list[int], seed: int) -> None:
        entries = search(speeds)
        coming = entries[:1] + random.Random(seed).sample(entries[1:], len(entries) - 1)
        ranks = Ranks(Pareto())
        for each in coming:
            ranks.add(each)
        where = standing(entries, Pareto())
        assert (ranks.standing.champion, ranks.standing.front) == (where.champion, where.front)
        steps = [standing(entries[: number + 1], Pareto()).champion for number in range(len(entries))]
        assert ranks.champions == list(dict.fromkeys(step.number for step in steps if step))

    def test_what_comes_far_too_late_is_said(self) -> None:
        ranks = Ranks(Pareto())
        for each in search([1] * (KEPT + 2)):
            if each.number != 1:
                ranks.add(each)
        with pytest.raises(TooLate):
            ranks.add(entry(1, scored(0.5, 1.0)))


class TestScores:
    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 99)), max_size=20))
    def test_improving_is_what_the_search_calls_so(self, rows: list[tuple[int, int, int]]) -> None:
        entries, above, scores = [entry(0, scored(0.5, 1.0))], [0], Scores()
        assert not scores.add(entries[0], -1)
        for number, (quality, speed, parent) in enumerate(rows, 1):
            parent %= number
            made = entry(number, scored(quality / 10, speed, hardware=f"cpu {parent % 2}") if speed else REJECTED)
            better = made.scored is not None and improves(made, entries[above[parent]])
            assert scores.add(made, parent) == better
            above.append(number if made.scored else above[parent])
            entries.append(made)
