"""Recorded loads for people and for machines.

Owns: how their figures are worded and laid out, and the keys of `--json`. Does not know: files, formulas, tasks.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from evaluator import TOP, Drift, LayerSkew, LoadsReport, StepKinds, WindowFigures
from harness.report.heat_map import heat_map, legend, style
from harness.report.tables import figures, named, plain_table, titled
from harness.text import one_line, visible

_ROWS = 16
"""The most windows, or runs of windows of one regime, in a table."""
_NAME, _LINE = 22, 800
_BRIEF = 72
"""Below this width, tables of windows leave out what is in `--json` too: loads and peaks."""


def amount(value: float) -> str:
    """A load with three figures: 812, 12.3k, 4.56M, 7.8e+12."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if 0.9995 * size <= value < 999.5 * size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def numbers(values: Sequence[int]) -> str:
    """Numbers in ascending order as ranges: `0-2, 7`."""
    runs = [list(run) for _, run in groupby(enumerate(values), key=lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0][1]}-{run[-1][1]}" if len(run) > 1 else str(run[0][1]) for run in runs)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def loads_view(report: LoadsReport, width: int, *, ordered: bool = False) -> RenderableType:
    """Everything about recorded loads in `width` columns; `ordered`: the map is sorted."""
    parts: list[RenderableType] = [_head(report), Text(), _skew(report.layers), _map(report, width, ordered=ordered)]
    table = _windows if len(report.windows) <= _ROWS else _runs
    parts.append(table(report.windows, brief=width < _BRIEF))
    if len(report.ageing) > 1:
        parts += [_ageing(report.ageing), Text()]
    if report.kinds is not None:
        parts += [Text("Kinds of step", style="bold"), Text(_kinds(report.kinds)), Text()]
    advice = report.advice
    which = f"window {advice.first}" if advice.first == advice.last else f"windows {advice.first}-{advice.last}"
    parts.append(Text(f"Plan on {which}, {_counted(advice.steps, 'step')}", style="bold"))
    parts += [Text(one_line(reason, _LINE)) for reason in advice.reasons]
    if advice.last - advice.first + 1 < len(report.windows):
        parts.append(
            Text(
                f"To write them, add --windows {numbers(range(advice.first, advice.last + 1))} --to FORMAT -o FILE",
                style="dim",
            )
        )
    return Group(*parts)


def _head(report: LoadsReport) -> Text:
    """What was read, in one line or two."""
    layers = _counted(len(report.layers), "layer")
    text = f"{layers} x {report.experts} experts, {_counted(report.steps, 'step')} in "
    text += f"{_counted(len(report.windows), 'window')}, from {_counted(len(report.sources), 'source')}"
    if report.empty_layers:
        text += f"\nwithout load, left out: layers {numbers(report.empty_layers)}"
    return Text(text)


def _skew(layers: Sequence[LayerSkew]) -> RenderableType:
    table = named(plain_table(), "all windows together")
    figures(table, "median", "least", "worst", "layer")
    rows = {
        "largest / mean load": ("peak", ".2f"),
        "Gini coefficient": ("gini", ".3f"),
        f"share of the top {TOP} experts": ("top_share", ".3f"),
        "sigma of ln load": ("ln_sigma", ".3f"),
    }
    for name, (key, form) in rows.items():
        values = [getattr(layer, key) for layer in layers]
        worst = max(layers, key=lambda layer: getattr(layer, key))
        cells = (statistics.median(values), min(values), max(values))
        table.add_row(name, *(format(cell, form) for cell in cells), str(worst.layer))
    unused = sum(layer.unused for layer in layers)
    note = f"{_counted(unused, 'expert')} of a layer without any load" if unused else ""
    return titled("Skew of the layers", table, note)


def _map(report: LoadsReport, width: int, *, ordered: bool) -> RenderableType:
    made = heat_map(report.map, [layer.layer for layer in report.layers], width, ordered=ordered)
    what = "sorted by load" if ordered else "by number"
    title = f"Load / mean load of the layer, experts {what}; largest at the end"
    lines = [Text(title, style="bold")]
    for label, cells, peak in zip(made.labels, made.cells, made.peaks, strict=True):
        line = Text(f"{label} |")
        for sign, run in groupby(cells):
            line.append("".join(run), style(sign))
        line.append(f"|{peak}")
        lines.append(line)
    indent = " " * (len(made.labels[0]) + 2)
    lines.append(Text(indent + made.axis, style="dim"))
    binned = [f"a character is the largest of {made.columns} experts"] if made.columns > 1 else []
    binned += [f"a row the largest of {made.rows} layers"] if made.rows > 1 else []
    lines.append(Text(f"from: {legend()}", style="dim"))
    lines += [Text(", ".join(binned), style="dim")] if binned else []
    for line in lines[1:-1]:
        line.no_wrap = True
    return Group(*lines, Text())


