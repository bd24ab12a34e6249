"""A task of your own, as one file.

This one is complete: jobs are given to machines, and the last machine should be done early. Replace it by your problem,
member by member; CONTRACT.md says what the judge needs each of them for.

A process of its own imports this file for the judge, so it needs numpy alone, never torch, and does nothing when it is
imported. Programs never see it: they get the arguments of `call` and return what `read` checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from evaluator import Column, Ladder
from evaluator.types import Answer, Array, Call, Case, CaseQuality, HardCase, InvalidAnswer, Plan

CASES = {"few": (24, 6), "many": (300, 16)}
"""The jobs and the machines of each case."""
LONGEST = 1000
"""Durations are whole numbers from 1 to this."""
DAYS = 8
"""Calls of a pass over a case, each on jobs of its own: over several, the luck of a single one evens out."""


class Makespan:
    """Quality is `evenness`: a lower bound of the makespan, which no schedule beats, divided by the schedule's own.

    The makespan is when the last machine is done. Higher quality is better, and 1 is perfect.
    """

    name = "makespan"
    version = 1  # raise it when scores no longer compare with earlier ones
    entry_point = "schedule"
    quality_name = "evenness"
    quality_key = "evenness"
    columns = (Column(key="idle", heading="idle\nshare"),)  # metrics of `score` that tables show
    reference = "reference.py"  # what programs are timed against; beside this file
    ladder = Ladder(
        programs=("seed.py", "reference.py"),  # worst first: a case in which they tie measures little
        metric="evenness",
        step=0.01,
        note="Cases in which both are equally good have too few jobs for their machines.",
    )
    resolution = 0.001  # the smallest difference in quality that matters
    notes = ()  # what was done to the workload without being asked, in sentences
    plan_axes = ("job",)

    def cases(self, seed: int) -> tuple[Case, ...]:
        """The cases of a run. The same seed gives the same cases."""
        rng = np.random.default_rng(seed)
        return tuple(
            Case(name=name, sizes={"machines": machines}, data=_durations((DAYS, jobs), rng))
            for name, (jobs, machines) in CASES.items()
        )

    def draw(self, case: Case, rng: np.random.Generator) -> Case:
        """The same case with fresh data of the same kind: what a scored call is made of, and nobody can know."""
        return Case(name=case.name, sizes=case.sizes, data=_durations(case.data.shape, rng))

    def steps(self, case: Case) -> int:
        """How many calls a pass over the case takes. A call may depend on the plans before it, which here none does."""
        return len(case.data)

    def call(self, case: Case, step: int, plans: tuple[Plan, ...]) -> Call:
        """The arguments of a program's function. Arrays arrive there as torch tensors."""
        return Call(args=(case.data[step], case.sizes["machines"]))

    def call_bytes(self, case: Case) -> int:
        return int(case.data[0].nbytes)

    def answer_bytes(self, case: Case) -> int:
        return 8 * case.data.shape[1]

    def read(self, case: Case, answer: Answer) -> Plan:
        """The machine of each job, int64 [jobs]. Trust nothing: any arrays of any type and shape may come.

        Raises InvalidAnswer, whose text a model reads: what was expected, what was found, where.
        """
        jobs, machines = case.data.shape[1], case.sizes["machines"]
        if len(answer) != 1 or answer[0].dtype.kind not in "iu" or answer[0].shape != (jobs,):
            found = ", ".join(f"{array.dtype} {list(array.shape)}" for array in answer) or "nothing"
            raise InvalidAnswer("form", f"expected one integer tensor [{jobs}], the machine of each job, found {found}")
        outside = (answer[0] < 0) | (answer[0] >= machines)
        if outside.any():
            job = int(outside.argmax())
            raise InvalidAnswer("range", f"expected machines 0 to {machines - 1}, found {answer[0][job]} for job {job}")
        return answer[0].astype(np.int64)

    def step_quality(self, case: Case, step: int, plan: Plan) -> float:
        """The quality of one plan on the data it was made for."""
        return _bound(case, step) / float(_loads(case, step, plan).max())

    pass_quality = step_quality  # another function where a plan is scored on other data, such as the next hour's

    def score(self, case: Case, plans: tuple[Plan, ...]) -> CaseQuality:
        """The quality of a whole pass, with its ceiling, which no answer can pass, and further metrics."""
        loads = [_loads(case, step, plan) for step, plan in enumerate(plans)]
        value = float(np.mean([self.step_quality(case, step, plan) for step, plan in enumerate(plans)]))
        idle = float(np.mean([1 - each.mean() / each.max() for each in loads]))
        return CaseQuality(case=case.name, value=value, ceiling=1.0, metrics={"evenness": value, "idle": idle})

    def hard_cases(self, seed: int) -> tuple[HardCase, ...]:
        """Small calls that trip programs up, judged for validity only."""
        return (
            self._small("one_job", [5], 3, "one job, and more machines than jobs"),
            self._small("one_machine", [3, 1, 2], 1, "one machine"),
            self._small("giant", [LONGEST, 1, 1, 1], 2, "a job that is longer than all others together"),
        )

    def agreement_calls(self, seed: int) -> tuple[HardCase, ...]:
        """Small calls with ties, on which all processes of a deployment would have to plan alike."""
        return (self._small("alike", [7] * 12, 4, "all jobs take equally long"),)

    def _small(self, name: str, durations: list[int], machines: int, why: str) -> HardCase:
        case = Case(name=name, sizes={"machines": machines}, data=np.array([durations], dtype=np.int64))
        return HardCase(case=case, call=self.call(case, 0, ()), why=why)

    def identity(self) -> Mapping[str, Any]:
        """All that affects scores, as JSON values: a run goes on only under the same."""
        return {"name": self.name, "version": self.version, "cases": {name: list(size) for name, size in CASES.items()}}


def _durations(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Many short jobs and a few long ones: int64 [days, jobs]."""
    return np.clip(rng.lognormal(4.0, 1.0, shape), 1, LONGEST).astype(np.int64)


def _loads(case: Case, step: int, plan: Plan) -> Array:
    """When each machine is done: [machines]."""
    return np.bincount(plan, weights=case.data[step], minlength=case.sizes["machines"])


def _bound(case: Case, step: int) -> float:
    """What no makespan is below: the mean load; the longest job; of the longest jobs one more than there are machines,
    the two shortest, since two of these jobs share a machine.
    """
    longest, machines = np.sort(case.data[step])[::-1], case.sizes["machines"]
    shared = longest[machines - 1 : machines + 1].sum() if len(longest) > machines else 0
    return float(max(longest.sum() / machines, longest[0], shared))


TASK = Makespan()
"""The task that `--task task.py` names. A function `task(options)` in its place gets the options of a config."""
