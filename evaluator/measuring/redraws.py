"""The secret calls of a score, answered again: whether each answer has the quality that was stored.

Owns: which calls must be answered for that, and when two qualities agree. Does not know: archives, how a worker starts.

A plan may depend on the plans before it in the same draw, of which a score keeps only those that were timed. So every
draw is answered from its first step on, in one process. A program whose answers depend on anything but its arguments
and the seed of the call, such as calls of an earlier draw, may give others than it did. So may any program on another
CPU or GPU or with another version of torch, where sums round and ties break otherwise; who asks says how the conditions
differ from those of the score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evaluator.chained import quality_in_pass
from evaluator.measuring.draws import Draws
from evaluator.measuring.passes import Plans, read_answer
from evaluator.measuring.timing import QUALITY_DECIMALS
from evaluator.task_protocol import Task
from evaluator.types import Case, EvaluatorError, Samples, Score
from evaluator.worker_handle import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrawn:
    """The calls of one case, answered again: how many `calls` there are, how many of them `agree` with the stored
    quality to all stored decimals, and the `largest` difference.
    """

    case: str
    calls: int
    agree: int
    largest: float

    @property
    def ok(self) -> bool:
        return self.agree == self.calls


def redraw(task: Task, cases: Sequence[Case], score: Score, worker: Worker) -> tuple[Redrawn, ...]:
    """The scored calls of a program, answered again by a worker that has loaded it; an item for each case of the score.

    Raises Stopped if the program fails, EvaluatorError if the score holds no calls or is of other cases.
    """
    if not score.secret or not all(case.samples and case.samples.calls for case in score.cases):
        raise EvaluatorError(
            "this score holds no secret and no calls, because an earlier version took it: only `remeasure` without "
            "--same-draws can measure the program again"
        )
    known = {case.name: case for case in cases}
    if missing := [case.quality.case for case in score.cases if case.quality.case not in known]:
        raise EvaluatorError(f"expected a score of the cases {', '.join(known)}, found one of {', '.join(missing)}")
    redrawn = []
    for each in score.cases:
        assert each.samples is not None, "checked above"
        redrawn.append(_redraw_case(task, known[each.quality.case], score.secret, each.samples, worker))
    return tuple(redrawn)


def _redraw_case(task: Task, case: Case, secret: str, samples: Samples, worker: Worker) -> Redrawn:
    stored = dict(zip(samples.calls, samples.candidate_quality, strict=True))
    found = dict(_answers(task, case, Draws(task, case, secret), stored, worker))
    differences = [abs(found[call] - quality) for call, quality in stored.items()]
    return Redrawn(
        case=case.name,
        calls=len(stored),
        agree=sum(found[call] == quality for call, quality in stored.items()),
        largest=max(differences),
    )


def _answers(
    task: Task, case: Case, draws: Draws, wanted: dict[int, float], worker: Worker
) -> Iterator[tuple[int, float]]:
    """Each wanted call and the quality of its answer, and those of the calls before it in its draw."""
    last = {call // draws.steps: call for call in sorted(wanted)}
    for draw, end in last.items():
        plans: Plans = ()
        for call in range(draw * draws.steps, end + 1):
            drawn, step = draws.at(call)
            what = f"case {case.name}, call {call} again"
            answer, _ = worker.call(task.call(drawn, step, plans), draws.seed(call), what=what)
            plans = (*plans, read_answer(task, drawn, answer, what))
            yield call, round(quality_in_pass(task, drawn, step, plans), QUALITY_DECIMALS)
