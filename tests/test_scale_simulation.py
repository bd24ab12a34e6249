"""The simulation of a search: what saturates in it saturates where arithmetic says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.benchmarks.scale_simulation import Costs, simulate, table

COSTS = Costs(loop_ms=4.0, tokens_per_minute=1e12)
MEAN_S = (1 - COSTS.rejected) * COSTS.judge_s + COSTS.rejected * COSTS.rejected_s


def test_few_workers_are_all_busy() -> None:
    found = simulate(COSTS, 20, attempts=2000)
    assert found.judges_busy > 0.9 and found.limit == "judges"
    assert found.attempts_per_s == pytest.approx(20 / MEAN_S, rel=0.15)


def test_the_searchs_one_thread_ends_the_growth() -> None:
    found = simulate(COSTS, 5000, attempts=6000)
    assert found.attempts_per_s <= 1000 / COSTS.loop_ms * 1.02
    assert found.attempts_per_s == pytest.approx(1000 / COSTS.loop_ms, rel=0.1)
    assert found.limit == "the search's one thread"


def test_the_providers_limit_holds() -> None:
    limited = replace(COSTS, tokens_per_minute=600 * COSTS.tokens)
    found = simulate(limited, 1000, attempts=2000)
    assert found.attempts_per_s <= 10.5 and found.limit == "model calls"


def test_islands_multiply_the_writers() -> None:
    one, many = simulate(COSTS, 4000, attempts=6000), simulate(COSTS, 4000, attempts=6000, islands=8)
    assert many.attempts_per_s > 2 * one.attempts_per_s and many.loop_busy < one.loop_busy


def test_a_table_is_the_same_for_the_same_seed() -> None:
    assert table(COSTS, 1e6, sizes=(10, 50)) == table(COSTS, 1e6, sizes=(10, 50))
