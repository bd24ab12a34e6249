"""The report of a small fixed run: as Markdown to the letter, and what it says of runs that lack something.

After a change of its words: `python -m tests.harness.document.test_report` writes the golden file again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from evaluator import TASKS, Rejected, Scored, Task
from harness.accounts import Booked
from harness.document import markdown, pareto
from harness.document.against import against_seed
from harness.document.blocks import Items, Table
from harness.document.composed import composed
from harness.document.doubtful import doubtful
from harness.document.found import found
from harness.document.report import Facts, Report, report
from harness.document.searching import progress_chart
from harness.figures.chart import Points
from harness.readings.comparable import Group, groups, members
from harness.report.lineage_view import program_diff
from harness.select import Pareto
from harness.types import Call, Confirmation, Entry, HarnessError, Measurement, TurnRecord, Usage
from tests.harness.builders import ENVIRONMENT, PROGRAM, REJECTED, around, duel, entry, scored

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "reports" / "small.md"
TASK: Task = next(iter(TASKS.values()))({})
HOSTILE = "| a |\n## [x](https://example.org) <script>alert(1)</script> `` =1+1"
FACTS = Facts(
    run="runs/it's mine",
    root_id="root",
    task="toy",
    quality="balance",
    columns=(),
    objective=Pareto(epsilon=0.05),
    seed=7,
    program="seed.py",
    reference="reference.py",
    same_program=False,
    config="task: toy\nseed: 7\n",
    booked=Booked(usd=1.25, tokens=12_345, calls=6),
    version="1.2.3",
    made_s=1_700_100_000,
)


def exact(quality: float, speed: float, half: float = 0.001, noise: float = 0.02) -> Scored:
    """A score of fixed figures over two cases: the gain over a reference of .9 has this half-width."""
    plain = scored(quality, speed, noise=noise)
    gain = around(quality - 0.9, half)
    [case] = plain.score.cases
    cases = tuple(
        replace(case, quality=replace(case.quality, case=name), gain=gain, reference_quality=0.9)
        for name in ("small", "large | wide")
    )
    score = replace(plain.score, cases=cases, gain=gain, pass_quality=quality, secret="c0ffee")
    return replace(plain, score=score)


def entries() -> list[Entry]:
    """A run in which attempt 4 becomes champion by way of 2, past refusals, a twin and a program of another machine."""
    turn = TurnRecord(
        **{name: getattr(Call(model="m"), name) for name in Call.__slots__ if name not in ("usage", "usd")},
        usage=Usage(input_tokens=1000, cached_tokens=400, output_tokens=200),
        usd=0.25,
        length=10,
    )
    asked = {"model": "a/model", "usd": 0.25, "tokens": 1200, "turns": (turn,)}
    made = [
        entry(0, exact(0.9, 1.0)),
        entry(1, Rejected(stage="patch", reason="no_match", detail=HOSTILE)),
        replace(entry(2, exact(0.91, 2.0)), name="vectorise_it", description="Say what.\n\nAnd why."),
        entry(3, REJECTED, parents=("e2",)),
        replace(entry(4, exact(0.9105, 4.0), parents=("e2",), kind="crossover"), name=HOSTILE, description=HOSTILE),
        replace(entry(5, exact(0.91, 2.0)), same_as="e2"),
        entry(6, Rejected(stage="measure", reason="clock_disputed", detail="its clock")),
        replace(entry(7, exact(0.93, 1.0, noise=0.2)), parents=("e0",)),
    ]
    won = {
        2: Confirmation(against="e0", duel=duel(2.0, 0.05, gain=0.01, gain_noise=0.002)),
        4: Confirmation(against="e2", duel=duel(2.0, 0.05, gain=0.0, gain_noise=0.002)),
    }
    made[4] = replace(made[4], parents=("e2", "e0"))
    return [
        replace(
            one,
            when_s=one.when_s + 90 * one.number,
            confirmations=(won[one.number],) if one.number in won else (),
            **(asked if one.number in (2, 4, 6) else {}),  # type: ignore[arg-type]
        )
        for one in made
    ]


def made(held: Sequence[Entry], *, facts: Facts = FACTS, again: tuple[Measurement, ...] = ()) -> Report:
    by_id = {one.id: one for one in held}

    def diff(before: Entry, after: Entry) -> str:
        texts = (PROGRAM.replace("ROUNDS = 4", f"ROUNDS = {4 + one.number}") for one in (before, after))
        return program_diff(*texts, (before.id, after.id))

    def measured(one: Entry) -> tuple[Group, ...]:
        return groups(members(one, facts.seed, ENVIRONMENT, again))

    return report(facts, held, by_id.get, diff, measured)


def text(of: Report) -> str:
    return markdown.page(composed(of))


def test_the_report_of_a_small_run_is_as_it_was() -> None:
    assert text(made(entries())) == GOLDEN.read_text()


def test_the_chain_says_what_each_patch_bought() -> None:
    result = made(entries())
    assert [link.step.entry.number for link in result.links] == [2, 4]
    [first, second] = [(link.points, link.times) for link in result.links]
    assert first[0] is not None and first[0].median == pytest.approx(0.01)
    assert second[1] == around(2.0, 0.1), "the duel gives it"
    words = text(result)
    assert "+1.00 [+0.86, +1.14] points of balance, 2.00x [1.90, 2.10] the speed" in words


def test_a_run_of_the_seed_program_alone_says_so() -> None:
    words = text(made(entries()[:2]))
    assert "No program was found in 1 attempt that is better than the seed program." in words
    assert "The seed program is still the best" in words and "The seed program against the reference" in words


def test_without_a_scored_seed_program_there_is_no_report() -> None:
    with pytest.raises(HarnessError, match="no attempt is archived yet"):
        made([])
    with pytest.raises(HarnessError, match="expected a scored seed program, found 1 attempts"):
        made([entry(0, REJECTED)])


def test_a_seed_program_that_is_the_reference_is_compared_once() -> None:
    result = made(entries(), facts=replace(FACTS, same_program=True))
    [against] = result.against
    assert against.role == "seed and reference" and against.overall.points is not None
    assert "which is also the reference" in text(result)


def test_across_machines_run_times_are_not_set_side_by_side() -> None:
    seed, champion = entries()[0], entries()[4]
    assert champion.scored is not None
    elsewhere = replace(champion.scored, environment=replace(ENVIRONMENT, hardware="another"))
    found_ = against_seed(replace(champion, verdict=elsewhere, confirmations=()), seed, "seed.py")
    assert found_.apart == ("hardware another and a processor",)
    assert all(side.times is None and side.points is not None for side in found_.rows)
    assert [side.case for side in found_.rows] == ["small", "large | wide", "all"]


def test_later_measurements_of_the_champion_are_shown_and_pooled() -> None:
    verdict = entries()[4].scored
    assert verdict is not None
    there = replace(verdict, environment=replace(ENVIRONMENT, torch="9"))
    again = tuple(
        Measurement(verdict=each, when_s=1_700_000_900, seed=7, environment=each.environment)
        for each in (verdict, there)
    )
    result = made(entries(), again=again)
    tables = [block for block in found(result) if isinstance(block, Table) and block.columns[0].heading == "measured"]
    assert [len(table.rows) for table in tables] == [3, 1], "the first two, and both together"
    assert "torch 2.13 and 9" in text(result)


def test_doubts_name_what_was_never_measured_again() -> None:
    [lines] = [block.lines for block in doubtful(made(entries())) if isinstance(block, Items)]
    said = "\n".join(line if isinstance(line, str) else str(line) for line in lines)
    assert "never measured again" in said and "Disputed: attempt 6" in said and "Twins: attempt 5" in said
    unsure = [*entries(), entry(8, exact(0.9, 4.01))]
    lost = replace(unsure[-1], confirmations=(Confirmation(against="e4", duel=duel(1.0, 0.1)),))
    assert "Undecided: attempt 8" in text(made([*unsure[:-1], lost]))


def test_figures_show_the_front_and_leave_room_for_it() -> None:
    far = [entry(number, exact(0.2, 3.0)) for number in range(8, 11)]
    result = made([*entries(), *far], facts=replace(FACTS, objective=Pareto(epsilon=0.9)))
    chart = pareto.chart(result)
    [[panel]] = chart.rows
    assert panel.y.low > 0.5 and panel.note == "3 further programs lie outside of this range"
    names = [mark.name for mark in panel.marks if isinstance(mark, Points)]
    assert names == ["other scored programs", "Pareto front", "seed program", "reference (reference.py)", "champion"]
    progress = progress_chart(result)
    assert [[panel.y.title for panel in row] for row in progress.rows] == [["speed-up", "balance"]] * 3
    assert [row[0].x.title for row in progress.rows] == ["attempts", "minutes", "dollars"]


def test_long_runs_are_shortened() -> None:
    many = [*entries(), *(entry(number, exact(0.9, 1.0)) for number in range(8, 400))]
    assert len(text(made(many))) < 1.5 * len(text(made(entries())))


if __name__ == "__main__":
    GOLDEN.write_text(text(made(entries())))