def _drift(drift: Drift | None) -> tuple[str, str, str]:
    """Cells: the median, its noise, and the worst layer."""
    if drift is None:
        return "", "", ""
    noise = "" if drift.noise is None else f"{drift.noise:.3f}"
    return f"{drift.median:.3f}", noise, f"{drift.worst:.3f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


_NOTE = "drift: deviation of ln (load / load in the window before), median over layers"


_SIZES = ("load of\na layer", "largest\n/ mean")


def _windows(windows: Sequence[WindowFigures], *, brief: bool) -> RenderableType:
    """A row for each window."""
    table = plain_table(tight=True)
    figures(table, "win-\ndow")
    table.add_column("source", overflow="ellipsis", no_wrap=True, max_width=_NAME)
    kinds = any(window.prefill_share is not None for window in windows)
    figures(table, "steps", *(() if brief else _SIZES), *(("pre-\nfill",) if kinds else ()))
    figures(table, "drift", "of it\nnoise", "worst\nlayer")
    table.add_column("re-\ngime")
    for window in windows:
        table.add_row(
            str(window.number),
            Text(visible(window.source)),
            f"{window.steps:,}",
            *(() if brief else (amount(window.load), f"{window.peak:.2f}")),
            *((_share(window.prefill_share),) if kinds else ()),
            *_drift(window.drift),
            window.regime,
        )
    return titled("Windows", table, _NOTE)


def _regimes(windows: Sequence[WindowFigures]) -> Iterator[Sequence[WindowFigures]]:
    """The windows in runs of one regime."""
    for _, run in groupby(windows, key=lambda window: window.regime):
        yield list(run)


def _runs(windows: Sequence[WindowFigures], *, brief: bool) -> RenderableType:
    """A row for the windows of one regime that follow each other."""
    runs = list(_regimes(windows))
    table = named(plain_table(tight=True), "windows")
    kinds = any(window.prefill_share is not None for window in windows)
    figures(table, "steps", *(() if brief else _SIZES), *(("pre-\nfill",) if kinds else ()))
    figures(table, "drift at\nstart", "\nwithin", "of it\nnoise")
    table.add_column("re-\ngime")
    for run in runs[-_ROWS:]:
        first, last = run[0], run[-1]
        within = [window.drift for window in run[1:] if window.drift is not None]
        shares = [window.prefill_share for window in run if window.prefill_share is not None]
        noises = [drift.noise for drift in within if drift.noise is not None]
        table.add_row(
            str(first.number) if first is last else f"{first.number}-{last.number}",
            f"{sum(window.steps for window in run):,}",
            *(() if brief else _median_sizes(run)),
            *((_share(statistics.mean(shares) if shares else None),) if kinds else ()),
            _drift(first.drift)[0],
            f"{statistics.median(drift.median for drift in within):.3f}" if within else "",
            f"{statistics.median(noises):.3f}" if noises else "",
            first.regime,
        )
    more = f"\nand {len(runs) - _ROWS} runs of windows before these; --json lists all windows"
    note = f"{_NOTE};\nof several windows the median" + (more if len(runs) > _ROWS else "")
    return titled("Windows by regime", table, note)


def _median_sizes(run: Sequence[WindowFigures]) -> tuple[str, str]:
    load, peak = (statistics.median(getattr(window, key) for window in run) for key in ("load", "peak"))
    return amount(load), f"{peak:.2f}"


def _ageing(ageing: Sequence[tuple[int, float]]) -> Text:
    words = ", ".join(f"{distance}: {drift:.3f}" for distance, drift in ageing)
    return Text(f"Drift within the last regime, by the distance of two windows: {words}")


def _kinds(kinds: StepKinds) -> str:
    apart = "" if kinds.drift is None else f"; the drift from decode to prefill is {kinds.drift.median:.3f}"
    return (
        f"{_counted(kinds.decode, 'decode step')} with a load of {amount(kinds.decode_load)} a layer, "
        f"{_counted(kinds.prefill, 'prefill step')} with {amount(kinds.prefill_load)}, which carry "
        f"{_share(kinds.prefill_share)} of all load{apart}"
    )


def loads_record(report: LoadsReport) -> dict[str, Any]:
    """The report as one JSON object; the map is left out, for it is the loads themselves."""
    keys = ("sources", "steps", "experts", "layers", "empty_layers", "windows", "kinds", "ageing", "advice", "notes")
    plain = {key: getattr(report, key) for key in keys}
    return {
        **plain,
        "layers": [asdict(layer) for layer in report.layers],
        "windows": [{**asdict(window), "drift": _drift_record(window.drift)} for window in report.windows],
        "kinds": None if report.kinds is None else {**asdict(report.kinds), "drift": _drift_record(report.kinds.drift)},
        "ageing": [{"windows": distance, "drift": drift} for distance, drift in report.ageing],
        "advice": asdict(report.advice),
    }


def _drift_record(drift: Drift | None) -> dict[str, Any] | None:
    return None if drift is None else {**asdict(drift), "beyond_noise": drift.beyond_noise}
