"""Commit messages: what `git log` shows of an attempt. Pure.

Owns: subject, body and trailers. Does not know: repositories. Nothing here is ever read back: `attempt.json` is the
truth.

Names, descriptions and reasons come from a model and may contain anything. They are cleaned so that they can neither
end the subject, nor pose as trailers, nor control a terminal.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from evaluator.types import Rejected, Score, Scored
from harness.archive.records import Record
from harness.text import one_line, printable
from harness.types import Unjudged

_SUBJECT = 100
_VALUE = 200
_BODY = 4000
_WIDTH = 90


def root_message(format_number: int) -> str:
    return f"Seed program\n\nThe program and the config this run starts from.\n\nFormat: {format_number}\n"


def attempt_message(record: Record) -> str:
    """Subject, body if there is one, and the trailers as the last paragraph."""
    subject = one_line(record.name, _SUBJECT)
    if not subject:
        refused = isinstance(record.verdict, Rejected) and record.verdict.stage == "patch"
        subject = f"(no program) attempt {record.number}" if refused else f"(no name) attempt {record.number}"
    trailers = "\n".join(f"{key}: {one_line(value, _VALUE) or '-'}" for key, value in _trailers(record))
    return "\n\n".join(part for part in (subject, _body(record.description), trailers) if part) + "\n"


def _body(description: str) -> str:
    cut = description if len(description) <= _BODY else description[:_BODY] + "…"
    paragraphs = re.split(r"\n\s*\n", "\n".join(printable(line) for line in cut.splitlines()))
    wrapped = (textwrap.fill(" ".join(paragraph.split()), _WIDTH, break_on_hyphens=False) for paragraph in paragraphs)
    # A line of dashes would end the message for `git format-patch` and `git am`.
    return "\n\n".join(re.sub(r"(?m)^(?=---|diff |Index: )", " ", text) for text in wrapped if text)


def _trailers(record: Record) -> Iterator[tuple[str, str]]:
    yield "Attempt", str(record.number)
    yield "Kind", record.kind
    if isinstance(record.verdict, Scored):
        score = record.verdict.score
        quality, speedup = score.quality, score.speedup
        yield "Verdict", "scored"
        yield _key(quality.name), f"{_with_interval(score)} ({quality.name}, ceiling {quality.ceiling:.4f})"
        yield "Runtime-ms", f"{score.runtime_ms:.4g}"
        yield "Speedup", f"{speedup.median:.4g} [{speedup.low:.4g}, {speedup.high:.4g}]"
        yield "Device", record.verdict.environment.device
    elif isinstance(record.verdict, Unjudged):
        yield "Verdict", "unjudged"
    else:
        yield "Verdict", "rejected"
        yield "Rejected", f"{record.verdict.stage}: {record.verdict.reason}"
    if record.claimed is not None:
        yield "Imported-from", f"{record.claimed.framework} {record.claimed.id}"
    if record.same_as:
        yield "Same-as", record.same_as[:12]
    yield "Proposer", record.proposer
    if record.model:
        yield "Model", record.model
    if record.usd:
        yield "Cost-usd", f"{record.usd:.6g}"
    if record.tokens:
        yield "Tokens", str(record.tokens)


def _with_interval(score: Score) -> str:
    """The quality with its 95 % interval, which records of earlier versions lack."""
    interval, words = score.quality_interval, f"{score.quality.value:.4f}"
    return words if score.gain is None else f"{words} [{interval.low:.4f}, {interval.high:.4f}]"


def _key(quality_name: str) -> str:
    """`balance_next` to `Balance`: git allows letters, digits and dashes in the key of a trailer."""
    word = re.sub(r"[^a-z0-9]", "", quality_name.split("_")[0].lower())
    return word.capitalize() or "Quality"
