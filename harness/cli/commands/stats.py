"""`packsmith stats`: what each model's proposals achieved.

Owns: this verb. Does not know: how proposals are counted.
"""

from __future__ import annotations

from harness.cli.console import Json, emit, output
from harness.cli.runs import RunFolder, open_run
from harness.report import jsonl
from harness.report.stats import stats as counted
from harness.report.stats_table import stats_record, stats_view


def stats(run: RunFolder, json: Json = False) -> None:
    """Show what each model's proposals achieved, by kind.

    Use it to compare models: how many of their proposals applied, were valid and improved on their parent, what they
    cost, and why the others failed.

    \b
    Examples:
    packsmith stats runs/mine
    packsmith stats runs/mine --json
    """
    with open_run(run) as opened:
        statistics = counted(opened.standing(), opened.archive.entries)
    if json:
        emit(jsonl.line({"run": str(run), **stats_record(statistics)}))
    else:
        output().print(stats_view(statistics))
