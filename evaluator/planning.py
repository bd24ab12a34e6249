"""A program's plans for one problem, made once in the confined process and validated: no score, no reference.

Owns: what a program is asked when a plan is wanted and not a verdict. Does not know: what the plans are for, files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evaluator import environment
from evaluator.executors import EXECUTORS
from evaluator.measuring import lanes
from evaluator.measuring.passes import Plans, pass_over_cases
from evaluator.screen import screen
from evaluator.settings import JudgeSettings
from evaluator.task_protocol import Problem, driver_of
from evaluator.types import Progress, Rejected
from evaluator.worker_handle import Stopped

_ROOM = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The valid plans of a problem's one case, a step each, and where they were made: device, its hardware, torch's
    version and the confinement level.
    """

    plans: Plans
    device: str
    hardware: str
    torch: str
    sandbox: str


def plan(
    source: str,
    problem: Problem,
    *,
    device: str = "auto",
    seed: int = 0,
    settings: JudgeSettings | None = None,
    executor: str = "local",
    progress: Callable[[Progress], None] | None = None,
) -> Planned | Rejected:
    """Have a program answer every call of a problem with one case, in order. The generators that it may use are seeded
    from `seed`, so that a program that keeps to them repeats its plans. Raises EvaluatorError.
    """
    settings = settings or JudgeSettings()
    refused = screen(source, problem.entry_point, max_bytes=settings.source_bytes)
    if refused is not None:
        return refused
    [case] = problem.cases(seed)
    target = environment.find(device)

    def report(at: int) -> None:
        if progress is not None:
            progress(Progress(stage="run", case=case.name, done=at, total=1))

    cores = lanes.spare(lanes.usable(settings.lanes, target.device, asked=device, address=target.address))
    with (
        lanes.claim(cores, lanes.width(target.device, settings.threads)) as cpus,
        EXECUTORS[executor](settings) as workers,
    ):
        try:
            worker = workers.open(
                request_bytes=max(problem.call_bytes(case), 6 * settings.source_bytes) + _ROOM,
                answer_bytes=problem.answer_bytes(case),
                device=target.address,
                cpus=cpus,
            )
            offered = tuple(sorted(problem.call(case, 0, ()).offered))
            worker.load(source, problem.entry_point, offered, driver_of(problem))
            plans = pass_over_cases(problem, (case,), seed, worker, report)[0][case.name]
        except Stopped as stopped:
            return stopped.verdict
        finally:
            workers.end()
        return Planned(
            plans=plans,
            device=target.device,
            hardware=target.hardware,
            torch=workers.ready.torch,
            sandbox=workers.ready.level,
        )
