"""The proposer of a search with islands: elites of other runs first, then whatever its own proposer makes.

Owns: when an elite is proposed, and when its run is believed no more. Does not know: git, how the own proposer works.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

from evaluator.types import Rejected
from harness.identity import program_id
from harness.islands.elites import exposed, origin_of
from harness.islands.exchanger import Exchanger
from harness.proposers import Proposer, View
from harness.proposers.base import Explaining, Foreseeing, Needed, Sharing
from harness.types import Proposal, Request, Turn

MOST_EXPOSED = 3
"""After so often claims of a run were exposed, its programs are not worth a judge's time."""


class IslandProposer:
    """Proposes each elite once: an elite's program that this run has already is left out."""

    def __init__(self, inner: Proposer, exchanger: Exchanger, root_id: str, resolution: float) -> None:
        self._inner, self._exchanger = inner, exchanger
        self._root_id, self._resolution = root_id, resolution

    def propose(self, view: View, rng: random.Random) -> Proposal | Request | None:
        self._exchanger.publish({entry.number: entry.id for entry in view.standing.front})
        return self._from_elsewhere(view) or self._inner.propose(view, rng)

    def _from_elsewhere(self, view: View) -> Proposal | None:
        while (elite := self._exchanger.take()) is not None:
            liars = Counter(
                origin.root
                for entry in view.entries
                if (origin := origin_of(entry.claimed)) is not None and exposed(entry, self._resolution)
            )
            known = {entry.program_id for entry in view.entries}
            if program_id(elite.source) not in known and liars[elite.origin.root] < MOST_EXPOSED:
                return elite.proposal(self._root_id)
        return None

    def repair(self, request: Request, turns: tuple[Turn, ...], verdict: Rejected) -> Request | None:
        return self._inner.repair(request, turns, verdict)

    def foresee(self, view: View, rng: random.Random) -> Needed:
        return self._inner.foresee(view, rng) if isinstance(self._inner, Foreseeing) else Needed()

    def why_idle(self) -> str:
        return self._inner.why_idle() if isinstance(self._inner, Explaining) else ""

    @property
    def offline(self) -> bool:
        """Whether the own proposer goes on where no model can be asked."""
        return isinstance(self._inner, Sharing) and self._inner.offline

    def left_out(self) -> Mapping[str, str]:
        return self._inner.left_out() if isinstance(self._inner, Sharing) else {}
