"""The clauses of the contract about answers: the reference's, corrupted ones, their quality, and programs of known
order.

Owns: what each of these clauses asks for, and how it is tried. Does not know: files, the command, how findings are
shown. A clause returns what was tried, or raises Broken.
"""

from __future__ import annotations

from statistics import fmean

import numpy as np

from evaluator.contract.corrupting import Corrupted, corrupted
from evaluator.contract.findings import Broken
from evaluator.contract.luck import check_luck
from evaluator.contract.subject import SEED, Asked, Passed, Subject
from evaluator.task_file import FileTask, TaskFileError
from evaluator.types import CaseQuality, InvalidAnswer

NOTICED = 3
"""Of the changes that may leave an answer valid, at least this many have to be refused or score lower."""
_CORRUPTED = 2
_OUTCOMES = ("refused", "lower", "not worse")
_MOST_SMALL = 1 << 20


def reference(subject: Subject) -> str:
    """The reference answers every call of the pass and of draws validly."""
    passes = subject.passes
    return f"{sum(len(passed.asked) for passed in passes)} calls answered validly, of the pass and of draws"


def hard_cases(subject: Subject) -> str:
    """There are small calls with something hard in them, which the reference answers."""
    task, small = subject.task, subject.small
    whys = [hard.why for hard in task.hard_cases(SEED)]
    if len(set(whys)) < len(whys) or min(map(len, whys)) < 6:
        raise Broken("two hard cases have the same `why`, or one says nothing", "say what is hard about each")
    answer = subject.program(task.reference, "`reference`")
    for at, hard in enumerate(small):
        room = task.answer_bytes(hard.case)
        if room > _MOST_SMALL:
            raise Broken(
                f"{hard.case.name}: an answer may take {room:,} bytes, at most {_MOST_SMALL:,} are small", "shrink it"
            )
        what = f"hard case {hard.case.name} ({hard.why})"
        _, plan = subject.valid(answer, hard.case, hard.call, at, what)
        if plan.ndim != len(task.plan_axes):
            axes = ", ".join(task.plan_axes)
            raise Broken(
                f"{hard.case.name}: a plan has {plan.ndim} axes, and `plan_axes` names {axes}", "correct `plan_axes`"
            )
    return f"{len(small)} small calls answered, {len(whys)} of them hard cases"


def refusals(subject: Subject) -> str:
    """Corrupted answers are refused with a reason, or score lower."""
    firsts = {passed.case.name: passed.asked[0] for passed in subject.answered if not passed.drawn}
    rng = np.random.default_rng(SEED)
    worst: dict[str, str] = {}
    noticed, tried = set[str](), 0
    for asked in sorted(firsts.values(), key=lambda each: sum(array.nbytes for array in each.answer))[:_CORRUPTED]:
        for change in corrupted(asked.answer, rng):
            tried += 1
            outcome = _outcome(subject.task, asked, change)
            worst[change.name] = min(outcome, worst.get(change.name, outcome), key=_OUTCOMES.index)
            if change.must and outcome != "refused":
                raise Broken(
                    f"case {asked.case.name}: `read` takes a corrupted answer: {change.name}",
                    "check in `read` the number of arrays, the dtype, the shape, then the range, then the meaning",
                )
            if not change.must and outcome != "not worse":
                noticed.add(change.name)
    found = "; ".join(
        f"{outcome}: {', '.join(names) or 'none'}"
        for outcome in _OUTCOMES
        for names in [sorted(name for name, reached in worst.items() if reached == outcome)]
    )
    if len(noticed) < NOTICED:
        raise Broken(
            f"of the changes that keep an answer's form, {len(noticed)} are refused or score lower, expected at least "
            f"{NOTICED}; {found}",
            "check the meaning of answers in `read`, and that `pass_quality` depends on the plan",
        )
    return f"{tried} corrupted answers; {found}"


