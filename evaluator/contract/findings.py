"""What a clause of the contract of tasks says of one task.

Owns: the outcome of a clause, and how a check reports it. Does not know: any clause. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "FAILED", "not tried"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A clause, whether it is kept, and what was tried or is wrong. `advice`: what to change, "" if it is kept."""

    clause: str
    state: State
    said: str
    advice: str = ""

    @property
    def ok(self) -> bool:
        return self.state == "ok"


class Broken(Exception):
    """The task breaks the clause: what is wrong, and what to change."""

    def __init__(self, said: str, advice: str) -> None:
        super().__init__(said)
        self.said, self.advice = said, advice


class NotTried(Exception):
    """The clause cannot be tried, because the task breaks another."""
