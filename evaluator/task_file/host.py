"""The process of a task file: it executes the file, and answers for the members of the task in it.

Owns: loading a task file, calling its members, and turning whatever they raise into an answer. Does not know: programs,
measuring, what the answers are used for.

The file is the user's own code: it is not confined. It has a process of its own so that its faults are reported as its
faults, so that a hang ends, and so that nothing of it happens in the command.
"""

from __future__ import annotations

import linecache
import os
import secrets
import signal
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from evaluator.task_file import checking
from evaluator.task_file.channel import Closed, receive, send
from evaluator.task_file.values import Frame, HeldCase, NotSent
from evaluator.task_file.watching import Watch
from evaluator.task_protocol import TaskOption
from evaluator.types import Case, InvalidAnswer, WorkloadError

MODULE = "packsmith_task"
CASES_HELD = 64
MOST_ERROR = 4000
"""Characters of the text of an error, at most."""
IDLE_S = 60.0
"""A process that is asked nothing for so long ends, as many configs may be open. The next request starts another."""
FACTS = tuple(checking.FACTS)
"""The members that are values. They are read once."""
METHODS: tuple[str, ...] = ("cases", "draw", "steps", "call", "call_bytes", "answer_bytes", "read", "step_quality")
METHODS += ("pass_quality", "score", "hard_cases", "agreement_calls", "identity")


DECLARED = ("flag", "key", "help", "metavar", "repeated", "choices")
"""The fields of an option that are sent: how it is parsed is known here only."""


class _Unknown(Exception):
    """A case was named that is not held any more."""


class _Wrong(Exception):
    """The file lacks something. The text says what."""


