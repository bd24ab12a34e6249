"""Judges on a Ray cluster: an actor each, wherever Ray finds room.

Owns: the connection to the cluster, the actors, and which of them decide. Does not know: what messages say, searching.

An actor holds a judge with its helper processes for as long as it lives, and reserves what a measurement needs: the
cores of a program, or one GPU. Our code and the task with its inputs go to each node once, by way of Ray's own stores.
Actors belong to the driver: when that ends, for any reason, Ray ends them, and their supervisors kill what is below.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from evaluator.remote.handle import RemoteJudge
from evaluator.remote.messages import Event, JudgeSpec, dumps, loads
from evaluator.remote.ray_head import Head
from evaluator.remote.serving import Serving
from evaluator.task_protocol import Task
from evaluator.types import Environment, EvaluatorError, JudgeLost

FIRST_S, ARRIVAL_S = 120.0, 600.0
"""How long a search waits for its first judge; how long a lost judge looks for room again."""
_POLL_S = 2.0
_SILENCE_S = 900.0
"""A judge that says nothing for this long is lost: its node hangs."""
_LOCAL = "local"


class Bench:
    """The actor: a judge that serves its driver. Methods may run at once, in threads of Ray's."""

    def __init__(self, spec: bytes) -> None:
        self._serving = Serving(loads(spec))

    def where(self) -> str:
        """The node's name."""
        return socket.gethostname()

    def post(self, order: bytes) -> None:
        self._serving.post(loads(order))

    def events(self, timeout_s: float) -> list[bytes]:
        return [dumps(event) for event in self._serving.events(timeout_s)]

    def close(self) -> None:
        self._serving.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What an actor reserves on its node."""

    cpus: float = 1
    gpus: float = 0


class RayLine:
    """The way to an actor."""

    elsewhere = True

    def __init__(self, ray: Any, number: int, room: Room, head: Head | None = None) -> None:
        self._ray, self._name, self._room, self._head = ray, f"judge {number} of the cluster", room, head
        self._node = ""
        self._actor: Any = None
        self._sent: Any = None
        self._closing = threading.Event()

    @property
    def shown(self) -> str:
        return f"{self._name} on {self._node}" if self._node else self._name

    def open(self, spec: JudgeSpec) -> None:
        """Ask for an actor; it starts once a node has room."""
        if self._sent is None:
            self._sent = self._ray.put(dumps(spec))
        self._closing.clear()
        self._node = ""
        kind = self._ray.remote(Bench).options(
            num_cpus=self._room.cpus,
            num_gpus=self._room.gpus,
            max_concurrency=4,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )
        self._actor = self._asked(lambda: kind.remote(self._sent))

    def arrive(self, patience_s: float = ARRIVAL_S) -> None:
        """Wait until the actor runs. Raises JudgeLost where no node has room in time, or it cannot start."""
        asked, deadline_s = self._actor.where.remote(), time.monotonic() + patience_s
        while not self._closing.is_set():
            ready, _ = self._ray.wait([asked], timeout=_POLL_S if patience_s > _POLL_S else patience_s)
            if ready:
                self._node = str(self._answer(asked))
                return
            self._check_head()
            if time.monotonic() > deadline_s:
                break
        raise JudgeLost(f"{self.shown}: no node of the cluster had room for it in {patience_s:.0f} s", for_good=True)

    def post(self, order: bytes) -> None:
        if self._actor is None:
            raise JudgeLost(f"{self.shown} is not at work")
        self._actor.post.remote(order)

    def events(self) -> list[Event]:
        heard_s = time.monotonic()
        while True:
            self._check_head()  # also where the actor goes on: without a head, Ray would end this process soon
            happened: list[bytes] = self._answer(self._actor.events.remote(_POLL_S))
            if happened:
                return [loads(data) for data in happened]
            if time.monotonic() - heard_s > _SILENCE_S:
                self.close()
                raise JudgeLost(f"{self.shown} said nothing for {_SILENCE_S:.0f} s")

    def close(self) -> None:
        """End the actor."""
        self._closing.set()
        if self._actor is None or (self._head is not None and self._head.lost):
            self._actor = None
            return
        with contextlib.suppress(*_errors(self._ray)):
            self._ray.get(self._actor.close.remote(), timeout=_POLL_S)
        with contextlib.suppress(*_errors(self._ray), JudgeLost, ValueError):  # ValueError: it is gone already
            self._asked(lambda: self._ray.kill(self._actor))
        self._actor = None

    def _answer(self, asked: Any) -> Any:
        """Raises JudgeLost where the actor or the head is gone."""
        try:
            while not self._ray.wait([asked], timeout=_POLL_S)[0]:
                self._check_head()
            return self._ray.get(asked)
        except _errors(self._ray) as error:
            why = " ".join(str(error).split())[:300]
            raise JudgeLost(f"{self.shown} is lost ({type(error).__name__}): {why}") from None

    def _asked(self, call: Callable[[], Any]) -> Any:
        """What a call of Ray's returns that waits for the head, which sending to an actor and hearing from it does not.
        Raises JudgeLost where the head is lost.
        """
        return call() if self._head is None else self._head.wait_for(call, lambda why: JudgeLost(why, for_good=True))

    def _check_head(self) -> None:
        if self._head is not None and (why := self._head.lost):
            raise JudgeLost(why, for_good=True)


def _errors(ray: Any) -> tuple[type[BaseException], ...]:
    """What Ray raises where an actor, a node, the head or the connection is gone."""
    return (ray.exceptions.RayError, ConnectionError, TimeoutError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The judges that decide, those of other hardware, which only check, and a sentence on each kind of hardware."""

    judges: Sequence[RemoteJudge]
    checkers: Sequence[RemoteJudge]
    told: Sequence[str]


