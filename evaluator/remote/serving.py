"""A judge that is told by messages what to do, in a thread of its own.

Owns: that thread, one order at a time, and turning what happens into events. Does not know: how messages travel, who
sends them.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable
from functools import partial

from evaluator.evaluate import Judge
from evaluator.fate import Estimate, OpenDuel
from evaluator.remote.messages import (
    Answer,
    Asked,
    Check,
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
)
from evaluator.types import Duel, Environment, EvaluatorError, OtherFailed, Progress, Rejected, Verdict


class Serving:
    """A judge at work. `post` and `events` may be called from any thread."""

    def __init__(self, spec: JudgeSpec) -> None:
        self._spec = spec
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[str | bool] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._judge: Judge | None = None
        self._busy = False
        self._thread = threading.Thread(target=self._work, name="judge", daemon=True)
        self._thread.start()

    def post(self, order: Order) -> None:
        """Give an order, answer a question, or stop what is under way."""
        if isinstance(order, Stop):
            self._stop()
        elif isinstance(order, Answer):
            self._answers.put(order.value)
        else:
            self._orders.put(order)

    def events(self, timeout_s: float | None = None) -> list[Event]:
        """What has happened since; waits for one event, for `timeout_s` at most. [] also once the judge has ended."""
        try:
            first = self._events.get(timeout=timeout_s)
        except queue.Empty:
            return []
        happened: list[Event] = []
        while first is not None:
            happened.append(first)
            try:
                first = self._events.get_nowait()
            except queue.Empty:
                break
        return happened

    def close(self, patience_s: float = 5.0) -> None:
        """End the judge and its processes."""
        self._orders.put(None)
        self._stop()
        self._thread.join(patience_s)

    def _stop(self) -> None:
        self._answers.put(False)  # in case it waits for an answer
        if self._busy and self._judge is not None:
            self._judge.stop()

    def _work(self) -> None:
        """The judge's thread."""
        try:
            with self._spec.judge() as judge:
                self._judge = judge
                self._events.put(Opened(device=judge.device))
                while (order := self._orders.get()) is not None:
                    self._busy = True
                    self._events.put(self._outcome(judge, order))
                    self._busy = False
        except (EvaluatorError, OSError) as error:
            self._events.put(Failed(text=str(error)))
        except Exception:  # nobody sees what a thread raises, and the sender would wait
            self._events.put(Failed(text=traceback.format_exc(), bug=True))
        finally:
            self._events.put(None)

    def _outcome(self, judge: Judge, order: Order) -> Done | Failed:
        while not self._answers.empty():  # one that came too late for the order before
            self._answers.get()
        try:
            return Done(outcome=self._carried_out(judge, order))
        except OtherFailed as error:
            return Failed(text=str(error), other=True)
        except (EvaluatorError, OSError) as error:  # OSError: a full disk, too many files
            return Failed(text=str(error))
        except Exception:
            return Failed(text=traceback.format_exc(), bug=True)

    def _carried_out(self, judge: Judge, order: Order) -> Verdict | Duel | Environment | None:
        match order:
            case Evaluate(source=source, races=True):
                return judge.race(source, self._ask, progress=self._step)
            case Evaluate(source=source):
                return judge.evaluate(source, progress=self._step)
            case Compare():
                settled: Callable[[OpenDuel], bool] | None = partial(self._is_settled) if order.settles else None
                return judge.compare(
                    order.source,
                    order.other,
                    level=order.level,
                    other_name=order.other_name,
                    settled=settled,
                    progress=self._step,
                    split=order.split,
                )
            case Check(source=source):
                found = judge.qualify(source, progress=self._step)
                return found if isinstance(found, Rejected) else None
            case Where():
                return judge.environment()
            case _:
                raise EvaluatorError(f"expected an order for a judge, found {order}")

    def _step(self, step: Progress) -> None:
        self._events.put(Stepped(step=step))

    def _ask(self, estimate: Estimate) -> str:
        self._events.put(Asked(state=estimate))
        return str(self._answers.get() or "")

    def _is_settled(self, duel: OpenDuel) -> bool:
        self._events.put(Asked(state=duel))
        return bool(self._answers.get())
