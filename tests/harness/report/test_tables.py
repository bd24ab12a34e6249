"""How scores are shown: quality with its interval, in 80 columns, and the lines below a verdict."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from evaluator import TASKS, Interval, Rejected, Scored, Task
from evaluator.types import Stage
from harness.accounts import Booked
from harness.gate import gated_standing as standing
from harness.readings.comparable import groups, members
from harness.readings.lineage import lineage, quality_change
from harness.report import attempts, duels_view, flat, graph_view, jsonl, lineage_view, measurements_view, status_view
from harness.report.tables import (
    change_table,
    credited,
    in_the_pass,
    loads_in,
    metrics_table,
    points_interval,
    rejected_text,
    verdict_table,
    with_half_width,
)
from harness.select import Pareto
from harness.types import Confirmation, Entry, Measurement
from tests.harness.builders import ENVIRONMENT, duel, entry, scored
from tests.harness.qualities import SECRET, judged

TASK: Task = TASKS["eplb"]({})
NAMES = ("hier-ep32", "global-ep72", "hier-ep32-tight", "global-ep32-tight")
LONG = "a_name_that_is_much_too_long_for_any_table_of_80_columns_and_goes_on"


def verdict(quality: float = 0.9, speed: float = 0.0123, *, gain: float = -0.0456, seed: int = 0) -> Scored:
    """A score on cases with long names, of a slow program, with wide cells."""
    plain = scored(quality, speed)
    [case] = plain.score.cases
    metrics = {column.key: 0.8765 for column in TASK.columns}
    cases = tuple(
        replace(case, quality=replace(case.quality, case=name, metrics=metrics), runtime_ms=4321.0) for name in NAMES
    )
    score = replace(plain.score, cases=cases, metrics=metrics, runtime_ms=4321.0)
    return judged(replace(plain, score=score), gain=gain, scatter=0.004, seed=seed)


def shown(what: RenderableType) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(what)
    return console.export_text()


def wide(number: int, *, paid: bool = False, parents: tuple[str, ...] = ("e0",), gain: float = -0.0456) -> Entry:
    made = entry(number, verdict(gain=gain, seed=number), parents=parents)
    return replace(made, name=LONG, usd=123.45 if paid else 0.0, tokens=123_456 if paid else 0)


@given(st.floats(0, 1), st.floats(0, 0.1), st.floats(0, 0.1))
def test_a_quality_is_shown_with_the_larger_half_of_its_interval(value: float, below: float, above: float) -> None:
    text = with_half_width(Interval(median=value, low=value - below, high=value + above))
    quality, half = text.split(" ±")
    assert float(quality) == pytest.approx(value, abs=6e-5)
    assert float(f"0{half}") == pytest.approx(max(below, above), abs=6e-5) and half.startswith(".")


def test_only_scores_with_a_gain_have_an_interval() -> None:
    old, new = scored(0.9, 2.0).score, judged(scored(0.8, 2.0), gain=0.0, scatter=0.0).score
    assert credited(old) == credited(old.cases[0]) == "0.9000"
    assert credited(new) == credited(new.cases[0]) == "0.9000 ±.0000", "what counts is not the quality in the pass"


def test_points_have_signs_and_an_interval() -> None:
    assert points_interval(Interval(median=0.0016, low=0.001, high=0.0022)) == "+0.16 [+0.10, +0.22]"
    assert points_interval(Interval(median=-0.0016, low=-0.0016, high=-0.0016)) == "-0.16"


def test_half_widths_of_a_change_are_added_in_quadrature() -> None:
    mine = Interval(median=0.9, low=0.897, high=0.902)
    other = Interval(median=0.8, low=0.799, high=0.804)
    found = quality_change(mine, other)
    assert found.median == pytest.approx(0.1) and found.high - found.median == pytest.approx(0.005)
    huge = Interval(median=1e308, low=-1e308, high=1e308)
    assert quality_change(huge, huge).low <= -1e308, "a record may hold anything"
    assert quality_change(huge, replace(huge, median=-1e308)).median == math.inf


def test_the_verdict_shows_what_counts_and_names_the_pass() -> None:
    found = judged(scored(0.75, 2.0), gain=0.01, scatter=0.0)
    text = shown(verdict_table(found, program="mine", task=TASK))
    [row] = [line.split() for line in text.splitlines() if line.startswith("toy")]
    assert row[1:5] == ["0.9100", "±.0000", "1.0000", "9.00"], "the gap is that of what counts"
    assert "in the pass over the cases of the seed, which repeats to the last digit: 0.7500" in text
    assert in_the_pass(scored(0.75, 2.0).score) == ""
    assert "of the pass" in shown(metrics_table(found, program="mine"))


def test_every_table_fits_80_columns_and_no_figure_is_cut() -> None:
    seed = replace(entry(0, verdict(speed=1.0, gain=0.0)), name="seed")
    chain = [seed, wide(1), wide(2, paid=True, parents=("e1",)), wide(3, paid=True, parents=("e2",), gain=0.02)]
    find = {one.id: one for one in chain}.get
    first, second = chain[0].scored, chain[-1].scored
    assert first is not None and second is not None
    noted = [Measurement(verdict=verdict(seed=at), when_s=at, seed=7, environment=ENVIRONMENT) for at in (1, 2)]
    result = standing(chain, Pareto(epsilon=1.0))
    fight = replace(
        duel(0.0123456, 0.1, gain=-0.0456, gain_noise=0.01), samples=duel(1.0).samples * len(first.score.cases)
    )
    for table in (
        verdict_table(second, program=LONG, task=TASK),
        metrics_table(second, program="mine"),
        change_table(first, second, task=TASK),
        attempts.front_table(result, TASK, "greedy.py"),
        attempts.against_seed(fight, chain[0], replace(chain[-1], name="mine"), task=TASK, name="seed.py"),
        lineage_view.chain_view(lineage(chain[-1], find, "root"), TASK, find),
        lineage_view.chain_view(lineage(chain[1], find, "root"), TASK, find),
        lineage_view.difference_view(chain[1], chain[-1], TASK),
        measurements_view.view(chain[-1], groups(members(chain[-1], 7, None, noted)), TASK),
    ):
        text = shown(table)
        assert max(map(len, text.splitlines())) <= 80, text
        assert "…" not in re.sub(r"a_name\S*", "", text), text


def test_rows_of_the_log_and_the_graph_fit_80_columns() -> None:
    parent, child = entry(0, verdict(speed=1.0, gain=0.0)), wide(123, gain=0.05)
    find = {"e0": parent}.get
    [row] = [attempts.row(replace(child, verdict=verdict(speed=12.3, gain=0.05)), find, 80).plain]
    assert len(row) <= 80 and "0.9" in row and "±.00" in row and "12.3x ±2%" in row and row.endswith("faster")
    assert len(attempts.heading(TASK)) <= 80
    view = graph_view.graph_view(standing([parent], Pareto()), find, drawing=3)
    assert len(view.row("* |", child).plain) <= 80 and "±.00" in view.row("*", child).plain


def test_best_against_seed_is_told_on_one_scale() -> None:
    """Qualities are those of the scores, on one reference; times and the gain those of the duel between the two."""
    old = judged(scored(0.7, 1.0), gain=0.0, scatter=0.0, reference=0.8)
    new = judged(scored(0.75, 2.0), gain=0.01, scatter=0.0, reference=0.8)
    fight = duel(2.0, 0.1, gain=0.012, gain_noise=0.001)
    text = shown(attempts.against_seed(fight, entry(0, old), entry(3, new), task=TASK, name="seed.py"))
    rows = [line.split() for line in text.splitlines()]
    assert ["toy", "seed", "0.8000"] in [row[:3] for row in rows]
    assert ["best", "0.8100", "±.0000"] in [row[:3] for row in rows]
    assert "gain in balance: +1.20 [+1.10, +1.30] points (hundredths)" in text


def test_duels_are_shown_with_speed_and_quality() -> None:
    certain = Interval(median=0.0016, low=0.001, high=0.0022)
    fought = replace(duel(1.25, 0.1), gain=certain, certain_gain=certain, secret=SECRET)
    old = duel(1.25, 0.5)
    confirmations = tuple(Confirmation(against="e1", duel=each) for each in (fought, old))
    confirmations += (Confirmation(against="gone", failure="it raised"),)
    challenger = replace(entry(2, verdict()), confirmations=confirmations)
    found = list(duels_view.lines(challenger, TASK, {"e1": entry(1, verdict())}.get))
    assert found == [
        "duel against 1: 1.25x [1.12, 1.38] as fast (better), balance +0.16 [+0.10, +0.22] points (better)",
        "duel against 1: 1.25x [0.62, 1.88] as fast (no sure change)",
        "duel against ?: that program failed: it raised",
    ]
    new, before, failed = duels_view.records(challenger)
    assert (new["gain"]["low"], new["quality_comparison"], new["secret"]) == (0.001, "better", SECRET)
    assert before["comparison"] == old.comparison and before["fingerprint"] == old.environment.fingerprint
    assert [key for key, value in before.items() if value is None] == [
        "failure",
        "quality_comparison",
        "gain",
        "certain_gain",
        "secret",
    ]
    assert list(failed) == list(before) == list(new) and len(new) == 11
    assert {key: value for key, value in failed.items() if value is not None} == {
        "against": "gone",
        "failure": "it raised",
    }


def test_machines_get_what_counts_the_pass_and_the_calls() -> None:
    new = judged(scored(0.75, 2.0), gain=0.01)
    record = jsonl.verdict_record(new, program="mine", task=TASK, device="cpu")
    gain = new.score.gain
    assert gain is not None and record["gain"] == jsonl.interval(gain)
    assert record["balance"] == record["quality"]["value"] == pytest.approx(0.9 + gain.median)
    assert (record["pass_quality"], record["secret"]) == (0.75, SECRET)
    [case] = record["cases"]
    assert case["balance"] == pytest.approx(0.9 + case["gain"]["median"])
    assert (case["pass_quality"], case["reference_pass_quality"]) == (0.75, 0.9)
    samples = case["samples"]
    assert len(samples["candidate_quality"]) == len(samples["reference_quality"]) == len(samples["calls"]) == 6
    old = jsonl.verdict_record(scored(0.75, 2.0), program="mine", task=TASK, device="cpu")
    assert list(old) == list(record) and old["gain"] is old["pass_quality"] is old["secret"] is None
    assert old["balance"] == old["cases"][0]["balance"] == 0.75 and old["cases"][0]["samples"]["calls"] == []


def test_flat_rows_have_the_gain_and_the_pass() -> None:
    new, old = judged(scored(0.75, 2.0), gain=0.01), scored(0.75, 2.0)
    for each in (new, old):
        row = dict(zip(flat.columns(TASK), flat.flat_row(entry(1, each), lambda _: None), strict=True))
        gain = each.score.gain
        assert [row["gain"], row["gain_low"], row["gain_high"]] == (
            [None] * 3 if gain is None else [gain.median, gain.low, gain.high]
        )
        assert (row["balance"], row["pass_quality"]) == (each.score.quality.value, each.score.pass_quality)
        assert row["load_s"] == 0.25
    rejected = Rejected(stage="run", reason="exception", detail="it raised")
    assert len(flat.flat_row(entry(1, rejected), lambda _: None)) == len(flat.columns(TASK))


def test_status_shows_the_interval() -> None:
    seed, best = entry(0, judged(scored(0.7, 1.0), gain=0.0)), entry(1, judged(scored(0.7, 2.0), gain=0.01, scatter=0))
    state = status_view.status(
        standing([seed, best], Pareto(epsilon=1.0)), [seed, best], pending=[], booked=Booked(), limits={}, advice=()
    )
    assert "declared 0.9000 ±.00" in shown(status_view.view(state, "run", "declared"))
    record = status_view.record(state, lambda _: None)
    assert record["seed"]["gain"]["low"] < 0 < record["seed"]["gain"]["high"]


@pytest.mark.parametrize(("seconds", "line"), [(0.0, ""), (0.0042, "loads in 0.0042 s"), (2.34, "loads in 2.3 s")])
def test_time_of_loading_is_shown_where_it_is_known(seconds: float, line: str) -> None:
    assert loads_in(replace(scored(0.9, 2.0).score, load_s=seconds)) == line


@pytest.mark.parametrize(
    ("stage", "reason", "key"),
    [("load", "timeout", "judge.load_timeout_s"), ("run", "timeout", "judge.timeout_s"), ("load", "memory", "")],
)
def test_a_timeout_names_the_key_of_its_limit(stage: Stage, reason: str, key: str) -> None:
    text = rejected_text(Rejected(stage=stage, reason=reason, detail="too long"), program="mine").plain
    assert ("a longer limit" in text) is bool(key) and (key in text)
