"""What the loop tells a live view.

Owns: the shape of one such word. Does not know: the loop, or how anything is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from evaluator.evaluate import Progress as Judging

Phase = Literal["proposing", "judging", "archived", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the loop is.

    `number` is the ticket until the attempt is archived, then the attempt's. `judging` comes with the phase of that
    name, as often as the judge says something; `reason` with `ended`. `asked` proposals are in flight, and `waiting`
    answers of models are being judged or wait for it.
    """

    phase: Phase
    number: int
    name: str = ""
    judging: Judging | None = None
    reason: str = ""
    asked: int = 0
    waiting: int = 0


Report = Callable[[Progress], None]
