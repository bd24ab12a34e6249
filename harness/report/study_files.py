"""What a study found, as the text of a file for a paper: Markdown, CSV or LaTeX.

Owns: these formats, and what their letters need. Does not know: files, how a study is made.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from harness.report.study_view import (
    Found,
    attempts,
    ends,
    notes,
    quality_change,
    quality_words,
    score,
    seeds,
    speed_change,
    speed_words,
    verdict,
    volume_words,
)
from harness.study.findings import Mean, Row, Versus

_TEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "[": "{[}",
    "]": "{]}",
}
"""Letters that LaTeX takes for commands. A bracket at the begin of a cell is taken for the argument of a line's end."""


def markdown(found: Found) -> str:
    """A table in Markdown, with its notes below."""
    head = _headings(found)
    lines = [_line(head), _line(["---"] * len(head)), *(_line(_cells(row)) for row in found.rows)]
    return "\n".join((*lines, "", *(f"{note[:1].upper()}{note[1:]}.  " for note in notes(found)))) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def latex(found: Found) -> str:
    """A `tabular` in LaTeX for the package booktabs, with the notes as comments above."""
    head = _headings(found)
    lines = [f"% {note}" for note in notes(found)]
    lines += [r"\begin{tabular}{ll" + "r" * (len(head) - 2) + "}", r"\toprule", _tex_line(head), r"\midrule"]
    before = found.rows[0].task if found.rows else ""
    for row in found.rows:
        lines += [r"\midrule"] if row.task != before else []
        before = row.task
        lines.append(_tex_line(_cells(row)))
    return "\n".join((*lines, r"\bottomrule", r"\end{tabular}")) + "\n"


def _tex_line(cells: Sequence[str]) -> str:
    return " & ".join("".join(_TEX.get(letter, letter) for letter in cell) for cell in cells) + r" \\"


def _headings(found: Found) -> tuple[str, ...]:
    first = f"against {found.first}"
    return (
        *("task", "method", "seeds", "attempts", found.quality_key, "speed-up", "hypervolume"),
        *(f"{found.quality_key} {first}, points", "wins:losses", f"speed {first}", "wins:losses"),
    )


def _cells(row: Row) -> tuple[str, ...]:
    quality, speed = row.quality_change, row.speed_change
    return (
        *(row.task, row.method, seeds(row), attempts(row), quality_words(row.quality), speed_words(row.speedup)),
        volume_words(row.volume),
        *(quality_change(quality), score(quality), speed_change(speed), score(speed)),
    )


_CHANGE = ("", "_low", "_high", "_wins", "_losses", "_verdict")


def csv_text(found: Found) -> str:
    """Every figure in a column of its own, unrounded; what a row does not have is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    means = [f"{name}{end}" for name in ("quality", "speedup", "hypervolume") for end in ("", "_low", "_high")]
    changes = [f"{name}_change{end}" for name in ("quality", "speed", "hypervolume") for end in _CHANGE]
    counts = ("task", "method", "ended", "planned", "attempts_least", "attempts_most")
    writer.writerow((*counts, *means, "usd", "tokens", *changes, "not_compared"))
    for row in found.rows:
        writer.writerow(
            (
                *(row.task, row.method, row.ended, row.planned, *row.attempts),
                *(*_of_mean(row.quality), *_of_mean(row.speedup), *_of_mean(row.volume), row.usd, row.tokens),
                *(*_of_change(row.quality_change), *_of_change(row.speed_change), *_of_change(row.volume_change)),
                row.apart,
            )
        )
    return text.getvalue()


def _of_mean(value: Mean | None) -> tuple[float | None, ...]:
    return (None, None, None) if value is None else (value.value, *ends(value.interval))


def _of_change(versus: Versus | None) -> tuple[float | int | str | None, ...]:
    if versus is None:
        return (None,) * len(_CHANGE)
    return (*_of_mean(versus.change), versus.wins, versus.losses, verdict(versus))


FORMATS: Mapping[str, Callable[[Found], str]] = MappingProxyType(
    {".md": markdown, ".csv": csv_text, ".tex": latex},
)
"""The formats by suffix."""