class Host:
    """The task of one file, as it answers requests."""

    def __init__(self) -> None:
        self._task: Any = None
        self._options: tuple[TaskOption, ...] = ()
        self._file = ""
        self._key = secrets.randbits(40)
        self._cases: OrderedDict[int, Case] = OrderedDict()

    def held(self, key: int) -> Case:
        """Raises _Unknown."""
        if key not in self._cases:
            raise _Unknown
        self._cases.move_to_end(key)
        return self._cases[key]

    def _hold(self, case: Case) -> int:
        if isinstance(case, HeldCase) and case.key in self._cases:
            return case.key
        self._key += 1
        self._keep(self._key, case)
        return self._key

    def _keep(self, key: int, case: Case) -> None:
        self._cases[key] = case
        while len(self._cases) > CASES_HELD:
            self._cases.popitem(last=False)

    def answer(self, request: Mapping[str, Any]) -> bytes:
        """The frame that answers a request: a `value`, an `invalid` answer, or an `error` with the line it is at."""
        try:
            value = self._done(request["do"], request["with"])
            return Frame(hold=self._hold).bytes({"value": value})
        except InvalidAnswer as invalid:
            if request["do"] == "read":
                return _plain({"invalid": [_cut(str(invalid.reason)), _cut(str(invalid.detail))]})
            return self._error(invalid, f"expected InvalidAnswer from `read` alone, found {invalid}")
        except WorkloadError as error:
            return _plain({"workload": _cut(str(error))})
        except (NotSent, _Wrong) as error:
            return self._error(None, str(error))
        except ModuleNotFoundError as error:
            return self._error(
                error, f"{error}; a task is one file: it imports installed packages, and no file beside it"
            )
        except Exception as error:  # whatever the task's code raises is an answer, and the next request is served
            return self._error(error, f"{type(error).__name__}: {error}".rstrip(": "))

    def _done(self, do: str, given: Any) -> Any:
        if do == "load":
            return self._load(**given)
        if do == "torch":
            return "torch" in sys.modules
        if do == "parse":
            return self._parsed(*given)
        for value in given:
            if isinstance(value, HeldCase):
                self._keep(value.key, value)
        member = getattr(self._task, do, None)
        if not callable(member):
            raise _Wrong(f"expected a method, found {'nothing' if member is None else type(member).__name__}")
        if do == "draw":
            case, seed = given
            return member(case, np.random.default_rng(seed))
        return member(*given)

    def _parsed(self, flag: str, text: str) -> Any:
        [option] = (option for option in self._options if option.flag == flag)
        try:
            return option.parse(text)
        except ValueError as error:  # as int and float raise it
            raise WorkloadError(f"{flag} {text}: {error}") from error

    def _load(
        self, source: str, file: str, options: Mapping[str, Any] | None, watch: bool, make: bool, split: str
    ) -> Mapping[str, Any]:
        """Execute the file, and return the options that it declares. With `make`, make its task or that of a held-out
        split, and return the members that are values, with what the import did.
        """
        self._file = file
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        module = ModuleType(MODULE)
        sys.modules[MODULE] = module  # dataclasses look their module up
        seen = Watch(file) if watch else None
        begun = time.process_time()
        code = compile(source, file, "exec", dont_inherit=True)
        if seen is None:
            exec(code, module.__dict__)
        else:
            with seen:
                exec(code, module.__dict__)
        import_s = time.process_time() - begun
        did = [] if seen is None else seen.found
        self._options = self._declared(module)
        declared = [{name: getattr(option, name) for name in DECLARED} for option in self._options]
        if not make:
            return {"options": declared}
        self._task = self._made(module, options)
        holds_out = callable(getattr(self._task, "held_out", None))
        if split and (held := self._task.held_out(split)) is not None:
            self._task = held
        elif split:
            holds_out = False
        lacks = [name for name in (*FACTS, *METHODS) if not hasattr(self._task, name)]
        facts = {name: getattr(self._task, name) for name in FACTS if name not in lacks}
        told = {"facts": facts, "lacks": lacks, "did": did, "import_s": import_s, "options": declared}
        return {**told, "holds_out": holds_out}

    def _declared(self, module: ModuleType) -> tuple[TaskOption, ...]:
        found = getattr(module, "OPTIONS", ())
        if not isinstance(found, tuple) or not all(isinstance(option, TaskOption) for option in found):
            raise _Wrong(f"`OPTIONS`: expected a tuple of TaskOption, found {checking.shown(found)}")
        if found and not hasattr(module, "task"):
            raise _Wrong("`OPTIONS`: expected a function task(options) that makes the task from them, found none")
        return found

    def _made(self, module: ModuleType, options: Mapping[str, Any] | None) -> Any:
        made, maker = getattr(module, "TASK", None), getattr(module, "task", None)
        if (made is None) == (maker is None):
            found = "neither" if made is None else "both"
            raise _Wrong(f"expected TASK, an object, or task(options), a function that makes one; found {found}")
        if maker is not None:
            return maker(dict(options or {}))
        if options:
            raise WorkloadError(f"this task takes no options, found {', '.join(options)}: leave them out")
        return made

    def _error(self, error: BaseException | None, text: str) -> bytes:
        return _plain({"error": _cut(text), "line": 0 if error is None else self._line(error)})

    def _line(self, error: BaseException) -> int:
        """The last line of the file on the way to the error; 0 if the file has no part in it."""
        line = error.lineno or 0 if isinstance(error, SyntaxError) and error.filename == self._file else 0
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self._file:
                line = trace.tb_lineno
            trace = trace.tb_next
        return line


def _plain(value: Mapping[str, Any]) -> bytes:
    return Frame().bytes(value)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_ERROR else f"{text[:MOST_ERROR]} ... ({len(text):,} characters)"


def serve(channel: socket.socket, arm: Callable[[float], None], idle_s: float = IDLE_S) -> None:
    """Answer requests until the other side hangs up, or asks nothing for `idle_s` seconds. `arm` is told the seconds a
    request may take, 0 at its end.
    """
    host, own = Host(), os.getpid()
    while True:
        try:
            request = receive(channel, host.held, idle_s)
        except _Unknown:
            send(channel, _plain({"unknown": True}))
            continue
        except (Closed, TimeoutError):
            return
        arm(request["limit_s"])
        frame = host.answer(request)
        if os.getpid() != own:
            os._exit(1)  # a fork that came back from the file's code: one process answers
        arm(0)
        try:
            send(channel, frame)
        except Closed:
            return


def main(descriptor: int) -> None:
    """Serve over an inherited socket. A request that hangs after its judge is gone ends the process, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the judge's: it hangs up
    serve(socket.socket(fileno=descriptor), _arm)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)  # what the file started, if its judge is not there any more to kill it


def _arm(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, 2 * seconds)  # the judge, if it lives, ends the process earlier
