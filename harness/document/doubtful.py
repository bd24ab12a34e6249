"""The section of a report on what is open to doubt.

Owns: how doubts are worded. Does not know: which there are, formats.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from harness.document import words
from harness.document.blocks import Block, Heading, Items, Line, Paragraph, Quoted, Typed
from harness.document.report import Report
from harness.readings.claims import Result, claims, usual_score
from harness.readings.doubts import FEW_PAIRS, FEW_ROUNDS, Doubt
from harness.report.measurements_view import APART
from harness.text import one_line

_LONGEST, _DAMAGE = 400, 10


def doubtful(report: Report) -> Iterator[Block]:
    yield Heading(text="Doubts", anchor="doubts")
    lines = [*_of_the_champion(report), *(_line(doubt) for doubt in report.doubts), *_claimed(report), *_damage(report)]
    if lines:
        yield Items(lines=tuple(lines))
    else:
        yield Paragraph(line="Nothing in the run gives reason for doubt that packsmith knows of.")


def _of_the_champion(report: Report) -> Iterator[Line]:
    for against in report.against:
        side = against.overall
        unsure = [
            *([] if side.times is None or words.excludes(side.times, 1) else ["speed"]),
            *([] if side.points is None or words.excludes(side.points, 0) else [report.facts.quality]),
        ]
        if unsure and report.champion.id != report.seed.id:
            other = "the reference" if against.role == "reference" else "the seed program"
            yield f"Against {other} the champion has no sure change of {' nor of '.join(unsure)}."
    if sum(len(group.members) for group in report.measured) < 2 and report.champion.id != report.seed.id:
        yield (
            "The champion's score is the one that made it champion, and was never measured again: of many programs the "
            "best reads a little too well. ",
            Typed(text="packsmith remeasure RUN best"),
            " measures it on other draws.",
        )
    if any(group.pooled is not None and group.pooled.apart for group in report.measured):
        yield f"Measurements of the champion disagree: {APART}."


def _line(doubt: Doubt) -> Line:
    which = words.numbers(doubt.attempts)
    detail = Quoted(text=one_line(doubt.detail, _LONGEST))
    match doubt.kind:
        case "undecided":
            return f"Undecided: {which} claimed the champion's place, and the duel showed no sure change."
        case "failed":
            return f"The champion of the time failed when it was run again for a duel with {which}, and lost by that."
        case "elsewhere":
            return (f"Changed conditions: run times of {which} do not compare with the champion's: ", detail, ".")
        case "noisy":
            return (f"Noisy machine: there was a warning at {which}; the last: ", detail, ".")
        case "few":
            return (
                f"Few samples: {which} had under {FEW_ROUNDS} rounds of fresh processes or under {FEW_PAIRS} pairs of "
                f"calls (the least: {doubt.detail}). Intervals of so few can be too narrow by luck."
            )
        case "early":
            return f"Ended early: the fate of {which} was decided before a full measurement, so figures are rough."
        case "wide speed":
            return f"Wide interval of speed: {which}, up to ±{100 * float(doubt.detail):.0f} %."
        case "wide quality":
            return f"Wide interval of quality: {which}, up to ±{100 * float(doubt.detail):.2f} points."
        case "disputed":
            return (
                f"Disputed: {which}, rejected because the program's own clock or its quality in the pass did not agree "
                "with what the judge measured."
            )
        case "reworked":
            return (f"Applied with a warning: {which} (", Typed(text="packsmith show RUN ID"), " says which).")
        case "twins":
            return f"Twins: {which}, the same program as an earlier attempt, whose verdict was taken over."
        case "unjudged":
            return f"Not judged: {which}, imported from another framework's archive."


def _claimed(report: Report) -> Iterator[Line]:
    """What became of the gains that another framework claimed of imported programs."""
    held = claims(report.entries, report.find, usual_score(report.entries))
    if held.pairs:
        counts = ", ".join(f"{held.count(result)} {result}" for result in get_args(Result) if held.count(result))
        yield (
            f"Claims: of {len(held.pairs)} claimed gains in ",
            Quoted(text=held.name),
            f", as measured: {counts}.",
        )


def _damage(report: Report) -> Iterator[Line]:
    for sentence in report.facts.damage[:_DAMAGE]:
        yield ("Damaged: ", Quoted(text=one_line(sentence, _LONGEST)))
