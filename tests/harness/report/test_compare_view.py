"""The comparison of runs in a terminal: it fits, whatever the names and the figures are."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from harness.readings.contrast import Contestant, levels
from harness.readings.course import EFFORTS, course
from harness.report.compare_view import records, view
from harness.select import Pareto
from tests.harness.builders import entry, scored
from tests.harness.qualities import judged

LONG = "a_run_of_a_name_that_is_much_too_long\x1b[2J"


def contestant(name: str, seed: int, quality_key: str = "balance") -> Contestant:
    made = [entry(number, judged(scored(0.9, 0.0123), gain=-0.0456, scatter=0.01, seed=number)) for number in range(2)]
    made[1] = replace(made[1], number=100_000, usd=12_345.67, seconds=9e6, when_s=made[0].when_s + 10**7)
    workload = {"quality": quality_key}
    return Contestant(name=name, quality_key=quality_key, course=course(made, Pareto()), workload=workload, seed=seed)


def test_every_table_fits_80_columns() -> None:
    found = levels([contestant(LONG, 1), contestant("b", 2)])
    for effort in EFFORTS:
        console = Console(width=80, record=True, file=io.StringIO())
        console.print(view(found, effort))
        lines = console.export_text().splitlines()
        assert max(map(len, lines)) <= 80 and "\x1b" not in "".join(lines)
        assert any("$12,345.67" in line and "9,000,001" in line for line in lines)
        assert any("over the reference" in line for line in lines), "seeds differ"


def test_each_group_has_the_word_for_quality_of_its_own_task() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(view(levels([contestant("a", 1), contestant("b", 1, "fullness")]), "attempts"))
    first, second = console.export_text().split("Group 2")
    assert "balance" in first and "fullness" not in first
    assert "points of fullness" in second and "balance" not in second.split("Best on the way")[1]


def test_the_records_hold_what_the_tables_show() -> None:
    found = list(records(levels([contestant("a", 1), contestant("b", 1)]), "attempts"))
    assert [(record["run"], record["at"], record["end"]) for record in found] == [
        *(("a", 1, False), ("b", 1, False), ("a", 1, True), ("b", 1, True)),
    ]
    assert found[0]["quality_is"] == "quality" and found[0]["quality"]["low"] < found[0]["quality"]["high"]
    assert found[-1]["spent"]["dollars"] == 12_345.67 and found[-1]["champion"] == 0
