"""Signals as exceptions.

Owns: which signals end the command, and that an error met while cleaning up does not hide the signal. Does not know:
any one command.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import TracebackType


class Interrupted(BaseException):
    """A signal asked the process to end. The notes say what is safe and how to go on."""

    def __init__(self, signal_: int) -> None:
        super().__init__(signal_)
        self.signal = signal_


class Interruptible:
    """A context in which a signal is never hidden by an error that its clean-up causes.

    On exit, the signal is raised in place of such an error, with `note()` added to it.
    """

    def __init__(self, note: Callable[[], str] | None = None) -> None:
        self._note = note

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        hidden = error
        while hidden is not None and not isinstance(hidden, Interrupted):
            hidden = hidden.__context__
        if hidden is None:
            return
        if self._note is not None:
            hidden.add_note(self._note())
        if hidden is not error:
            raise hidden from None


_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def catch_signals() -> None:
    """Turn SIGINT, SIGTERM and SIGHUP into `Interrupted`, except those that are ignored (`nohup`)."""

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted(number)

    for number in _ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


def ignore_signals() -> None:
    """Let signals no longer interrupt: the command has ended, and what Python cleans up at its exit takes seconds at
    most.
    """
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
