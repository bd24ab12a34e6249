"""Rows of figures from entries, and parameters from a config."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.select import Pareto
from harness.trackers.parameters import parameters
from harness.trackers.rows import METRICS, Row, Rows
from harness.types import Entry, Unjudged
from tests.harness.builders import REJECTED, confirmed, entry, scored


def rows_of(entries: list[Entry]) -> list[Row]:
    rows = Rows(Pareto())
    return [rows.add(one) for one in entries]


def test_rows_hold_the_own_figures_the_best_so_far_and_the_sums() -> None:
    made = [entry(0, scored(0.5, 1.0)), entry(1, scored(0.5, 2.0)), entry(2, REJECTED), entry(3, scored(0.5, 1.5))]
    paid = [replace(one, usd=0.25, tokens=10) for one in confirmed(made, Pareto())]
    rows = rows_of([*paid, replace(entry(4, REJECTED), verdict=Unjudged())])
    assert [row.speedup for row in rows] == [1.0, 2.0, None, 1.5, None]
    assert [row.best_speedup for row in rows] == [1.0, 2.0, 2.0, 2.0, 2.0]
    assert [row.best_attempt for row in rows] == [0, 1, 1, 1, 1]
    assert [row.scored for row in rows] == [True, True, False, True, None]
    assert [row.total_usd for row in rows] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert (rows[3].total_tokens, rows[3].total_seconds, rows[3].seconds) == (40, 4.0, 1.0)
    assert rows[2].metrics.keys() == set(METRICS) - {"quality", "speedup"}
    assert rows[4].metrics.keys() == set(METRICS) - {"quality", "speedup", "scored"}
    assert rows[1].metrics["scored"] == 1.0


def test_parameters_are_flat_and_without_a_secret() -> None:
    config: dict[str, Any] = {
        "seed": 3,
        "device": None,
        "budget": {"attempts": 5, "tokens": 7},
        "proposer": {"error_texts": True, "context_tokens": 9000},
        "models": [
            {
                "name": "gpt\nx",
                "api_key_env": "SECRET",
                "api-key": "SECRET",
                "apiKeyName": "SECRET",
                "base_url": "https://SECRET:SECRET@host/v1?key=SECRET",
                "extra": {"extra_headers": {"X-Any": "SECRET"}, "Authorization": "SECRET", "top_k": 4},
                "access_token": "SECRET",
            }
        ],
    }
    assert parameters(config) == {
        "seed": 3,
        "budget.attempts": 5,
        "budget.tokens": 7,
        "proposer.error_texts": True,
        "proposer.context_tokens": 9000,
        "models.0.name": "gpt x",
        "models.0.base_url": "https://host/v1",
        "models.0.extra.top_k": 4,
    }


TREES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=400)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=300), inner, max_size=4)),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=20), TREES, max_size=4))
def test_any_config_gives_parameters_that_trackers_take(tree: dict[str, Any]) -> None:
    for name, value in parameters(tree).items():
        assert len(name) <= 200 and all(letter.isalnum() or letter in "_.-" for letter in name)
        assert not isinstance(value, str) or (len(value) <= 250 and value.isprintable())
        assert not isinstance(value, float) or not math.isnan(value)


def test_a_hostile_config_stays_small() -> None:
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"a": deep, "b": 1}
    assert len(parameters({"wide": list(range(10_000)), "deep": deep})) == 500