class Cluster:
    """A connection to a Ray cluster. A context manager."""

    def __init__(self, address: str = "auto", *, ships: bool = True) -> None:
        """`address`: as Ray takes it (`auto`, HOST:PORT, ray://HOST:PORT), or `local` for a new one on this machine.
        `ships`: whether our code is sent to the nodes; else it must be installed there.
        """
        self._address, self._ships = address, ships
        self._ray: Any = None
        self._head: Head | None = None

    def __enter__(self) -> Self:
        """Connect. Raises EvaluatorError."""
        try:
            import ray  # here: it takes a second, and only this executor needs it
        except ImportError as error:
            raise EvaluatorError(
                "executor.kind: ray needs the package ray: install packsmith[ray], or use executor.kind: local"
            ) from error
        options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
        if self._ships:
            options["runtime_env"] = {
                "py_modules": [str(Path(__file__).resolve().parents[1])],
                "excludes": ["**/__pycache__/**"],
            }
        if self._address == _LOCAL:
            options |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        else:
            options["address"] = self._address
        try:
            with _our_handlers():
                ray.init(**options)
        except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError) as error:
            why = " ".join(str(error).split())[:300]
            raise EvaluatorError(
                f"executor.address: cannot connect to a Ray cluster at {self._address}: {why}; start one with "
                f"`ray start --head`, or use `local`"
            ) from error
        self._ray = ray
        if self._address != _LOCAL and not self._address.startswith("ray://"):
            self._head = Head(ray.get_runtime_context().gcs_address).__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._head is not None:
            self._head.__exit__()
            if self._head.lost:
                return  # what Ray would do now waits for the head; it is done as this process ends
        self._ray.shutdown()

    def room_for(self, room: Room) -> int:
        """How many such actors the nodes have room for now; at least one."""
        there = self._ray.cluster_resources()
        by_cpus = there.get("CPU", 0) // room.cpus if room.cpus else 1
        return max(1, int(min(by_cpus, there.get("GPU", 0) // room.gpus) if room.gpus else by_cpus))

    @property
    def gpus(self) -> int:
        return int(self._ray.cluster_resources().get("GPU", 0))

    def gather(
        self,
        spec: JudgeSpec,
        task: Task,
        *,
        count: int,
        room: Room,
        hardware: str = "",
        then: Environment | None = None,
        enter: Callable[[RemoteJudge], object],
    ) -> Gathered:
        """Start judges, and see which of them decide: those of the hardware named, else of the environment `then` of
        the run's scores, else of the kind that most are of. Judges that have no room yet join later, if they are of
        that kind. `enter` is called with each, and ends it. Raises EvaluatorError where none decides.
        """
        judges = [
            RemoteJudge(RayLine(self._ray, number, room, self._head), spec, task) for number in range(1, count + 1)
        ]
        for judge in judges:
            enter(judge)
        here, failed = _environments(judges)
        environments = dict(here)
        deciding = _deciding([env for _, env in here], hardware, then)
        if deciding is None:
            seen = sorted({env.hardware for _, env in here}) or list(dict.fromkeys(failed.values())) or ["no judge"]
            wanted = hardware or (then.hardware if then else "any")
            raise EvaluatorError(
                f"expected a node whose hardware decides ({wanted}), found {'; '.join(seen)}: name one in "
                f"executor.hardware, or start the run anew"
            )
        measure, check = [], []
        for judge in _there_first(judges, environments):
            if judge in failed:
                continue
            env = environments.get(judge)
            if env is None or env.fingerprint == deciding.fingerprint:
                judge.fingerprint = deciding.fingerprint
                measure.append(judge)
            elif (refused := judge.check(spec.reference)) is None:
                check.append(judge)
            else:  # it would reject everything
                failed[judge] = f"{judge.shown}: the reference fails there at {refused.stage}: {refused.detail}"
        kinds = Counter((env.hardware, env.fingerprint) for _, env in here)
        told = [
            f"{number} judges on {name}, {'whose times count' if mark == deciding.fingerprint else 'which only check'}"
            for (name, mark), number in kinds.items()
        ]
        return Gathered(judges=measure, checkers=check, told=(*told, *failed.values()))


@contextlib.contextmanager
def _our_handlers() -> Iterator[None]:
    """Keep our handlers of signals, where Ray puts its own in place of them: ours end a search cleanly."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)


def _environments(
    judges: Sequence[RemoteJudge],
) -> tuple[list[tuple[RemoteJudge, Environment]], dict[RemoteJudge, str]]:
    """Where the judges measure that are there soon: at least one, if any comes. And why others cannot."""
    found: list[tuple[RemoteJudge, Environment]] = []
    failed: dict[RemoteJudge, str] = {}
    for judge in judges:
        try:
            judge.arrive(FIRST_S if not found else _POLL_S)
            found.append((judge, judge.environment()))
        except JudgeLost as lost:
            if judge.has_arrived or not found:
                failed[judge] = str(lost)
        except EvaluatorError as error:
            failed[judge] = f"{judge.shown}: {error}"
    return found, failed


def _there_first(judges: Sequence[RemoteJudge], there: Collection[RemoteJudge]) -> list[RemoteJudge]:
    """These judges, those that are there first: a search asks its first judge for the device, and would wait for room
    with another.
    """
    return sorted(judges, key=lambda judge: judge not in there)


def _deciding(environments: Sequence[Environment], hardware: str, then: Environment | None) -> Environment | None:
    """The environment whose times count; None if no judge has it."""
    if then is not None:
        return next((env for env in environments if env.fingerprint == then.fingerprint), None)
    named = [env for env in environments if hardware.lower() in env.hardware.lower()]
    if not named:
        return None
    (most, _), *_ = Counter(env.fingerprint for env in named).most_common()
    return next(env for env in named if env.fingerprint == most)
