"""Programs that answer calls for a check of a task: valid answers come from confined processes, as in any judgement.

Owns: loading a program and having it answer, one program at a time. Does not know: tasks, clauses, scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from evaluator.executors import LocalExecutor
from evaluator.settings import JudgeSettings
from evaluator.types import Answer, Call

Program = Callable[[Call, int, str], Answer]
"""Answers a call, under a seed; the text names the call in errors. Raises Stopped where the program fails."""


class Programs(Protocol):
    def __call__(
        self, source: str, entry_point: str, offered: tuple[str, ...], *, call_bytes: int, answer_bytes: int
    ) -> Program:
        """Load a program, in place of the one before. Raises Stopped."""
        ...


@contextmanager
def confined_programs(settings: JudgeSettings | None = None) -> Iterator[Programs]:
    """Programs in confined processes on the CPU; the processes end with the block. Raises EvaluatorError."""
    settings = settings or JudgeSettings()
    with LocalExecutor(settings) as executor:
        opened = False

        def load(
            source: str, entry_point: str, offered: tuple[str, ...], *, call_bytes: int, answer_bytes: int
        ) -> Program:
            nonlocal opened
            if opened:
                executor.end()
            opened = True
            request = max(call_bytes, 6 * settings.source_bytes) + (1 << 16)
            worker = executor.open(request_bytes=request, answer_bytes=answer_bytes, device="cpu")
            worker.load(source, entry_point, offered)

            def answer(call: Call, seed: int, what: str) -> Answer:
                return worker.call(call, seed, what=what)[0]

            return answer

        try:
            yield load
        finally:
            if opened:
                executor.end()
