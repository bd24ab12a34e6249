"""What it takes to become the best program: the fold, what is owed, and what passes a gate."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.fate import OpenDuel
from evaluator.types import Duel
from harness.gate import GATE_LEVEL, Allowed, GatedStanding, gated_standing, next_step, passes
from harness.select import Pareto, standing
from harness.types import Confirmation, Entry, Gate
from tests.harness.builders import confirmed, duel, entry, scored

OBJECTIVE = Pareto(epsilon=0.5)
SEED = replace(entry(0, scored(0.8, 1.0, gain=0.0)), gates=())


def claimant(number: int, speed: float, against: str | None, gate: Gate | None, quality: float = 0.8) -> Entry:
    """An entry that is faster, with a duel that it won and a gate."""
    won = () if against is None else (Confirmation(against=against, duel=duel(1.5, gain=0.0)),)
    gates = () if gate is None else (gate,)
    return replace(entry(number, scored(quality, speed, gain=0.0)), confirmations=won, gates=gates)


def gate(against: str, ratio: float = 1.5, gain: float = 0.0, **more: object) -> Gate:
    return Gate(against=against, duel=duel(ratio, level=GATE_LEVEL, gain=gain), **more)  # type: ignore[arg-type]


class TestAllowed:
    @pytest.mark.parametrize(
        ("mine", "theirs", "on_gate", "passed"),
        [
            ((0.80, 1.0), (0.80, 1.0), duel(1.0, gain=0.0), True),
            ((0.85, 1.0), (0.80, 1.0), duel(1.0, gain=0.0), True),  # better on the search, no worse on the gate
            ((0.85, 1.0), (0.80, 1.0), duel(1.0, gain=-0.002), False),  # better on the search only
            ((0.85, 1.0), (0.80, 1.0), duel(1.0, gain=0.0, gain_noise=0.002), False),  # perhaps worse
            ((0.80, 2.0), (0.80, 1.0), duel(0.95, gain=0.0), True),
            ((0.80, 2.0), (0.80, 1.0), duel(0.8, gain=0.0), False),  # faster on the search only
            ((0.79, 2.0), (0.80, 1.0), duel(2.0, gain=-0.01), True),  # a trade, as on the search
            ((0.79, 2.0), (0.80, 1.0), duel(2.0, gain=-0.02), False),
            ((0.85, 0.5), (0.80, 1.0), duel(0.5, gain=0.05), True),
            ((0.85, 0.5), (0.80, 1.0), duel(0.2, gain=0.05), False),
            ((0.85, 1.0), (0.80, 1.0), duel(1.0), False),  # no qualities
        ],
    )
    def test_a_program_may_give_up_what_it_does_on_the_search(
        self, mine: tuple[float, float], theirs: tuple[float, float], on_gate: Duel, passed: bool
    ) -> None:
        allowed = Allowed.by(scored(*mine).score, scored(*theirs).score)
        assert allowed.passed(on_gate) is passed
        assert not (passed and allowed.missed(on_gate))

    @given(gain=st.floats(-0.1, 0.1), noise=st.floats(0, 0.1), ratio=st.floats(0.1, 10), rounds=st.booleans())
    def test_a_duel_ends_when_it_is_passed_or_missed_and_never_is_both(
        self, gain: float, noise: float, ratio: float, rounds: bool
    ) -> None:
        allowed = Allowed.by(scored(0.8, 1.0).score, scored(0.8, 1.0).score)
        now = duel(ratio, noise=0.02, gain=gain, gain_noise=noise)
        assert not (allowed.passed(now) and allowed.missed(now))
        open_ = OpenDuel(duel=now, half_width=0.02, resolution=5e-4, enough_rounds=rounds, decided=False)
        assert allowed.told(open_) == (allowed.passed(now) or (rounds and allowed.missed(now)))


class TestBest:
    def test_without_held_out_loads_the_champion_is_the_best(self) -> None:
        speeds = (1.0, 1.5, 1.2, 3.0, 2.0, 4.0)
        entries = confirmed([entry(n, scored(0.8, speed)) for n, speed in enumerate(speeds)], OBJECTIVE)
        where = GatedStanding(objective=OBJECTIVE)
        for each in entries:
            where = where.add(each)
            assert where.best is where.champion
        assert where.best is entries[5] and where.search_only == ()

    def test_a_champion_that_passes_the_gate_is_the_best(self) -> None:
        entries = [SEED, claimant(1, 2.0, "e0", gate("e0"))]
        where = gated_standing(entries, OBJECTIVE)
        assert where.best is entries[1] is where.champion and where.search_only == ()

    @pytest.mark.parametrize(
        "failed",
        [gate("e0", gain=-0.05), gate("e0", ratio=0.5), Gate(against="e0", rejection="run: exception: it raised")],
    )
    def test_one_that_does_not_leads_the_search_and_is_not_the_best(self, failed: Gate) -> None:
        entries = [SEED, claimant(1, 2.0, "e0", failed)]
        where = gated_standing(entries, OBJECTIVE)
        assert where.best is SEED and where.champion is entries[1]
        assert where.search_only == (entries[1],)
        assert where.of_search == standing(entries, OBJECTIVE)
        assert where.without_gates.best is entries[1]
        assert {member.number for member in where.shown} == {0, 1}

    def test_a_gate_that_could_not_tell_says_nothing_against_a_program(self) -> None:
        unsure = Gate(against="e0", duel=duel(1.5, gain=0.0, gain_noise=0.01))
        where = gated_standing([SEED, claimant(1, 2.0, "e0", unsure)], OBJECTIVE)
        assert where.best is SEED and where.search_only == () and [entry.number for entry in where.untold] == [1]

    @pytest.mark.parametrize(("gain", "ratio"), [(-0.0009, 1.2), (0.0, 0.95)])
    def test_small_losses_do_not_add_up_along_the_best_programs(self, gain: float, ratio: float) -> None:
        where = gated_standing([SEED], OBJECTIVE)
        for number in range(1, 13):
            assert where.best is not None and where.champion is not None
            won = Confirmation(against=where.champion.id, duel=duel(1.2, gain=0.0))
            more = () if where.champion is where.best else (Confirmation(against=where.best.id, duel=won.duel),)
            held = gate(where.best.id, ratio, gain)
            one = replace(entry(number, scored(0.8, 1.2**number, gain=0.0)), confirmations=(won, *more), gates=(held,))
            where = where.add(one)
        assert where.best is not None and 3 <= where.best.number <= 6
        assert where.champion is not None and where.champion.number == 12 == where.best.number + len(where.search_only)

    def test_an_attempt_without_its_gate_is_not_the_best(self) -> None:
        for held in (None, gate("another")):
            assert gated_standing([SEED, claimant(1, 2.0, "e0", held)], OBJECTIVE).best is SEED

    def test_a_gate_without_a_won_duel_counts_for_nothing(self) -> None:
        where = gated_standing([SEED, claimant(1, 2.0, None, gate("e0"))], OBJECTIVE)
        assert where.best is SEED is where.champion and where.search_only == ()

    def test_a_best_program_that_failed_has_lost(self) -> None:
        held = Gate(against="e0", failure="it failed")
        entries = [SEED, claimant(1, 2.0, "e0", held)]
        assert passes(held, entries[1], SEED)
        assert gated_standing(entries, OBJECTIVE).best is entries[1]

    def test_a_later_program_becomes_the_best_without_leading_the_search(self) -> None:
        overfit = claimant(1, 4.0, "e0", gate("e0", gain=-0.05))
        duel_with_best = Confirmation(against="e0", duel=duel(2.0, gain=0.0))
        honest = claimant(2, 2.0, None, gate("e0", search=duel_with_best))
        where = gated_standing([SEED, overfit, honest], OBJECTIVE)
        assert where.champion is overfit and where.best is honest and where.search_only == (overfit,)
        lost = claimant(2, 2.0, None, Gate(against="e0", search=Confirmation(against="e0", duel=duel(1.0, gain=0.0))))
        assert gated_standing([SEED, overfit, lost], OBJECTIVE).best is SEED


class TestNextStep:
    def owes(self, where: GatedStanding, one: Entry) -> str:
        assert one.scored is not None
        return next_step(where, one.program_id, "", one.scored, one.confirmations, one.gates or ())

    def test_a_program_that_beats_the_best_owes_a_gate_once(self) -> None:
        where = gated_standing([SEED], OBJECTIVE)
        assert self.owes(where, claimant(1, 2.0, "e0", None)) == "gate"
        assert self.owes(where, claimant(1, 2.0, "e0", gate("e0"))) == "none"
        assert self.owes(where, claimant(1, 2.0, None, None)) == "none"  # it owes the duel with the champion first
        assert self.owes(where, claimant(1, 1.0, "e0", None)) == "none"
        assert self.owes(GatedStanding(objective=OBJECTIVE), SEED) == "none"

    def test_where_another_program_leads_it_owes_a_duel_with_the_best_first(self) -> None:
        where = gated_standing([SEED, claimant(1, 4.0, "e0", gate("e0", gain=-0.05))], OBJECTIVE)
        assert self.owes(where, claimant(2, 2.0, None, None)) == "duel"
        assert self.owes(where, claimant(2, 2.0, "e0", None)) == "gate"


def test_a_gate_says_one_thing() -> None:
    with pytest.raises(ValueError, match="either a duel, a failure or a rejection"):
        Gate(against="e0")
    with pytest.raises(ValueError, match="either a duel, a failure or a rejection"):
        Gate(against="e0", failure="x", rejection="y")
