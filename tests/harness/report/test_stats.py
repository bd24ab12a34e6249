from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console, RenderableType

from evaluator import Rejected, Verdict
from harness.report.stats import Row, Stats, stats
from harness.report.stats_table import dollars, spending, stats_record, stats_view, tokens
from harness.select import Pareto, standing
from harness.types import Entry, Kind, TurnRecord, Usage
from tests.harness.builders import entry, scored

TOLD = "Block 1 of 1:\n  the SEARCH text is not in the program, but for the lines that are told of here at some length"
NO_MATCH = Rejected(stage="patch", reason="no_match", detail=TOLD)
RAISED = Rejected(stage="run", reason="exception", detail="ValueError")


def proposal(
    number: int,
    verdict: Verdict,
    *,
    model: str = "small",
    kind: Kind = "patch",
    turns: int = 1,
    parent: int = 0,
    source: str = "",
) -> Entry:
    """An entry whose every turn took 100 tokens, 40 of them cached, 20 more of output, a cent and two seconds."""
    usage = Usage(input_tokens=100, cached_tokens=40, output_tokens=20)
    note = TurnRecord(model=model, length=9, usage=usage, usd=0.01, seconds=2.0)
    made = entry(number, verdict, kind=kind, parents=(f"e{parent}",), source=source)
    return replace(made, model=model, turns=(note,) * turns, usd=0.01 * turns, tokens=120 * turns)


def counted(*proposals: Entry, epsilon: float = 0.1) -> Stats:
    entries = [entry(0, scored(0.5, 1.0)), *proposals]
    return stats(standing(entries, Pareto(epsilon=epsilon)), entries)


def shown(what: RenderableType, width: int = 80) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(what)
    return console.export_text()


def the_row(found: Stats, model: str, kind: Kind) -> Row:
    [row] = [row for row in found.rows if (row.model, row.kind) == (model, kind)]
    return row


class TestCounts:
    def test_a_row_for_each_model_and_kind_and_their_sum(self) -> None:
        found = counted(
            proposal(1, scored(0.6, 1.0)),
            proposal(2, NO_MATCH, turns=3),
            proposal(3, RAISED),
            proposal(4, scored(0.4, 1.0), model="large", kind="rewrite"),
        )
        assert [(row.model, row.kind) for row in found.rows] == [("large", "rewrite"), ("small", "patch")]
        small = the_row(found, "small", "patch")
        assert (small.proposals, small.applied, small.valid, small.better) == (3, 2, 1, 1)
        assert (small.turns, small.tokens, small.input_tokens, small.cached_tokens) == (5, 600, 500, 200)
        assert (small.output_tokens, round(small.usd, 9), small.model_s, small.judge_s) == (100, 0.05, 10.0, 3.0)
        assert (found.total.proposals, found.total.valid, found.total.turns) == (4, 2, 6)
        assert (found.total.model, found.total.kind) == ("", None)

    def test_the_seed_program_is_not_counted(self) -> None:
        assert counted() == Stats(rows=(), total=Row(model="", kind=None), refusals=())

    def test_repaired_means_applied_after_more_than_one_turn(self) -> None:
        found = counted(proposal(1, scored(0.6, 1.0), turns=2), proposal(2, NO_MATCH, turns=2), proposal(3, RAISED))
        assert (found.total.repaired, found.total.applied) == (1, 2)

    def test_without_a_model_the_proposer_names_the_row(self) -> None:
        found = counted(replace(entry(1, scored(0.6, 1.0)), proposer="catalogue"))
        assert [row.model for row in found.rows] == ["catalogue"]


class TestBetter:
    def test_better_means_better_quality_or_clearly_faster_than_the_parent(self) -> None:
        found = counted(proposal(1, scored(0.6, 1.0)), proposal(2, scored(0.5, 2.0)), proposal(3, scored(0.5, 1.01)))
        assert found.total.better == 2

    def test_a_fast_program_below_the_floor_is_not_better(self) -> None:
        assert counted(proposal(1, scored(0.3, 9.0))).total.better == 0

    def test_a_repeated_program_is_not_better(self) -> None:
        twice = [proposal(number, scored(0.6, 1.0), source="the same") for number in (1, 2)]
        assert counted(*twice).total.better == 1

    def test_a_repair_is_compared_with_the_parent_of_the_failed_program(self) -> None:
        repaired = proposal(2, scored(0.6, 1.0), kind="repair", parent=1)
        assert counted(proposal(1, RAISED), repaired).total.better == 1
        assert counted(proposal(1, RAISED), replace(repaired, verdict=scored(0.5, 1.0))).total.better == 0


