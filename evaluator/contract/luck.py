"""Whether the pass over a case says the same of an honest program as its scored calls, or is decided by luck.

Owns: how much a program's gain varies from draw to draw, against what the judge puts down to chance. Does not know: any
clause's other questions, how programs are run.

A pass is one draw of a case. Where gains vary more from draw to draw than the judge allows between the pass and the
scored calls (`scoring.disagreement`), it rejects honest programs: their quality is disputed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, pstdev

from evaluator.contract.answering import Program
from evaluator.contract.findings import Broken
from evaluator.contract.subject import Passed, Subject
from evaluator.scoring import CHANCE, IN_PROPORTION
from evaluator.task_file import FileTask
from evaluator.types import Case

DRAWS = 10
SURE = 3.0
"""An honest program may be disputed where its gain in the pass is this many standard deviations from the mean."""


def check_luck(subject: Subject, path: str, what: str) -> None:
    """Raises Broken if the gains of a program over the reference vary too much from draw to draw."""
    task = subject.task
    drawn = subject.draws(DRAWS, seed=4)
    theirs = [_passes(subject, subject.program(task.reference, what), several) for _, several in drawn]
    mine = [_passes(subject, subject.program(path, what), several) for _, several in drawn]
    for (case, _), ours, reference in zip(drawn, mine, theirs, strict=True):
        gains = [_quality(task, one) - _quality(task, other) for one, other in zip(ours, reference, strict=True)]
        varies, allowed = pstdev(gains), _allowed(task, fmean(gains), reference)
        if SURE * varies > allowed:
            times = math.ceil((SURE * varies / allowed) ** 2)
            raise Broken(
                f"case {case.name}: the judge would reject honest programs by chance: the gain of "
                f"{path.rpartition('/')[2]} over the reference varies by {varies:.4f} from draw to draw (standard "
                f"deviation), and a pass may differ by {allowed:.4f} from the scored calls",
                f"give a pass {times} times as many `steps`, or make the cases larger, so that luck evens out",
            )


def _passes(subject: Subject, answer: Program, several: Sequence[Case]) -> list[Passed]:
    return [subject.pass_of(answer, case, drawn=True) for case in several]


def _quality(task: FileTask, passed: Passed) -> float:
    return fmean(task.pass_quality(each.case, each.step, each.plan) for each in passed.asked)


def _allowed(task: FileTask, gain: float, reference: Sequence[Passed]) -> float:
    """As `scoring.disagreement` has it: the scatter is the reference's, from call to call."""
    asked = [each for passed in reference for each in passed.asked]
    qualities = [task.pass_quality(each.case, each.step, each.plan) for each in asked]
    strays = [
        quality - task.step_quality(each.case, each.step, each.plan)
        for quality, each in zip(qualities, asked, strict=True)
    ]
    return task.resolution + CHANCE * (pstdev(strays) or pstdev(qualities)) + IN_PROPORTION * abs(gain)
