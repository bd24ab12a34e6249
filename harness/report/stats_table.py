"""Statistics of a run for people and for machines.

Owns: how counts, tokens and dollars are worded and laid out. Does not know: where they come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report.stats import Refusal, Row, Stats
from harness.report.tables import figures, plain_table, titled
from harness.text import one_line, printable

_SHOWN = 8
"""The most refusals listed."""
_TOLD, _REASON = 200, 40
"""The most characters shown of what a model was told."""
_MODEL = 14
"""The most characters shown of a model's name: its end, which says more than the vendor at its beginning."""
NOTE = "applied: gave a program; valid: scored; better: improves on its parent"


def dollars(usd: float) -> str:
    """An amount of money: $0.000012, $0.0123, $4.56, $1,234.56; zero is $0."""
    if usd == 0:
        return "$0"
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}" if usd >= 0.001 else f"${usd:.6f}"


def tokens(count: int) -> str:
    """A number of tokens with three figures: 812, 12.3k, 4.56M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= 0.9995 * size:
            value = count / size
            digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
            return f"{value:.{digits}f}{letter}"
    return str(count)


def spending(*, usd: float, limit_usd: float | None, calls: int, in_flight: int = 0, waiting: int = 0) -> str:
    """Money spent, its limit, and calls, as one phrase; "" if no model was asked."""
    if not calls and not usd and not in_flight:
        return ""
    limit = f" of {dollars(limit_usd)}" if limit_usd is not None else ""
    parts = [f"{dollars(usd)}{limit} spent", f"{calls} {'call' if calls == 1 else 'calls'}"]
    parts += [f"{in_flight} in flight"] if in_flight else []
    parts += [f"{waiting} to judge"] if waiting else []
    return ", ".join(parts)


def stats_view(stats: Stats) -> RenderableType:
    """The table of proposals, and why some were refused."""
    if not stats.rows:
        return Text("no proposals yet")
    parts: list[RenderableType] = [titled("Proposals by model and kind", _rows(stats), NOTE + _known(stats.total))]
    if stats.refusals:
        more = len(stats.refusals) - _SHOWN
        note = f"and {more} more; --json lists them all" if more > 0 else ""
        parts.append(Text("Why proposals failed, the most frequent reason first", style="bold"))
        parts.append(_refusals(stats.refusals[:_SHOWN]))
        parts += [Text(note, style="dim")] if note else []
    return Group(*parts)


def _known(total: Row) -> str:
    """A line on programs that were proposed again; "" if none were."""
    if not total.known:
        return ""
    return f"\nknown already, so not judged again: {total.known} of the {total.applied} programs"


def _rows(stats: Stats) -> Table:
    table = plain_table()
    table.add_column("model", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    figures(table, "pro-\nposals", "ap-\nplied", "valid", "better", "tokens", "dollars", "sec-\nonds")
    for row in stats.rows:
        table.add_row(Text(_short(row.model)), row.kind, *_cells(row))
    if len(stats.rows) > 1:
        table.add_section()
        table.add_row("all", "", *_cells(stats.total), style="bold")
    return table


def _cells(row: Row) -> tuple[str, ...]:
    counts = (row.proposals, row.applied, row.valid, row.better)
    return (
        *(str(count) for count in counts),
        tokens(row.tokens),
        dollars(row.usd),
        f"{row.model_s:,.0f}",
    )


def _short(model: str) -> str:
    line = printable(model)
    return line if len(line) <= _MODEL else "…" + line[1 - _MODEL :]


def _refusals(refusals: Sequence[Refusal]) -> RenderableType:
    """One line per refusal: a table would cut the counts before the long text beside them."""
    places = [f"{refusal.stage}: {one_line(refusal.reason, _REASON)}" for refusal in refusals]
    width = max(map(len, places))
    lines = [Text(f"times  {'refused at':<{width}}  the newest was told", style="bold")]
    for refusal, place in zip(refusals, places, strict=True):
        told = one_line(refusal.newest, _TOLD)
        lines.append(
            Text.assemble(f"{refusal.count:>5}  ", (f"{place:<{width}}  ", "red"), (told, "dim"), overflow="ellipsis")
        )
    for line in lines:
        line.no_wrap = True
    return Group(*lines)


def stats_record(stats: Stats) -> dict[str, Any]:
    """The statistics as one JSON object; `refusals` in full."""
    return {
        "rows": [asdict(row) for row in stats.rows],
        "total": asdict(stats.total),
        "refusals": [asdict(refusal) for refusal in stats.refusals],
    }
