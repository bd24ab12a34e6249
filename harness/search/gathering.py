"""Which events the search's thread takes at once from the queue of calls and judges.

Owns: how long it waits for the first, and for one more. Does not know: what is done with them, who sends them.
"""

from __future__ import annotations

import queue
from collections.abc import Callable

from harness.search.events import Event, JudgeProgress, Outcome

AGAIN_S = 1.0
"""How often a search that waits for the reservations of others looks whether its next call fits."""
_GATHER_S = 0.0005
"""How long a round waits for one more event: what comes at the same time shares one wait for the disk."""


def gather(
    events: queue.SimpleQueue[Event],
    outcomes: list[Outcome],
    most: int,
    wait_s: float | None,
    judging: Callable[[JudgeProgress], None],
) -> None:
    """Take outcomes from the queue to this list until it has `most` or no more are ready. The first of the list is
    waited for as long as it takes (None), or for about `wait_s` seconds. `judging` gets the progress of judges.
    """
    more_s = _GATHER_S if wait_s is None else min(_GATHER_S, wait_s)
    while len(outcomes) < most:
        try:
            event = events.get(timeout=more_s if outcomes else wait_s)
        except queue.Empty:
            return
        if isinstance(event, JudgeProgress):
            judging(event)
            if wait_s:
                return
        else:
            outcomes.append(event)
