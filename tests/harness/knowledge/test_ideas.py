from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.types import Interval, Rejected
from harness.knowledge import Ideas
from harness.knowledge.gains import Mean, change, sign
from harness.knowledge.ideas import OTHER
from harness.types import Confirmation, Entry
from tests.harness.builders import REJECTED, duel, entry, scored

SEED = entry(0, scored(0.8, 1.0, gain=0.1, gain_noise=0.01))
NO_MATCH = Rejected(stage="patch", reason="no_match", detail="nowhere")


def tried(
    number: int,
    name: str,
    quality: float = 0.8,
    speed: float = 1.0,
    *,
    noise: float = 0.02,
    verdict: Rejected | None = None,
    **values: object,
) -> Entry:
    """A try of an idea on the seed program, whose quality and speed-up are those; its quality is off by .01."""
    judged = verdict or scored(quality, speed, noise, gain=quality - 0.7, gain_noise=0.01)
    return replace(entry(number, judged), name=name, **values)  # type: ignore[arg-type]


def ideas_of(*entries: Entry) -> Ideas:
    ideas = Ideas()
    ideas.follow([SEED, *entries])
    return ideas


class TestGains:
    def test_a_change_is_relative_and_holds_none_exactly_if_the_intervals_overlap(self) -> None:
        made = change(tried(1, "a", 0.85, 2.0), SEED)
        assert made.quality is not None and made.speed is not None
        assert (made.quality.low, made.quality.high) == pytest.approx((0.03, 0.07))
        assert sign(made.quality) == sign(made.speed) == 1
        assert sign(change(tried(1, "a", 0.819, 1.039), SEED).quality) == 0
        assert sign(change(tried(1, "a", 0.819, 1.039), SEED).speed) == 0
        assert sign(change(tried(1, "a", 0.75, 0.5), SEED).quality) == -1

    def test_the_quality_in_a_record_of_an_earlier_version_is_not_compared_with_one_of_this(self) -> None:
        early = entry(0, scored(0.8, 1.0))
        assert change(tried(1, "a", 0.9, 2.0), early).quality is None
        assert sign(change(tried(1, "a", 0.9, 2.0), early).speed) == 1
        assert sign(change(entry(1, scored(0.9, 1.0)), early).quality) == 1

    def test_a_duel_with_the_parent_counts_where_it_is_narrower(self) -> None:
        told = Confirmation(against=SEED.id, duel=duel(1.5, 0.001, gain=0.002, gain_noise=0.001))
        other = Confirmation(against="another", duel=duel(9.0, 0.0001))
        made = change(tried(1, "a", 0.8, 1.0, confirmations=(told, other)), SEED)
        assert made.quality == Interval(median=0.002, low=0.001, high=0.003)
        assert made.speed is not None and 0.4 < made.speed.low < made.speed.high < 0.41
        vague = Confirmation(against=SEED.id, duel=duel(1.5, 0.9))
        assert change(tried(1, "a", 0.8, 1.0, confirmations=(vague,)), SEED) == change(tried(1, "a"), SEED)
        failed = Confirmation(against=SEED.id, failure="it failed")
        assert change(tried(1, "a", confirmations=(failed,)), SEED) == change(tried(1, "a"), SEED)

    def test_run_times_of_another_machine_are_not_compared(self) -> None:
        elsewhere = replace(tried(1, "a"), verdict=scored(0.9, 5.0, hardware="another", gain=0.2))
        made = change(elsewhere, SEED)
        assert made.speed is None and sign(made.quality) == 1

    @given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1)), min_size=1, max_size=8))
    def test_the_mean_has_the_mean_half_width(self, changes: list[tuple[float, float]]) -> None:
        mean = Mean()
        assert mean.interval is None
        for middle, half in changes:
            mean.add(Interval(median=middle, low=middle - half, high=middle + half))
        mean.add(None)
        assert mean.interval is not None and mean.count == len(changes)
        assert mean.interval.median == pytest.approx(sum(middle for middle, _ in changes) / len(changes))
        halves = sum(half for _, half in changes) / len(changes)
        assert mean.interval.high - mean.interval.low == pytest.approx(2 * halves, abs=1e-9)
        assert mean.better + mean.worse <= mean.count


