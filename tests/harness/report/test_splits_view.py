"""The splits side by side: the table fits, a sure gap is called overfitting, and JSON says the same."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console, RenderableType

from harness.gate import gated_standing
from harness.readings.splits import splits
from harness.report import splits_view
from harness.select import Pareto
from harness.types import Confirmation, Entry, Gate
from tests.harness.builders import duel, entry, on_split, scored

SEED = replace(entry(0, scored(0.8, 1.0, gain=0.0)), gates=())


def shown(view: RenderableType) -> str:
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(view)
    return console.export_text()


def overfitter(number: int) -> Entry:
    won = (Confirmation(against="e0", duel=duel(1.5, gain=0.0)),)
    gates = (Gate(against="e0", duel=duel(1.5, gain=-0.05)),)
    return replace(
        entry(number, scored(0.8, 1.0 + number, gain=0.0)), confirmations=won, gates=gates, name="\x1b[2Jbad"
    )


def test_a_sure_gap_is_overfitting_and_who_is_better_on_the_search_only_is_named() -> None:
    standing = gated_standing([SEED, overfitter(1)], Pareto(epsilon=0.5))
    found = splits(
        [on_split("final", 0.001, 0.001), on_split("search", 0.02, 0.003), on_split("gate", 0.018, 0.002)], standing
    )
    text = shown(splits_view.table(found, "balance", "greedy.py"))
    assert max(map(len, text.splitlines())) <= 80 and "\x1b" not in text
    rows = [line.split()[0] for line in text.splitlines() if line.startswith(("search", "gate", "final"))]
    assert rows == ["search", "gate", "final"]
    assert "0.8200 +2.00 [+1.70, +2.30]" in text
    assert "gap from search to gate: +0.20 [-0.16, +0.56] points, no overfitting seen" in text
    assert "gap from search to final: +1.90 [+1.58, +2.22] points, overfitting" in text
    assert "better on the loads of the search only: 1 " in text and "bad" in text
    record = splits_view.record(found, lambda commit: SEED if commit == "e0" else None)
    assert record["overfitting"] == ["final"] and list(record["splits"]) == ["search", "gate", "final"]
    assert record["splits"]["final"]["gap"]["low"] > 0 and record["splits"]["search"]["gap"] is None
    [only] = record["search_only"]
    assert only["number"] == 1 and "against attempt 0: 1.50x" in only["gate"][0] and "-5.00 points" in only["gate"][0]


def test_a_gap_of_less_than_a_quarter_may_come_from_the_sizes() -> None:
    standing = gated_standing([SEED], Pareto())
    for gain, named in ((0.008, ()), (0.007, ("final",)), (0.012, ())):
        found = splits([on_split("search", 0.01, 0.0001), on_split("final", gain, 0.0001)], standing)
        assert found.overfits == named


def test_nothing_is_said_of_a_run_without_held_out_loads() -> None:
    found = splits([], gated_standing([replace(SEED, gates=None)], Pareto()))
    assert splits_view.record(found, lambda _: None) == {
        "splits": {},
        "overfitting": [],
        "search_only": [],
        "untold": [],
    }
    assert [*splits_view.gap_lines(found), *splits_view.only_lines(found)] == []
