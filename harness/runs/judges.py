"""The judges that a config describes.

Owns: making them: one in this process, several in a process each, or on a Ray cluster. Does not know: runs, any verb.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from evaluator import (
    Cluster,
    Environment,
    Judge,
    JudgeSettings,
    JudgeSpec,
    Lane,
    ProcessLine,
    RemoteJudge,
    Room,
    Task,
    lanes_apart,
    on_cpu,
)
from evaluator.settings import own_first
from harness.config import Config

AnyJudge = Judge | RemoteJudge


def judge_of(config: Config, *, device: str | None = None, seed: int | None = None, task: Task | None = None) -> Judge:
    """The judge of a config, not yet started; `device`, `seed` and `task` replace the config's."""
    return Judge(
        config.task if task is None else task,
        reference=config.reference.text(),
        reference_name=config.reference.path.name,
        device=config.device if device is None else device,
        seed=config.seed if seed is None else seed,
        settings=config.judge,
    )


def judges_of(config: Config) -> list[AnyJudge]:
    """The judges of a search, not yet started: `executor.workers`, or one for each lane of the run's device. Several
    work in a process each, and each looks first whether its own lane is free.
    """
    lanes = lanes_of(config)
    count = config.raw.executor.workers or len(lanes) or 1
    if count == 1:
        return [judge_of(config)]
    return [_of_lane(config, own_first(lanes, number), number) for number in range(count)]


def entered(stack: ExitStack, judges: Iterable[AnyJudge]) -> list[AnyJudge]:
    """These judges, started; they end with the stack."""
    started: list[AnyJudge] = []
    for judge in judges:
        stack.enter_context(judge)
        started.append(judge)
    return started


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """Started judges: those whose times count, and those of other hardware, which find invalid programs."""

    judges: Sequence[AnyJudge]
    checkers: Sequence[RemoteJudge] = ()


def started(
    config: Config, stack: ExitStack, *, then: Environment | None = None, note: Callable[[str], None] | None = None
) -> Judges:
    """The judges of a search, started; they end with the stack. `then` is the environment of the scores that the run
    has, `note` gets what the user should know. Raises EvaluatorError.
    """
    section = config.raw.executor
    if section.kind == "local":
        return Judges(judges=entered(stack, judges_of(config)))
    cluster = stack.enter_context(Cluster(section.address, ships=section.ship))
    on_gpus = config.device.startswith("cuda") or (config.device == "auto" and cluster.gpus > 0)
    room = Room(cpus=config.judge.threads, gpus=1) if on_gpus else Room(cpus=config.judge.threads)
    gathered = cluster.gather(
        _spec(config, "cuda" if on_gpus else "cpu", config.judge),
        config.task,
        count=section.workers or cluster.room_for(room),
        room=room,
        hardware=section.hardware,
        then=then,
        enter=stack.enter_context,
    )
    for line in gathered.told if note is not None else ():
        assert note is not None
        note(f"executor: {line}")
    return Judges(judges=gathered.judges, checkers=gathered.checkers)


def lanes_of(config: Config) -> tuple[Lane, ...]:
    """The lanes of `judge.lanes` that are for the run's device; under `cuda` and `auto`, those of every GPU. Several
    workers on the CPU have a lane of their own each where the config names none, as far as there are cores.
    """
    device, lanes, workers = config.device, config.judge.lanes, config.raw.executor.workers or 1
    if not lanes and workers > 1 and on_cpu(device):
        return lanes_apart(workers, config.judge.threads)
    if device in ("auto", "cuda"):
        on_gpus = tuple(lane for lane in lanes if lane.device.startswith("cuda"))
        return on_gpus or tuple(lane for lane in lanes if lane.device in ("", device))
    return tuple(lane for lane in lanes if lane.device in ("", device))


def _of_lane(config: Config, lanes: tuple[Lane, ...], number: int) -> RemoteJudge:
    """A judge in a process of its own, which measures in the first of these lanes if it can."""
    device = (lanes[0].device if lanes else "") or config.device
    spec = _spec(config, device, config.judge.with_lanes(lanes) if lanes else config.judge)
    return RemoteJudge(ProcessLine(_place(lanes, device, number)), spec, config.task)


def _spec(config: Config, device: str, settings: JudgeSettings) -> JudgeSpec:
    return JudgeSpec.of(
        config.task,
        reference=config.reference.text(),
        reference_name=config.reference.path.name,
        device=device,
        seed=config.seed,
        settings=settings,
    )


def _place(lanes: tuple[Lane, ...], device: str, number: int) -> str:
    """What users call the place of a judge."""
    cpus = lanes[0].cpus if lanes else ()
    cores = f"core{'s' if len(cpus) > 1 else ''} {', '.join(map(str, cpus))}" if cpus else ""
    if device.startswith("cuda"):
        return device if not cores else f"{device} and {cores}"
    return cores or f"process {number + 1}"