class TestRefusals:
    def test_refusals_are_sorted_by_count_with_the_newest_detail(self) -> None:
        other = replace(NO_MATCH, detail="newest")
        found = counted(
            proposal(1, RAISED),
            proposal(2, NO_MATCH),
            proposal(3, other, model="large", kind="rewrite"),
            proposal(4, other, model="large"),
        )
        first, second = found.refusals
        assert (first.stage, first.reason, first.count, first.newest) == ("patch", "no_match", 3, "newest")
        assert first.models == ("large", "small") and first.kinds == ("patch", "rewrite")
        assert (second.stage, second.count) == ("run", 1)


class TestShown:
    def test_fits_80_columns_and_keeps_every_figure(self) -> None:
        model = "openrouter/some-vendor/a-very-long-model-2031-01-31"
        many = [proposal(number, NO_MATCH, model=model, kind="crossover", turns=3) for number in range(1, 30)]
        text = shown(stats_view(counted(proposal(31, scored(0.6, 1.0)), *many)))
        assert max(map(len, text.splitlines())) <= 80
        assert "…el-2031-01-31" in text, "the end of a name is what tells models apart"
        assert "crossover" in text and "29" in text and "$0.8700" in text and "10.4k" in text
        [refused] = [line for line in text.splitlines() if "no_match" in line]
        assert refused.split()[:3] == ["29", "patch:", "no_match"] and "Block 1 of 1: the SEARCH text" in refused
        assert next(line for line in text.splitlines() if line.startswith("all")).split()[1] == "30"

    def test_markup_in_texts_is_not_interpreted(self) -> None:
        """A model's name and an error are not markup."""
        text = shown(stats_view(counted(proposal(1, replace(RAISED, detail="[red]x[/red] [/]"), model="[bold]m"))))
        assert "[red]x[/red] [/]" in text and "[bold]m" in text

    def test_a_run_without_proposals_says_so(self) -> None:
        assert "no proposals yet" in shown(stats_view(counted()))

    def test_the_record_holds_all_refusals(self) -> None:
        refused = [
            proposal(number, replace(RAISED, reason=reason))
            for number, reason in enumerate(("exception", "timeout", "memory", "killed"), 1)
        ]
        record = stats_record(counted(*refused))
        assert [one["reason"] for one in record["refusals"]] == ["exception", "killed", "memory", "timeout"]
        assert record["total"]["proposals"] == 4 and record["rows"][0]["model"] == "small"


def test_amounts_have_significant_figures_only() -> None:
    assert [dollars(usd) for usd in (0, 0.00004, 0.05, 1, 1234.5)] == [
        "$0",
        "$0.000040",
        "$0.0500",
        "$1.00",
        "$1,234.50",
    ]
    assert [tokens(count) for count in (0, 999, 1000, 45_600, 999_999, 2_500_000)] == [
        *("0", "999", "1.00k", "45.6k", "1.00M", "2.50M")
    ]
    assert spending(usd=0.0, limit_usd=0.05, calls=0) == ""
    assert spending(usd=0.0123, limit_usd=0.05, calls=1) == "$0.0123 of $0.0500 spent, 1 call"
    assert spending(usd=1.5, limit_usd=None, calls=20, in_flight=16) == "$1.50 spent, 20 calls, 16 in flight"


def test_texts_of_a_run_control_no_terminal() -> None:
    hostile = "\x1b[2J\x1b]0;pwned\x07\u202e\u2066\x00red"
    made = proposal(1, Rejected(stage="run", reason=hostile, detail=hostile * 50), model=hostile)
    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    console.print(stats_view(counted(made)))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "red" in text and all(line.isprintable() for line in text.splitlines())
