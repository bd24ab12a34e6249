"""The handle of a judge elsewhere: used as any judge, with each call carried over a line.

Owns: one call at a time, the answers to what the judge asks meanwhile, and starting it again after it was lost.
Does not know: how bytes travel (`Line`), searching.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, Self

from evaluator.fate import Estimate, Fate, OpenDuel, Settled
from evaluator.measuring import stats
from evaluator.remote.messages import (
    Answer,
    Asked,
    Check,
    Checked,
    Compare,
    Done,
    Evaluate,
    Event,
    Failed,
    JudgeSpec,
    Opened,
    Order,
    Stepped,
    Stop,
    Where,
    dumps,
)
from evaluator.splits import Split
from evaluator.task_protocol import Task
from evaluator.types import (
    Duel,
    Environment,
    EvaluatorError,
    JudgeLost,
    OtherFailed,
    Progress,
    Rejected,
    Scored,
    Verdict,
)

Report = Callable[[Progress], None]


class Line(Protocol):
    """A way to a judge elsewhere: starts it, carries messages, and knows when it is lost.

    `events` waits for at least one. Both raise JudgeLost where the judge is gone. `post` may be called from any thread.
    """

    @property
    def shown(self) -> str:
        """What users call that judge: "the judge of core 1"."""
        ...

    @property
    def elsewhere(self) -> bool:
        """Whether it is on another machine: a failure there need not happen here too."""
        ...

    def open(self, spec: JudgeSpec) -> None: ...
    def arrive(self, patience_s: float = ...) -> None:
        """Wait until the judge's process is there. Raises JudgeLost where it does not come."""
        ...

    def post(self, order: bytes) -> None: ...
    def events(self) -> list[Event]: ...
    def close(self) -> None: ...


class RemoteJudge:
    """A judge elsewhere. A context manager; to be used from one thread, except for `stop`."""

    def __init__(self, line: Line, spec: JudgeSpec, task: Task) -> None:
        self.task, self._line, self._spec = task, line, spec
        self._opened: Opened | None = None
        self._left: list[Event] = []
        self._environment: Environment | None = None
        self._owed = 0
        self.has_arrived = False
        self.fingerprint = ""
        """That of the environments whose times count; "" for any."""

    def __enter__(self) -> Self:
        self._line.open(self._spec)
        return self

    def __exit__(self, *error: object) -> None:
        self._line.close()

    @property
    def shown(self) -> str:
        return self._line.shown

    @property
    def device(self) -> str:
        """The device it measures on; waits for the judge to be made."""
        while self._opened is None:
            self._take_in(self._next())
        return self._opened.device

    def environment(self) -> Environment:
        """Where it takes its scores; asked once. Raises EvaluatorError."""
        if self._environment is None:
            self._environment = self._carry(Where(), Environment)
        return self._environment

    def evaluate(self, source: str, *, progress: Report | None = None) -> Verdict:
        """As `Judge.evaluate`. Raises JudgeLost."""
        verdict: Verdict = self._carry(Evaluate(source=source), Scored, Rejected, progress=progress)
        return verdict

    def race(self, source: str, fate: Fate, *, progress: Report | None = None) -> Verdict:
        """As `Judge.race`; `fate` is asked here. Raises JudgeLost."""
        order = Evaluate(source=source, races=True)
        verdict: Verdict = self._carry(order, Scored, Rejected, fate=fate, progress=progress)
        return verdict

    def check(self, source: str, *, progress: Report | None = None) -> Checked:
        """Why a program is not valid; None if it answered every call validly. Nothing is timed. Raises JudgeLost."""
        checked: Checked = self._carry(Check(source=source), Rejected, type(None), progress=progress)
        return checked

    def compare(
        self,
        source: str,
        other: str,
        *,
        level: float = stats.DECISION_LEVEL,
        other_name: str = "the other program",
        settled: Settled | None = None,
        progress: Report | None = None,
        split: Split = "search",
    ) -> Duel | Rejected:
        """As `Judge.compare`; `settled` is asked here. Raises JudgeLost, and OtherFailed."""
        settles = settled is not None
        order = Compare(source=source, other=other, level=level, other_name=other_name, settles=settles, split=split)
        duel: Duel | Rejected = self._carry(order, Duel, Rejected, settled=settled, progress=progress)
        return duel

    def stop(self) -> None:
        """Abort what is under way in another thread, which then gets an EvaluatorError or a verdict to discard."""
        try:
            self._line.post(dumps(Stop()))
        except JudgeLost:
            return

    def arrive(self, patience_s: float | None = None) -> None:
        """Wait until the judge is there, and see that its times count. Raises JudgeLost."""
        if not self.has_arrived:
            self._line.arrive(*([] if patience_s is None else [patience_s]))
            self.has_arrived = True
        if self.fingerprint and (here := self.environment()).fingerprint != self.fingerprint:
            raise JudgeLost(f"{self.shown} is on {here.hardware}, whose times do not count", for_good=True)

    def restart(self) -> None:
        """Start the judge again, after it was lost, and wait until it is there. Raises JudgeLost."""
        self._line.close()
        self._opened, self._left, self._environment = None, [], None
        self._owed, self.has_arrived = 0, False
        self._line.open(self._spec)
        self.arrive()

    def _next(self) -> Event:
        while not self._left:
            self._left = self._line.events()
        return self._left.pop(0)

    def _take_in(self, event: Event) -> None:
        if isinstance(event, Opened):
            self._opened = event
        elif isinstance(event, Failed):
            raise self._failure(event)

    def _carry(
        self,
        order: Order,
        *kinds: type,
        fate: Fate | None = None,
        settled: Settled | None = None,
        progress: Report | None = None,
    ) -> Any:
        """Carry out an order; what it led to is of one of these kinds. Raises what the judge did, and JudgeLost."""
        if self._owed:  # an exception ended an earlier call here: what it led to is not for this one
            self.stop()
        self._line.post(dumps(order))
        self._owed += 1
        while True:
            event = self._next()
            stale = self._owed > 1
            match event:
                case Stepped():
                    if progress is not None and not stale:
                        progress(event.step)
                case Asked(state=Estimate() as estimate):
                    self._line.post(dumps(Answer(value=fate(estimate) if fate and not stale else "")))
                case Asked(state=OpenDuel() as duel):
                    self._line.post(dumps(Answer(value=stale or (settled is not None and settled(duel)))))
                case Done(outcome=outcome):
                    self._owed -= 1
                    if stale:
                        continue
                    if not isinstance(outcome, kinds):
                        raise EvaluatorError(f"{self.shown} answered with a {type(outcome).__name__}")
                    return outcome
                case Failed() if self._opened is not None and stale:
                    self._owed -= 1
                case Failed():
                    self._owed = 0
                    self._take_in(event)
                case _:
                    self._take_in(event)

    def _failure(self, failed: Failed) -> Exception:
        if failed.bug:
            return RuntimeError(f"this is a bug in packsmith, in {self.shown}:\n{failed.text}")
        if failed.other:
            return OtherFailed(failed.text)
        if self._line.elsewhere:
            return JudgeLost(f"{self.shown}: {failed.text}", for_good=True)
        return EvaluatorError(failed.text)
