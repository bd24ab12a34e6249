"""The panel of a running search: what it says, and that it fits whatever window it is in."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from evaluator import Interval
from harness.gate import gated_standing as standing
from harness.report.live_view import Limit, Live, duration, panel, times_as_fast
from harness.select import Pareto
from harness.types import Entry
from tests.harness.builders import entry, scored

HOSTILE = "\x1b[2J\r\nname\x07 of\u202e two\tlines 名前" * 4


def state(count: int = 3, name: str = "", **more: object) -> Live:
    """A search whose programs are each a tenth slower and better than the one before."""
    entries: list[Entry] = [
        entry(number, scored(0.8 + number / 1000, 2.0 - number / 10, gain=0.0, gain_noise=0.0001))
        for number in range(count)
    ]
    if name:
        entries = [replace(one, name=name) for one in entries]
    values: dict[str, object] = {
        "run": "quickstart",
        "quality": "balance",
        "reference": "greedy.py",
        "standing": standing(entries, Pareto(epsilon=0.5)),
        "scored": max(0, count - 1),
    }
    return Live(**(values | more))  # type: ignore[arg-type]


def text(live: Live, width: int = 80, height: int = 40) -> str:
    return "\n".join(line.plain for line in panel(live, width, height))


def test_it_says_where_the_search_stands() -> None:
    live = state(
        rejected={"patch": 2, "run": 1},
        known=4,
        made=6,
        elapsed_s=120.0,
        judge_s=75.0,
        models=True,
        usd=0.5,
        tokens=12_345,
        calls=9,
        asked=3,
        waiting=2,
        limits=[
            Limit(name="attempts", limit=18, used=9, lately=6),
            Limit(name="usd", limit=2.0, used=0.5, lately=0.5),
            Limit(name="patience", limit=100, used=7),
        ],
        now=["ticket 12, swap: timing tiny (1 of 2)"],
    )
    shown = text(live)
    assert "── quickstart · 2:00 ─" in shown
    assert "attempts  9 made, 2 scored, 3 rejected (patch 2, run 1), 4 known already" in shown
    assert "best      0 attempt 0, balance 0.8000 ±.0001, 2.00x [1.96, 2.04] over greedy.py" in shown
    assert "$0.5000 of $2.00 spent, 9 calls, 12.3k tokens, 3 in flight" in shown and "75 s of judging" in shown
    assert "3.0 attempts a minute, about 3 min left" in shown, "the attempts end before the dollars do"
    assert "██████████░░░░░░░░░░ 9 of 18 attempts" in shown, "the limit that is used up most"
    assert shown.splitlines()[-1] == "now       ticket 12, swap: timing tiny (1 of 2)"


def test_the_champion_is_compared_with_the_seed_program() -> None:
    entries = [entry(0, scored(0.8, 0.5)), entry(1, scored(0.8, 2.0))]
    shown = text(state(standing=replace(standing(entries, Pareto()), best=entries[1])))
    assert "best      1 attempt 1, balance 0.8000, 2.00x [1.96, 2.04] over greedy.py" in shown
    assert "4.00x [3.84, 4.16] as fast as the seed program" in shown
    outer = Interval(median=4.0, low=1.96 / 0.51, high=2.04 / 0.49)
    ratio = times_as_fast(Interval(median=2, low=1.96, high=2.04), Interval(median=0.5, low=0.49, high=0.51))
    assert ratio is not None and ratio == outer
    assert times_as_fast(outer, Interval(median=1, low=0, high=2)) is None


def test_a_long_front_is_cut_and_keeps_the_champion() -> None:
    lines = text(state(12)).splitlines()
    rows = [line for line in lines if "±.0001 " in line and "balance" not in line]
    assert len(rows) == 5 and "   0 attempt 0" in rows[0] and rows[0].endswith("best")
    assert any(line.endswith("and 7 more") for line in lines)


def test_before_the_seed_program_is_judged() -> None:
    lines = text(state(0)).splitlines()
    assert lines[1].endswith("0 made, 0 scored") and "none yet: the seed program comes first" in lines[2]
    assert lines[-1] == "now       starting"
    assert text(state(0, models=True, asked=1)).endswith("waiting for 1 answer")


def test_low_windows_lose_the_front_first_and_keep_what_is_judged_now() -> None:
    live = state(6, limits=[Limit(name="minutes", limit=5, used=1, lately=1)], now=["ticket 7: loading"])
    whole = text(live).splitlines()
    less = text(live, height=len(whole) - 1).splitlines()
    assert any(line.startswith("front") for line in whole) and not any(line.startswith("front") for line in less)
    assert text(live, height=2) == text(live, height=1) == "now       ticket 7: loading"
    assert panel(live, 80, 0) == []


limits = st.builds(
    Limit,
    name=st.sampled_from(["attempts", "minutes", "judge_s", "patience", "usd", "tokens", "calls"]),
    limit=st.floats(1e-6, 1e12),
    used=st.floats(0, 1e12),
    lately=st.floats(0, 1e12),
)


@settings(max_examples=30, deadline=None)
@given(
    width=st.integers(-1, 200),
    height=st.integers(-1, 40),
    count=st.integers(0, 9),
    elapsed_s=st.floats(0, 1e9),
    found=st.lists(limits, max_size=3),
    now=st.lists(st.text(max_size=9), max_size=2),
)
@example(width=0, height=1, count=0, elapsed_s=0.0, found=[], now=[])
def test_it_fits_every_window_and_controls_nothing(
    width: int, height: int, count: int, elapsed_s: float, found: list[Limit], now: list[str]
) -> None:
    live = state(
        count, HOSTILE, run=HOSTILE, made=count, elapsed_s=elapsed_s, limits=found, now=now, rejected={HOSTILE: 2}
    )
    lines = panel(live, width, height)
    assert len(lines) <= max(0, height)
    for line in lines:
        assert cell_len(line.plain) <= max(1, width), line.plain
        assert line.plain.isprintable(), "no character moves the cursor"


@pytest.mark.parametrize("width", [60, 80])
def test_no_figure_of_the_champion_is_cut_in_60_columns(width: int) -> None:
    shown = text(state(4, HOSTILE), width=width)
    assert "[1.96, 2.04] over greedy.py" in shown and "balance 0.8000 ±.0001" in shown


def test_times_in_words() -> None:
    said = [duration(seconds) for seconds in (0, 99.4, 99.6, 5969, 5971, 7200, 1e6)]
    assert said == ["0 s", "99 s", "2 min", "99 min", "1 h 40 min", "2 h", "12 days"]


def test_a_limit_lasts_as_long_as_its_rate_says() -> None:
    assert Limit(name="usd", limit=4, used=1, lately=0.5).seconds_left(10) == 60
    assert Limit(name="usd", limit=4, used=1).seconds_left(10) == math.inf
    assert Limit(name="usd", limit=4, used=9, lately=1).seconds_left(10) == 0