class TestIdeas:
    def test_tries_of_one_idea_are_counted_together(self) -> None:
        ideas = ideas_of(
            tried(1, "swap_pairs", 0.8, 2.0),
            tried(2, "SwapPairs_v2", 0.8, 1.0),
            tried(3, "swapped_pair", verdict=NO_MATCH),
            tried(4, "cached_parts", 0.7, 1.0),
        )
        idea = ideas.of("e1")
        assert idea is not None and idea is ideas.of("e2") is ideas.of("e3") and idea is not ideas.of("e4")
        assert (idea.tries, idea.valid, idea.refusals) == (3, 2, {("patch", "no_match"): 1})
        assert (idea.speed.count, idea.speed.better, idea.first.id, idea.best.id) == (2, 1, "e1", "e1")
        assert ideas.tries == 4 and ideas.of("e0") is None

    @pytest.mark.parametrize(
        ("quality", "speed", "bought"),
        [
            (0.8, 2.0, "better"),
            (0.85, 1.0, "better"),
            (0.7, 2.0, "traded"),
            (0.85, 0.5, "traded"),
            (0.7, 1.0, "worse"),
            (0.8, 0.5, "worse"),
            (0.81, 1.03, "unsure"),
        ],
    )
    def test_what_an_idea_bought_follows_from_its_intervals(self, quality: float, speed: float, bought: str) -> None:
        idea = ideas_of(tried(1, "a_swap", quality, speed)).of("e1")
        assert idea is not None and idea.bought == bought

    def test_tries_that_differ_leave_an_idea_unsure(self) -> None:
        ideas = ideas_of(tried(1, "chunk_16", 0.8, 1.5, noise=0.05), tried(2, "chunk_64", 0.8, 0.7, noise=0.05))
        idea = ideas.of("e1")
        assert idea is not None and idea.bought == "unsure" and (idea.speed.better, idea.speed.worse) == (1, 1)

    def test_ideas_come_by_what_they_bought_and_the_latest_first(self) -> None:
        ideas = ideas_of(
            tried(1, "swap_pairs", 0.8, 2.0),
            tried(2, "cached_parts", 0.8, 2.0),
            tried(3, "sorted_rows", verdict=REJECTED),
            tried(4, "swap_pairs", 0.8, 2.0),
            tried(5, "sorted_rows", 0.8, 0.5),
        )
        assert [idea.first.id for idea in ideas.latest("better")] == ["e1", "e2"]
        assert [idea.first.id for idea in ideas.latest("worse")] == ["e3"] and not list(ideas.latest("invalid"))
        assert ideas.counts() == {"better": 2, "traded": 0, "worse": 1, "unsure": 0, "invalid": 0}

    def test_a_repair_is_a_try_of_the_idea_that_it_repairs_and_compares_with_a_scored_ancestor(self) -> None:
        ideas = ideas_of(
            tried(1, "swap_pairs", verdict=REJECTED),
            tried(2, "an_index_in_range", 0.8, 2.0, kind="repair", parents=("e1",)),
            tried(3, "cached_parts", verdict=NO_MATCH),
            tried(4, "search_text_as_it_stands", 0.8, 2.0, kind="repair", inspirations=("e3", "e2")),
            tried(5, "sorted_rows", 0.8, 2.0, kind="repair", parents=("e2",), inspirations=("e1",)),
        )
        idea = ideas.of("e1")
        assert idea is not None and idea is ideas.of("e2") and idea.best.id == "e2" and idea.bought == "better"
        assert ideas.of("e4") is ideas.of("e3") and ideas.of("e5") is idea

    def test_a_program_that_was_judged_before_is_measured_once(self) -> None:
        first = tried(1, "swap_pairs", 0.8, 2.0)
        ideas = ideas_of(
            first,
            tried(2, "exchange_couples", 0.8, 2.0, same_as="e1"),
            tried(3, "swap_pairs", 0.8, 2.0, same_as="e1"),
            tried(4, "undone", 0.8, 1.0, same_as="e0"),
        )
        idea = ideas.of("e1")
        assert idea is not None and idea is ideas.of("e2") and (idea.tries, idea.valid, idea.repeats) == (3, 1, 2)
        undone = ideas.of("e4")
        assert undone is not None and undone is not idea and undone.bought == "invalid"

    def test_what_says_nothing_or_was_never_answered_is_no_idea(self) -> None:
        ideas = ideas_of(
            tried(1, "", verdict=NO_MATCH),
            tried(2, "swap_pairs", verdict=Rejected(stage="patch", reason="no_reply", detail="a timeout")),
            tried(3, "swap_pairs", 0.9, 2.0, kind="import", parents=("root",)),
        )
        assert ideas.tries == 0 and all(ideas.of(f"e{number}") is None for number in range(4))

    def test_kinds_of_refusal_are_limited(self) -> None:
        refused = (Rejected(stage="validate", reason=f"reason_{n}", detail="") for n in range(40))
        ideas = ideas_of(*(tried(n, "swap_pairs", verdict=why) for n, why in enumerate(refused, start=1)))
        idea = ideas.of("e1")
        assert idea is not None and len(idea.refusals) == 9 and idea.refusals[OTHER] == 32

    def test_it_follows_growing_entries_and_starts_again_with_others(self) -> None:
        entries = [SEED, *(tried(n, f"{['swap', 'pairs', 'rows', 'parts'][n % 4]}_{n}", 0.8, n) for n in range(1, 12))]
        grown, fresh = Ideas(), Ideas()
        for count in range(len(entries) + 1):
            grown.follow(entries[:count])
        fresh.follow(entries)
        order: Callable[[Ideas], list[str]] = lambda ideas: [idea.first.id for idea in ideas.latest("better")]  # noqa: E731
        assert order(grown) == order(fresh) and grown.counts() == fresh.counts()
        grown.follow(entries[:3])
        assert grown.tries == 2