def _outcome(task: FileTask, asked: Asked, change: Corrupted) -> str:
    try:
        plan = task.read(asked.case, change.answer)
    except InvalidAnswer as invalid:
        if not invalid.reason.isidentifier() or len(invalid.detail) < 10:
            raise Broken(
                f"{change.name}: refused without a proper reason: {invalid.reason!r}, {invalid.detail!r}",
                "give InvalidAnswer a reason of one word, and a text that says what was expected and what was found",
            ) from None
        return "refused"
    if change.must:
        return "not worse"
    try:
        after = task.pass_quality(asked.case, asked.step, plan)
    except TaskFileError as error:
        raise Broken(
            f"{change.name}: `read` takes it, and then {error}", "refuse in `read` what cannot be scored"
        ) from None
    return "lower" if after < task.pass_quality(asked.case, asked.step, asked.plan) else "not worse"


def quality(subject: Subject) -> str:
    """Qualities are finite and repeat, none is above its ceiling, and every metric that tables show is there."""
    task = subject.task
    scores = []
    for passed in subject.answered:
        for each in passed.asked:
            task.step_quality(each.case, each.step, each.plan)
            task.pass_quality(each.case, each.step, each.plan)
        score = _scored(task, passed)
        scores.append(score.value)
        if score != task.score(passed.case, passed.plans):
            raise Broken(
                f"case {passed.case.name}: `score` gives something else when it is asked again", "draw nothing"
            )
        wanted = [column.key for column in task.columns] + ([task.ladder.metric] if task.ladder else [])
        if missing := [key for key in wanted if key not in score.metrics]:
            raise Broken(
                f"case {passed.case.name}: `score` lacks the metrics {', '.join(missing)}, which `columns` or `ladder` "
                "name",
                "add them to the metrics",
            )
    _check_own_data(subject)
    return f"{len(scores)} passes, {min(scores):.4f} to {max(scores):.4f}, none above its ceiling"


def _scored(task: FileTask, passed: Passed) -> CaseQuality:
    """The score of a pass. Raises Broken if it is above its ceiling."""
    score = task.score(passed.case, passed.plans)
    if score.value > score.ceiling + 1e-9:
        raise Broken(
            f"case {passed.case.name}: the quality {score.value:.6g} is above its ceiling {score.ceiling:.6g}",
            "correct the bound, or the quality, in `score`",
        )
    return score


def _check_own_data(subject: Subject) -> None:
    """Raises Broken if every plan is as good on other data as on those it was made for."""
    task = subject.task
    for case in subject.cases:
        drawn = [each for each in subject.answered if each.drawn and each.case.name == case.name]
        own = [task.pass_quality(each.case, 0, each.plans[0]) for each in drawn]
        others = [task.pass_quality(case, 0, each.plans[0]) for each in drawn]
        if own == others:
            raise Broken(
                f"case {case.name}: plans made for {len(drawn)} draws are exactly as good on other data",
                "score a plan in `pass_quality` on the data of the case that it is given",
            )


def ladder(subject: Subject) -> str:
    """Programs that are known to be worse and better score in that order."""
    task = subject.task
    if task.ladder is None:
        raise Broken(
            "`ladder` is None: nothing shows that better programs score higher",
            "name two programs or more, worst first, such as the seed program and the reference",
        )
    means, values = [], []
    for path in task.ladder.programs:
        answer = subject.program(path, "`ladder`")
        scores = []
        for case in subject.cases:
            passed = subject.pass_of(answer, case)
            scores.append(_scored(task, passed))
        means.append(fmean(score.metrics[task.ladder.metric] for score in scores))
        values.append(fmean(score.value for score in scores))
    names = [path.rpartition("/")[2] for path in task.ladder.programs]
    found = ", ".join(f"{name} {mean:.4f}" for name, mean in zip(names, means, strict=True))
    if means != sorted(means) or values != sorted(values) or means[-1] - means[0] < task.ladder.step:
        raise Broken(
            f"programs of known order do not score in that order, or {task.ladder.step:g} apart: {found}",
            "see `ladder`, worst first; else the quality is wrong, or the cases are too easy to tell programs apart",
        )
    check_luck(subject, task.ladder.programs[0], "`ladder`")
    return found


def no_torch(subject: Subject) -> str:
    """Nothing of the task imports torch, which takes seconds and starts threads."""
    if subject.imported_torch():
        raise Broken("the task's process has imported torch", "use numpy: programs get tensors, and answer arrays")
    return "not imported, by the file or by any member"
