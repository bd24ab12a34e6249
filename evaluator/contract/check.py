"""All clauses of the contract of tasks, tried on a file in order.

Owns: the list of clauses, and that a fault of the task's code breaks the clause that met it. Does not know: how a
clause is tried, how findings are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from evaluator.contract import clauses, judged
from evaluator.contract.answering import Programs
from evaluator.contract.findings import Broken, Finding, NotTried
from evaluator.contract.subject import Subject
from evaluator.task_file.process import LIMIT_S, Started, TaskFileError, start
from evaluator.task_file.task import read_source
from evaluator.types import EvaluatorError, InvalidAnswer, WorkloadError

Clause = Callable[[Subject], str]
CLAUSES: Mapping[str, Clause] = {
    "import": clauses.quiet_import,
    "members": clauses.members,
    "seeds": clauses.seeds,
    "draws": clauses.varying_draws,
    "alike": clauses.alike,
    "reference": judged.reference,
    "hard cases": judged.hard_cases,
    "room": clauses.room,
    "refusals": judged.refusals,
    "quality": judged.quality,
    "ladder": judged.ladder,
    "no torch": judged.no_torch,
}


def check_task_file(
    path: Path,
    programs: Programs,
    *,
    start: Callable[[], Started] = start,
    limit_s: float = LIMIT_S,
    only: tuple[str, ...] = tuple(CLAUSES),
) -> Iterator[Finding]:
    """A finding for every clause, each as soon as it is tried.

    `programs` loads the programs that the task names. Raises EvaluatorError where the file cannot be read, and where
    the machine is at fault.
    """
    subject = Subject(path, read_source(path, str(path)), programs, start=start, limit_s=limit_s)
    hindered = ""
    try:
        for name in only:
            finding = _finding(name, subject) if not hindered else _not_tried(name, hindered)
            if finding.state == "FAILED" and (name == "members" or (name == "import" and not _loads(subject))):
                hindered = name
            yield finding
    finally:
        subject.close()


def _not_tried(name: str, hindered: str) -> Finding:
    return Finding(clause=name, state="not tried", said=f"see {hindered}")


def _finding(name: str, subject: Subject) -> Finding:
    try:
        return Finding(clause=name, state="ok", said=CLAUSES[name](subject))
    except Broken as broken:
        return Finding(clause=name, state="FAILED", said=broken.said, advice=broken.advice)
    except NotTried as error:
        return Finding(clause=name, state="not tried", said=str(error))
    except InvalidAnswer as invalid:
        return Finding(clause=name, state="FAILED", said=f"a valid answer is refused: {invalid}", advice="see `read`")
    except (TaskFileError, WorkloadError) as error:
        return Finding(clause=name, state="FAILED", said=str(error), advice="correct the task file there")


def _loads(subject: Subject) -> bool:
    """Whether the file can be used, though its import does something."""
    try:
        _ = subject.loaded
    except EvaluatorError:
        return False
    return True
