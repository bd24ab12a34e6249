"""The section of a report on how to get its figures again: commands, config, versions, machine.

Owns: what somebody needs for that. Does not know: formats.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from evaluator import Environment
from harness.document import words
from harness.document.blocks import Block, Code, Column, Fold, Heading, Line, Paragraph, Quoted, Row, Table
from harness.document.report import Report
from harness.text import one_line

_VALUE = 200


def reproduce(report: Report) -> Iterator[Block]:
    yield Heading(text="How to reproduce it", anchor="reproduce")
    yield Code(text=_commands(report), language="sh")
    yield Paragraph(
        line=(
            "A search that is started again takes another path, since its measurements differ. With "
            "proposer.kind=replay it is told the recorded replies."
        ),
        look="note",
    )
    yield Table(
        columns=(Column(heading="what"), Column(heading="value")),
        rows=tuple(Row(cells=(what, _value(value))) for what, value in _facts(report) if value),
        caption="Where the champion was measured",
    )
    yield Fold(summary="the config", blocks=(Code(text=report.facts.config, language="yaml"),))


def _commands(report: Report) -> str:
    run = shlex.quote(one_line(report.facts.run, _VALUE))
    number = report.champion.number
    return "\n".join(
        (
            f"packsmith verify {run}                              # every program from its parent and its reply",
            f"packsmith remeasure {run} {number} --same-draws          # the same calls again: the same answers",
            f"packsmith remeasure {run} {number} --times 3             # other draws: the score again",
            f"packsmith best {run} -o best.py                     # the champion",
            f"packsmith lineage {run} {number} --patches series        # its patches, as files",
            f"git -C {run} show seed:config.yaml > config.yaml    # the config, below",
        )
    )


def _value(value: str) -> Line:
    return (Quoted(text=one_line(value, _VALUE)),)


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    facts, where = report.facts, report.environment
    yield "task", where.task
    yield "program the search began with", facts.program
    yield "reference", where.reference
    yield from _machine(where)
    yield "seed", str(facts.seed)
    yield "conditions (fingerprint)", where.fingerprint
    yield "run (root commit)", facts.root_id
    yield "champion (commit)", report.champion.id
    yield "this report", f"packsmith {facts.version}, {words.when(facts.made_s)}"


def _machine(where: Environment) -> Iterator[tuple[str, str]]:
    threads = "1 thread" if where.threads == 1 else f"{where.threads} threads"
    yield "device", f"{where.device}, {where.hardware}, {where.cores} cores, {threads} for a program"
    yield "driver", where.driver
    yield "software", f"Python {where.python}, torch {where.torch}, Linux {where.kernel}"
    yield "confinement", where.sandbox
    yield "an empty call", f"{where.empty_call_us / 1000:.2f} ms"
