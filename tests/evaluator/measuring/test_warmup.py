"""When calls no longer get faster, on synthetic sequences of times."""

from __future__ import annotations

import numpy as np
import pytest

from evaluator.measuring.timing import Pair, TimedPair, measure
from evaluator.measuring.warmup import MOST, SLOW_START, WINDOW, cold, falling, form, starting
from evaluator.settings import TimingSettings
from evaluator.types import Call, Value


def calls_until_warm(times: list[float], *, least: int = 1, room_s: float = 60.0) -> int:
    """How many of these times (milliseconds, equal for both programs) pass before the measurement begins."""
    pairs: list[tuple[int, int]] = []
    while cold(pairs, least=least, room_s=room_s):
        time_ns = round(times[min(len(pairs), len(times) - 1)] * 1e6)
        pairs.append((time_ns, time_ns))
    return len(pairs)


@pytest.mark.parametrize(
    ("times", "calls"),
    [
        ([2.0], 2 * WINDOW),
        ([500.0, 20.0, 2.0], 2 * WINDOW + 1),
        ([10.0, 10.0, 10.0, 9.7], 2 * WINDOW),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2 * WINDOW),
        ([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 3.0], 11),
    ],
)
def test_calls_until_times_are_steady(times: list[float], calls: int) -> None:
    assert calls_until_warm(times) == calls


def test_single_slow_call_does_not_matter() -> None:
    assert calls_until_warm([2.0, 2.0, 90.0, 2.0]) == 2 * WINDOW


def test_warm_up_stops_when_its_time_is_spent() -> None:
    ever_faster = [100.0 * 0.9**n for n in range(200)]
    assert calls_until_warm(ever_faster) == MOST
    assert calls_until_warm(ever_faster, room_s=0.5) == 3
    assert calls_until_warm(ever_faster, room_s=0.0) == 1, "the least is made whatever it takes"
    assert calls_until_warm(ever_faster, room_s=0.0, least=4) == 4


def test_both_programs_must_be_warm() -> None:
    steady, slowing = [2_000_000] * 8, [int(2e6 * 0.8**n) for n in range(8)]
    assert not cold(list(zip(steady, steady, strict=True)), least=1, room_s=60)
    assert cold(list(zip(steady, slowing, strict=True)), least=1, room_s=60)
    assert cold(list(zip(slowing, steady, strict=True)), least=1, room_s=60)


def test_noise_costs_few_calls() -> None:
    rng = np.random.default_rng(0)
    counts = [calls_until_warm(list(2.0 * np.exp(0.03 * rng.standard_normal(MOST)))) for _ in range(300)]
    assert np.mean(counts) < 7 and max(counts) < 15


@pytest.mark.parametrize(("times", "still"), [([], True), ([3, 2], True), ([5] * 6, False), ([9, 9, 9, 5, 5, 5], True)])
def test_falling(times: list[int], still: bool) -> None:
    assert falling(times) is still


def call(weight: Value, old: Value = None, **offered: Value) -> Call:
    return Call(args=(weight, 8, 4), offered={"old": old, **offered})


def test_calls_have_one_form_where_a_compiler_sees_the_same_types() -> None:
    weight = np.ones((3, 4), np.float32)
    assert form(call(weight)) == form(call(np.zeros((58, 256), np.float32)))
    others = [
        call(weight.astype(np.float64)),
        call(weight.astype(np.int64)),
        call(weight[None]),
        call(weight, old=np.ones((3, 4), np.int64)),
        call(weight, history=weight),
        Call(args=(weight, 8.0, 4), offered={"old": None}),
    ]
    assert len({form(one) for one in (call(weight), *others)}) == len(others) + 1
    one, other = {"a": 1, "b": weight}, {"b": weight, "a": 1}
    assert form(Call(args=(), offered=one)) == form(Call(args=(), offered=other))


def test_either_program_can_start_slowly() -> None:
    assert starting((30, 100), (10.0, 100.0)) and starting((10, 300), (10.0, 100.0))
    assert not starting((int(10 * SLOW_START), 100), (10.0, 100.0))


@pytest.mark.parametrize(("until_steady", "warmups"), [(False, 1), (True, 2 * WINDOW + 1)])
def test_measuring_begins_when_programs_are_warm(until_steady: bool, warmups: int) -> None:
    """A fixed number of warm-ups leaves cold calls among the samples; on a GPU every round warms up until steady."""
    cold_ms = [50.0, 9.0, 2.0]
    calls: list[int] = []

    def begin(_: bool) -> list[TimedPair]:
        calls.append(0)

        def pair(_: bool, *, warm_up: bool = False) -> Pair:
            calls[-1] += 1
            time_ns = round(cold_ms[min(calls[-1], len(cold_ms)) - 1] * 1e6)
            return Pair(
                candidate_ns=time_ns,
                reference_ns=time_ns,
                candidate_quality=1.0,
                reference_quality=1.0,
                call=calls[-1],
                draw=calls[-1],
            )

        return [pair]

    settings = TimingSettings(budget_s=1000.0, round_pairs=4, max_pairs=8)
    rng = np.random.default_rng(0)
    (samples,) = measure(
        begin, settings, budget_s=1000.0, rounds=2, enough=lambda _: False, rng=rng, until_steady=until_steady
    )
    assert calls == [warmups + 4] * 2
    assert (max(samples.candidate_us) > 2000) is not until_steady
