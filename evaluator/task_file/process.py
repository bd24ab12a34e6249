"""The process of a task file as the judge sees it: requests out, answers back, each within a time limit.

Owns: one exchange at a time, and turning failures into errors that name the file. Does not know: how the process is
started and ended (`starting`), what the members of a task mean.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from evaluator.task_file.channel import Closed, receive, send
from evaluator.task_file.starting import Started, start
from evaluator.task_file.values import Frame, NotSent
from evaluator.types import EvaluatorError, InvalidAnswer, WorkloadError

LIMIT_S = 60.0
"""How long a member may take."""


class TaskFileError(EvaluatorError):
    """The code of a task file is at fault: the text says the file, the line, the member, and what went wrong."""


class TaskFileHangs(TaskFileError):
    """A member gave no result in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A task file: its name as people wrote it, its source, the options of its task, and the held-out split that is
    asked of it, "" for the task itself.
    """

    file: str
    source: str
    options: Mapping[str, Any]
    split: str = ""

    def where(self, line: int = 0) -> str:
        return f"{self.file}:{line}" if line else self.file


def _readable(channel: socket.socket) -> bool:
    poll = select.poll()  # unlike select, it takes descriptors above 1,023
    poll.register(channel, select.POLLIN)
    return bool(poll.poll(0))


class TaskProcess:
    """Asks the process of one task file. It is started when it is first asked, and again where it ended. Any thread may
    ask; they wait for one another.
    """

    def __init__(
        self,
        text: Text,
        *,
        limit_s: float = LIMIT_S,
        watch: bool = False,
        make: bool = True,
        start: Callable[[], Started] = start,
    ) -> None:
        """`watch`: note what the file does while it is imported, which is in `loaded` then. Without `make` the file is
        asked for its options only.
        """
        self._text, self._limit_s, self._watch, self._make, self._start = text, limit_s, watch, make, start
        self._lock = threading.Lock()
        self._running: Started | None = None
        self.loaded: Mapping[str, Any] = {}

    @property
    def text(self) -> Text:
        return self._text

    def of_split(self, split: str) -> TaskProcess:
        """A process for a held-out split of the same task."""
        return TaskProcess(replace(self._text, split=split), limit_s=self._limit_s, start=self._start)

    def load(self) -> Mapping[str, Any]:
        """Start the process, unless it runs, and load the file; what the host says of it. Raises EvaluatorError."""
        with self._lock:
            self._channel()
        return self.loaded

    def ask(self, member: str, *given: object) -> Any:
        """What a member of the task gives. Raises TaskFileError, WorkloadError, and InvalidAnswer for `read`."""
        with self._lock:
            answer = self._exchange(member, given, whole=False)
            if "unknown" in answer:
                answer = self._exchange(member, given, whole=True)
        return self._value(member, answer)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _channel(self) -> socket.socket:
        if self._running is not None and _readable(self._running[0]):
            self._end()  # it says something unasked: it ended while it was idle
        if self._running is None:
            self._running = self._start()
            text = self._text
            fields: dict[str, Any] = {"source": text.source, "file": text.file, "options": text.options}
            fields |= {"watch": self._watch, "make": self._make, "split": text.split}
            try:
                self.loaded = self._value("", self._exchange("load", fields, whole=True))
            except BaseException:
                self._end()
                raise
        return self._running[0]

    def _exchange(self, member: str, given: object, *, whole: bool) -> Mapping[str, Any]:
        channel = self._channel()
        what = "importing it" if member == "load" else f"`{member}`"
        try:
            request = {"do": member, "with": given, "limit_s": self._limit_s}
            send(channel, Frame(whole=whole).bytes(request), self._limit_s)
            answer: Mapping[str, Any] = receive(channel, limit_s=self._limit_s)
            return answer
        except TimeoutError:
            self._end()
            raise TaskFileHangs(
                f"{self._text.file}: {what} gave no result within {self._limit_s:g} s: it hangs, or takes too long"
            ) from None
        except Closed:
            raise TaskFileError(
                f"{self._text.file}: the task's process ended during {what} ({self._end()}); a task raises "
                "WorkloadError where it cannot go on"
            ) from None
        except NotSent as error:
            self._end()
            raise TaskFileError(f"{self._text.file}: {what}: {error}") from None
        except BaseException:  # an interrupt parted a request from its answer, which the next one would get
            self._end()
            raise

    def _value(self, member: str, answer: Mapping[str, Any]) -> Any:
        if "value" in answer:
            return answer["value"]
        if "invalid" in answer:
            raise InvalidAnswer(*answer["invalid"])
        if "workload" in answer:
            raise WorkloadError(f"{self._text.file}: {answer['workload']}")
        what = f"`{member}`: " if member else ""
        raise TaskFileError(f"{self._text.where(answer['line'])}: {what}{answer['error']}")

    def _end(self) -> str:
        if self._running is None:
            return "it was not running"
        ended, self._running = self._running[1](), None
        return ended
