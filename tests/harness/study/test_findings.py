"""What a study found: means, pairs by seed, sure differences, and the table in each format."""

from __future__ import annotations

import csv
import io
import math

import pytest
from rich.console import Console

from harness.readings.hypervolume import Figures
from harness.report.study_files import csv_text, latex, markdown
from harness.report.study_view import Found, record, view
from harness.study.findings import Outcome, geometric, mean, rows
from tests.harness.builders import around


def figures(quality: float, speedup: float) -> Figures:
    return around(quality, 0.001), around(speedup, 0.01)


def outcome(method: str, seed: int, quality: float, speedup: float, *, fingerprint: str = "a") -> Outcome:
    return Outcome(
        method=method,
        task="tiny_1",
        seed=seed,
        quality=quality,
        speedup=speedup,
        front=(figures(quality, speedup), figures(quality - 0.02, 2 * speedup)),
        start=figures(0.8, 1.0),
        attempts=5,
        usd=0.5,
        tokens=100,
        used_s=9.0,
        fingerprint=fingerprint,
    )


FIRST = ((1, 0.90, 2.0), (2, 0.80, 4.0), (3, 0.85, 8.0))
SECOND = ((1, 0.91, 2.1), (2, 0.811, 3.9), (3, 0.859, 8.1))
OUTCOMES = [
    *(outcome("front", seed, quality, speed) for seed, quality, speed in FIRST),
    *(outcome("best", seed, quality, speed) for seed, quality, speed in SECOND),
    outcome("late", 1, 0.5, 1.0),
]


def found(outcomes: list[Outcome]) -> Found:
    table = rows(outcomes, methods=("front", "best", "late"), tasks=("tiny_1", "none"), seeds=(1, 2, 3))
    return Found(rows=table, first="front", quality_key="balance")


def test_means_have_the_interval_of_students_t() -> None:
    values = mean([0.90, 0.80, 0.85])
    assert values.value == pytest.approx(0.85) and values.interval is not None
    assert values.interval.high - values.value == pytest.approx(4.3027 * 0.05 / 3**0.5, rel=1e-4)
    assert mean([0.9]).interval is None
    speeds = geometric([2.0, 4.0, 8.0])
    assert speeds.value == pytest.approx(4.0) and speeds.interval is not None
    assert speeds.interval.low * speeds.interval.high == pytest.approx(16.0)
    with pytest.raises(ValueError, match="at least one"):
        mean([])


def test_pairs_by_seed_show_what_means_alone_do_not() -> None:
    """The qualities of both methods scatter by .05 over the seeds, their differences by .001."""
    first, best, late = found(OUTCOMES).rows[:3]
    assert first.quality_change is None and first.ended == 3
    assert best.quality_change is not None and best.speed_change is not None
    assert (best.quality_change.wins, best.quality_change.losses, best.quality_change.sure) == (3, 0, 1)
    assert best.quality_change.change.value == pytest.approx(0.01)
    assert (best.speed_change.wins, best.speed_change.losses, best.speed_change.sure) == (2, 1, 0)
    assert (late.ended, late.planned) == (1, 3)
    assert late.quality_change is not None and late.quality_change.sure == 0, "one pair shows nothing"
    assert found(OUTCOMES).rows[3].quality is None, "a task that nobody has searched yet"


def test_hypervolumes_count_from_a_corner_that_the_methods_share() -> None:
    """A point below the seed program at a tenth of its speed: (90 - 79) * log2(20) + (88 - 79) * 1 for the first."""
    first, best, _ = found([made for made in OUTCOMES if made.seed == 1 and made.method != "late"]).rows[:3]
    assert first.volume is not None and best.volume is not None and best.volume_change is not None
    assert first.volume.value == pytest.approx(11 * math.log2(20) + 9)
    assert best.volume_change.change.value == pytest.approx(best.volume.value - first.volume.value)
    assert (best.volume_change.wins, best.volume_change.sure) == (1, 0)


def test_cells_of_unlike_machines_are_not_paired() -> None:
    moved = [
        outcome("best", 2, 0.9, 40.0, fingerprint="b"),
        *(o for o in OUTCOMES if (o.method, o.seed) != ("best", 2)),
    ]
    best = found(moved).rows[1]
    assert best.apart == 1 and best.quality_change is not None and best.quality_change.change.count == 2
    console = Console(width=80, file=io.StringIO())
    console.print(view(found(moved)))
    assert "1 pairs of cells were measured under unlike conditions" in " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]


def test_the_tables_fit_80_columns_and_say_what_is_not_sure() -> None:
    console = Console(width=80, file=io.StringIO())
    console.print(view(found(OUTCOMES)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 80
    assert "0.8500 ±.1242" in text and "4.00x [0.71, 22.38]" in text and "1 of 3" in text and "0 of 3" in text
    best = next(line for line in text.splitlines() if " best " in line and "3:0" in line)
    assert best.split("best")[1].split() == ["+1.00", "[+0.75,", "+1.25]", "3:0", "no", "sure", "difference", "2:1"]


def test_the_formats_hold_the_same_figures() -> None:
    this = found(OUTCOMES)
    [first, best, *_] = csv.DictReader(io.StringIO(csv_text(this)))
    assert float(first["quality"]) == pytest.approx(0.85) and first["quality_change"] == ""
    assert best["quality_change_verdict"] == "better" and best["speed_change_verdict"] == "no sure difference"
    assert (best["quality_change_wins"], best["speed_change_losses"]) == ("3", "1")
    held = record(this.rows[1], this)
    assert held["against"]["quality"]["verdict"] == "better" and held["quality"]["seeds"] == 3
    assert record(this.rows[0], this)["against"] is None
    assert "| tiny_1 | best | 3 | 5 | 0.8600 ±.1230 |" in markdown(this)
    tex = latex(this)
    assert r"tiny\_1 & best & 3 & 5 & 0.8600 $\pm$.1230 &" in tex and r"\begin{tabular}{llrrrrrrrrr}" in tex
    assert held["hypervolume"]["seeds"] == 3 and best["hypervolume_change_wins"] == "3"
    assert tex.count(r"\midrule") == 2, "below the heading, and between the tasks"
