"""Claims of another framework beside measurements: which gains hold, and how claims rank programs."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from evaluator import DEFAULT_TASK, TASKS
from evaluator.types import Verdict
from harness.readings.claims import Claims, claim_words, claims, correlation, usual_score
from harness.report import claims_view
from harness.types import Claimed, Entry
from tests.harness.builders import REJECTED, entry, scored


def claimed(number: int, score: float, verdict: Verdict, parent: int = 0, **scores: float) -> Entry:
    said = Claimed(framework="shinka", id=f"p{number}", scores={"combined_score": score, **scores})
    return replace(entry(number, verdict, kind="import", parents=(f"e{parent}",)), claimed=said)


ENTRIES = (
    claimed(0, 0.5, scored(0.80, 1.0)),
    claimed(1, 0.6, scored(0.90, 1.0)),  # better
    claimed(2, 0.7, scored(0.70, 0.5), parent=1),  # worse in both
    claimed(3, 0.6, scored(0.85, 0.5)),  # better and slower
    claimed(4, 0.9, scored(0.80, 1.01)),  # no sure change
    claimed(5, 0.8, REJECTED),
    claimed(6, 0.95, scored(0.9, 3.0), parent=5),  # of a parent without a score
    claimed(7, 0.5, scored(0.9, 3.0)),  # claims nothing
    entry(8, scored(0.9, 9.0)),  # was not imported
)


def found(score: str = "combined_score", entries: tuple[Entry, ...] = ENTRIES) -> Claims:
    by_id = {one.id: one for one in entries}
    return claims(entries, by_id.get, score)


def test_a_claimed_gain_holds_is_refuted_or_stays_open() -> None:
    result = found()
    assert {pair.child.number: pair.result for pair in result.pairs} == {
        1: "holds",
        2: "refuted",
        3: "trade",
        4: "undecided",
        5: "refuted",
        6: "not comparable",
    }
    assert (result.equal, len(result.entries), result.count("refuted")) == (1, 8, 2)
    assert result.pairs[0].claimed == pytest.approx(0.1)
    assert result.quality.programs == result.speed.programs == 7


def test_the_score_that_counts() -> None:
    assert usual_score(ENTRIES) == usual_score([]) == usual_score(ENTRIES[-1:]) == "combined_score"
    rows = ({"a": 1.0}, {"a": 1.0, "b": 2.0}, {"b": 1.0}, {"c": 1.0})
    others = [replace(entry(0, REJECTED), claimed=Claimed(framework="gepa", id="x", scores=row)) for row in rows]
    assert usual_score(others) == "a"


def test_another_score_may_be_compared() -> None:
    assert found("nothing") == Claims(
        name="nothing", entries=(), pairs=(), equal=0, quality=correlation([], []), speed=correlation([], [])
    )


def test_rank_correlation_of_known_rows() -> None:
    assert correlation([1, 2, 3, 4, 5], [2, 4, 6, 8, 9]).rho == pytest.approx(1.0)
    assert correlation([1, 2, 3, 4], [9, 7, 3, -2]).rho == pytest.approx(-1.0)
    # Spearman's own form without ties: 1 - 6 * sum(d^2) / (n (n^2 - 1)), here with d = 1, 1, 0, 2, 2.
    swapped = correlation([1, 2, 3, 4, 5], [20, 10, 30, 60, 40])
    assert swapped.rho == pytest.approx(1 - 6 * 4 / (5 * 24))
    half = 1.959964 * math.sqrt(1.06 / 2)
    assert math.atanh(swapped.high) - math.atanh(swapped.rho or 0) == pytest.approx(half)
    assert correlation([1, 1, 2], [5, 6, 7]).rho == pytest.approx(math.sqrt(3) / 2)  # a tie


@pytest.mark.parametrize("rows", [([], []), ([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [4, 4, 4])])
def test_rank_correlation_is_not_always_defined(rows: tuple[list[float], list[float]]) -> None:
    assert correlation(*rows).rho is None


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=12))
def test_rank_correlation_depends_on_ranks_alone(pairs: list[tuple[int, int]]) -> None:
    first, second = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    result = correlation(first, second)
    if result.rho is None:
        assert len(set(first)) == 1 or len(set(second)) == 1
        return
    assert -1 <= result.low <= result.rho <= result.high <= 1
    assert correlation(second, first).rho == pytest.approx(result.rho)
    assert correlation([math.exp(a) for a in first], second).rho == pytest.approx(result.rho)
    assert correlation([-a for a in first], second).rho == pytest.approx(-result.rho)


def test_claims_are_shown_in_80_columns() -> None:
    screen = Console(file=io.StringIO(), width=80)
    named = tuple(replace(one, name=f"a rather long name of program {one.number}\x1b[2J") for one in ENTRIES)
    screen.print(claims_view.view(found(entries=named), TASKS[DEFAULT_TASK]({})))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 80
    words = " ".join(text.split())
    assert "claimed gains: 6 (holds 1, refuted 2, trade 1, undecided 1, not comparable 1)" in words
    assert "equal claims of child and parent: 1" in words
    assert "rejected at run: exception" in " ".join(text.split())


def test_claims_as_values() -> None:
    record = claims_view.record(found())
    assert record["counts"] == {"holds": 1, "refuted": 2, "trade": 1, "undecided": 1, "not comparable": 1}
    first = record["pairs"][0]
    assert (first["child"], first["parent"], first["result"], first["times_as_fast"]) == (1, 0, "holds", None)
    assert record["rank_correlation"]["quality"]["programs"] == 7
    assert str(claims_view.view(found("nothing"), TASKS[DEFAULT_TASK]({}))) == "no program has a claimed nothing"
    empty = claims_view.record(found("nothing"))
    assert empty["rank_correlation"]["speedup"] == {"programs": 0, "rho": None, "low": None, "high": None}


def test_claims_in_words() -> None:
    said = Claimed(framework="shinka", id="p", scores={"combined_score": 0.65553859, "a\nb": 1.0})
    assert claim_words(said) == "combined_score 0.655539, a b 1"
    assert claim_words(replace(said, scores={})) == "no score"
    with pytest.raises(ValueError, match="expected finite scores"):
        Claimed(framework="shinka", id="p", scores={"a": math.inf})
