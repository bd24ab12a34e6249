"""The order of timed calls, how rounds share the time, when measuring stops, and the warning about a noisy machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from evaluator.measuring import stats
from evaluator.measuring.timing import DISTURBED, PATIENCE, NoiseProbe, Pair, TimedPair, measure
from evaluator.settings import TimingSettings
from evaluator.types import Samples


class Script:
    """Programs of given call times on a simulated clock. `log` holds a line per round, with R or C for each call."""

    def __init__(
        self,
        call: Callable[[int], tuple[float, float]] = lambda _: (0.002, 0.002),
        cases: int = 1,
        start_s: float = 0.05,
    ) -> None:
        """`call`: seconds of the candidate's and of the reference's call, by the number of pairs taken before."""
        self.call, self.cases, self.start_s = call, cases, start_s
        self.now_s, self.pairs = 0.0, 0
        self.first: list[str] = []
        self.log: list[list[str]] = []

    def clock(self) -> float:
        return self.now_s

    def begin(self, reference_first: bool) -> Sequence[TimedPair]:
        self.now_s += self.start_s
        self.first.append("R" if reference_first else "C")
        self.log.append([""] * self.cases)
        return [partial(self._pair, at) for at in range(self.cases)]

    def _pair(self, at: int, reference_first: bool, *, warm_up: bool = False) -> Pair:
        candidate, reference = self.call(self.pairs)
        self.pairs += 1
        self.now_s += candidate + reference
        self.log[-1][at] += "RC" if reference_first else "CR"
        return Pair(
            candidate_ns=round(candidate * 1e9),
            reference_ns=round(reference * 1e9),
            candidate_quality=0.9 + self.pairs / 3e6,
            reference_quality=0.8,
            call=self.pairs,
            draw=self.pairs,
        )

    def measure(
        self,
        settings: TimingSettings,
        *,
        rounds: int = 5,
        enough: Callable[[Sequence[Samples]], bool] = lambda _: False,
        seed: int = 0,
    ) -> tuple[Samples, ...]:
        return measure(
            self.begin,
            settings,
            budget_s=settings.budget_s * self.cases,
            rounds=rounds,
            enough=enough,
            rng=np.random.default_rng(seed),
            clock=self.clock,
        )


def test_calls_are_in_blocks_after_a_warm_up_and_the_first_program_is_random() -> None:
    script = Script()
    script.measure(TimingSettings(budget_s=5, warmups=2, round_pairs=4, max_pairs=80))
    other = {"R": "C", "C": "R"}
    for first, (calls,) in zip(script.first, script.log, strict=True):
        a, b = first, other[first]
        assert calls == 2 * (a + b) + a + b + b + a + b + a + a + b
    assert {"R", "C"} == set(script.first)


def test_running_right_after_itself_helps_no_program() -> None:
    """Equal programs have equal times in every round, whichever goes first, and the intervals see no scatter."""

    class Cached(Script):
        def _pair(self, at: int, reference_first: bool, *, warm_up: bool = False) -> Pair:
            before = self.log[-1][at][-1:]
            first, second = ("R", "C") if reference_first else ("C", "R")
            spent = {first: 1900 if first == before else 2000, second: 2000}
            taken = super()._pair(at, reference_first, warm_up=warm_up)
            return replace(taken, candidate_ns=spent["C"] * 1000, reference_ns=spent["R"] * 1000)

    script = Cached()
    (samples,) = script.measure(TimingSettings(budget_s=1, round_pairs=8))
    assert {"R", "C"} == set(script.first) and set(samples.rounds) == {8}
    assert set(samples.candidate_us) == {1900, 2000}
    assert stats.round_values([samples]) == pytest.approx([0.0] * len(samples.rounds))
    few = Samples(candidate_us=samples.candidate_us[:8], reference_us=samples.reference_us[:8], rounds=(8,))
    assert stats.combined_speedup([few]).high == pytest.approx(math.exp(stats.PROCESS_SPREAD))


def test_another_random_state_gives_another_order() -> None:
    firsts = []
    for seed in (1, 2):
        script = Script()
        script.measure(TimingSettings(budget_s=3), seed=seed)
        firsts.append(script.first)
    assert firsts[0] != firsts[1]


def test_warm_ups_are_not_samples() -> None:
    script = Script(lambda number: (0.9, 0.9) if number == 0 else (0.001, 0.002))
    (samples,) = script.measure(TimingSettings(budget_s=2.0, max_pairs=10))
    assert set(samples.candidate_us) == {1000} and set(samples.reference_us) == {2000}


def test_slow_programs_are_warmed_up_once_and_take_one_pair_per_round() -> None:
    script = Script(lambda _: (1.0, 1.0))
    (samples,) = script.measure(TimingSettings(budget_s=0.8))
    assert samples.rounds == (1, 1, 1)
    assert [len(calls) // 2 for (calls,) in script.log] == [2, 1, 1]


@pytest.mark.parametrize("slow", ["candidate", "reference"])
def test_a_slow_start_of_processes_that_are_not_warmed_up_is_not_timed(slow: str) -> None:
    script = Script()

    def call(_: int) -> tuple[float, float]:
        starting = len(script.log[-1][0]) == 0
        candidate, reference = (0.01, 1.0) if slow == "candidate" else (1.0, 0.01)
        late = 3.0 if starting else 0.0
        return (candidate + late, reference) if slow == "candidate" else (candidate, reference + late)

    script.call = call
    (samples,) = script.measure(TimingSettings(budget_s=0.8))
    assert samples.rounds == (1, 1, 1)
    assert {*samples.candidate_us, *samples.reference_us} == {10_000, 1_000_000}
    assert [len(calls) // 2 for (calls,) in script.log] == [2, 2, 2]


def test_a_program_that_is_slow_at_its_second_call_is_timed_as_it_is() -> None:
    """Only a first pair is left out: what happens later is a property of the program."""
    script = Script()
    script.call = lambda _: (4.0 if len(script.log[-1][0]) == 2 and len(script.log) > 1 else 1.0, 0.1)
    (samples,) = script.measure(TimingSettings(budget_s=20.0, round_pairs=2, max_pairs=6))
    assert max(samples.candidate_us) == 4_000_000


def test_rounds_hold_whole_blocks_and_at_most_round_pairs() -> None:
    script = Script(lambda number: (0.01 + number % 7 / 100, 0.02))
    (samples,) = script.measure(TimingSettings(budget_s=2.0, round_pairs=6))
    assert set(samples.rounds) <= {1, 2, 4, 6}
    assert sum(samples.rounds) == len(samples.candidate_us)


def test_time_is_shared_by_several_rounds_and_all_cases() -> None:
    script = Script(lambda _: (0.02, 0.02), cases=2)
    samples = script.measure(TimingSettings(budget_s=2.0, round_pairs=1000))
    assert [len(case.rounds) for case in samples] == [len(script.log)] * 2
    assert len(script.log) >= 4
    assert 4.0 <= script.now_s < 6.0


def test_start_of_processes_counts_as_time_spent() -> None:
    script = Script(start_s=0.2)
    (samples,) = script.measure(TimingSettings(budget_s=2.0), rounds=20)
    assert 2.0 <= script.now_s < 2.3 and len(samples.rounds) < 20


def test_slow_starts_do_not_keep_a_program_from_its_rounds() -> None:
    script = Script(start_s=1.0)
    (samples,) = script.measure(TimingSettings(budget_s=2.0), rounds=5)
    assert len(samples.rounds) == 5
    script = Script(start_s=3.0)
    (samples,) = script.measure(TimingSettings(budget_s=2.0), rounds=5)
    assert len(samples.rounds) == 3 and script.now_s >= PATIENCE * 2.0


def test_slow_calls_end_at_the_budget_before_all_rounds_are_taken() -> None:
    script = Script(lambda _: (0.5, 0.5), start_s=0.1)
    (samples,) = script.measure(TimingSettings(budget_s=3.0), rounds=20)
    assert len(samples.rounds) == 3


def test_stops_as_soon_as_enough_is_true() -> None:
    (samples,) = Script().measure(TimingSettings(budget_s=60), enough=lambda so_far: len(so_far[0].rounds) == 7)
    assert len(samples.rounds) == 7


def test_stops_at_max_pairs() -> None:
    (samples,) = Script().measure(TimingSettings(budget_s=60, max_pairs=27))
    assert samples.rounds == (12, 12, 3)


def test_min_pairs_are_taken_whatever_the_time_and_the_result() -> None:
    for settings in (TimingSettings(budget_s=1e-9), TimingSettings(budget_s=60, max_pairs=3)):
        (samples,) = Script().measure(settings, enough=lambda _: True)
        assert len(samples.candidate_us) >= 3
    (samples,) = Script().measure(TimingSettings(budget_s=1e-9, min_pairs=9))
    assert len(samples.candidate_us) >= 9


def test_pairs_stay_pairs_and_times_whole_microseconds() -> None:
    script = Script(lambda number: (999e-9, 0.0015009 + number))
    (samples,) = script.measure(TimingSettings(budget_s=1e-9, min_pairs=4))
    assert samples.candidate_us == (1, 1, 1, 1)  # below a microsecond is not zero
    assert samples.reference_us[0] == 1001500 and np.all(np.diff(samples.reference_us) == 10**6)


def test_times_and_qualities_of_a_pair_stay_together() -> None:
    """Warm-ups are left out of all of them, and qualities are stored to seven decimals."""
    script = Script(lambda number: ((number + 1) / 1000, 0.001))
    (samples,) = script.measure(TimingSettings(budget_s=1e-9, min_pairs=6))
    assert len(samples.calls) == len(samples.candidate_us) >= 6 and samples.calls[0] == 2
    assert samples.candidate_us == tuple(1000 * call for call in samples.calls)
    assert samples.candidate_quality == tuple(round(0.9 + call / 3e6, 7) for call in samples.calls)
    assert set(samples.reference_quality) == {0.8}


def test_errors_of_a_call_propagate() -> None:
    def fails(_: int) -> tuple[float, float]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Script(fails).measure(TimingSettings())


@pytest.mark.slow
def test_optional_stopping_does_not_make_a_program_faster_than_itself() -> None:
    """With the real order, clock and stopping rule: at most one wrong decision in 200, here in 80 runs."""
    rng, called = np.random.default_rng(8), 0

    def noisy(_: int) -> tuple[float, float]:
        common = 0.0019 * np.exp(0.4 * rng.standard_normal())
        first, second = common * np.exp(0.02 * rng.standard_t(2, 2))
        return float(first), float(second)

    def settled(so_far: Sequence[Samples]) -> bool:
        return stats.settled(so_far, stats.DECISION_LEVEL, 0.01, 1.0)

    for seed in range(80):
        samples = Script(noisy).measure(TimingSettings(budget_s=10), rounds=20, enough=settled, seed=seed)
        called += stats.compare(samples) != "undecided"
    assert called <= 2  # .4 expected at most


def test_probe_warns_of_a_disturbed_machine_only() -> None:
    probe = NoiseProbe()
    assert (probe.excess, probe.warnings()) == (0.0, ())
    probe.look()
    assert probe.excess >= 0
    steady, disturbed = NoiseProbe(), NoiseProbe()
    steady._loops_ns, disturbed._loops_ns = [100, 110, 120], [100, 100, 400]
    assert steady.excess == pytest.approx(0.1) and steady.warnings() == ()
    assert disturbed.excess == 1.0 > DISTURBED
    assert "100% longer" in disturbed.warnings()[0]
