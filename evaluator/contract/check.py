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
from evaluator.task_file.process import LIMIT_S, TaskFileError, TaskFileHangs
from evaluator.task_file.starting import Started, start
from evaluator.task_file.task import read_source
from evaluator.types import EvaluatorError, InvalidAnswer, WorkloadError

Clause = Callable[[Subject], str]
_SHORTER = "end the loop, or make the cases smaller"
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
            if hindered:
                yield Finding(clause=name, state="not tried", said=f"see {hindered}")
                continue
            try:
                finding = _finding(name, subject)
            except TaskFileHangs as hang:  # every clause that asks the member would wait as long
                finding = Finding(clause=name, state="FAILED", said=str(hang), advice=_SHORTER)
                hindered = name
            else:
                hindered = name if _hinders(finding, subject) else ""
            yield finding
    finally:
        subject.close()


def _finding(name: str, subject: Subject) -> Finding:
    """Raises TaskFileHangs."""
    try:
        return Finding(clause=name, state="ok", said=CLAUSES[name](subject))
    except Broken as broken:
        return Finding(clause=name, state="FAILED", said=broken.said, advice=broken.advice)
    except NotTried as error:
        return Finding(clause=name, state="not tried", said=str(error))
    except InvalidAnswer as invalid:
        return Finding(clause=name, state="FAILED", said=f"a valid answer is refused: {invalid}", advice="see `read`")
    except TaskFileHangs:
        raise
    except (TaskFileError, WorkloadError) as error:
        return Finding(clause=name, state="FAILED", said=str(error), advice="correct the task file there")


def _hinders(finding: Finding, subject: Subject) -> bool:
    """Whether no other clause can be tried."""
    if finding.state != "FAILED":
        return False
    return finding.clause == "members" or (finding.clause == "import" and not _loads(subject))


def _loads(subject: Subject) -> bool:
    """Whether the file can be used, though its import does something."""
    try:
        _ = subject.loaded
    except EvaluatorError:
        return False
    return True
