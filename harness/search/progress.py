"""The steps of a search, as reported to a live view.

Owns: the shape of one report. Does not know: the search, or how anything is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from evaluator.types import Progress as Judging

Phase = Literal["proposing", "judging", "archived", "lost", "left_out", "waits", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step of a search.

    `number` is the ticket's until the attempt is archived, then the attempt's. `judging` is set in the phase of that
    name, each time the judge reports; `reason` in the phases `ended`, `lost` (a judge was lost), `left_out` (the others
    of a mix of proposers go on without one) and `waits` (other searches on the run have reserved what is left of the
    budget). `asked` calls of models are under way, and `waiting` proposals are being judged or wait to be.
    """

    phase: Phase
    number: int
    name: str = ""
    judging: Judging | None = None
    reason: str = ""
    asked: int = 0
    waiting: int = 0


Report = Callable[[Progress], None]
