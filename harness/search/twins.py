"""Programs that were proposed before: known ones, and those that are new in names alone.

Owns: which earlier attempt a program repeats, and what its author is told. Does not know: judges, models, prompts.

A program equal to a judged one, by its bytes or its syntax, takes over that verdict. With `search.repeats: refuse`,
such a program, and one that differs from a near relative in nothing but the names of its own things (`harness.forms`),
is rejected before it is judged (`screen: repeats`), so that it goes back to the model to be made different. Relatives
are the parents, what the prompt showed, the latest children of the first parent, and the front.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import islice

from evaluator.types import Rejected
from harness.archive import Archive, ArchiveError
from harness.forms import form_hash
from harness.search.ticket import Ticket
from harness.select import Standing
from harness.types import Entry, Unjudged

REASON = "repeats"
_CHILDREN = 32
"""How many children of the parent are compared, latest first."""
_LOOKED_BACK = 512
"""How many attempts are looked through for them."""
_KEPT = 4_096


def judged_before(archive: Archive, ticket: Ticket) -> Entry | None:
    """The attempt in which a ticket's program was judged; None also where its verdict is damaged and cannot be read."""
    first = archive.known(ticket.program_id, ticket.syntax_hash)
    with contextlib.suppress(ArchiveError):
        if first is not None and first.scored is not None:
            list(first.scored.score.cases)  # from the disk
        return first
    return None


class Repeats:
    """Finds programs that repeat others. It keeps the forms of programs that it has read."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._forms: dict[str, str] = {}

    def refusal(self, ticket: Ticket, first: Entry | None, standing: Standing) -> Rejected | None:
        """Why a program is not judged; None for one that is new. `first` is the attempt with an equal program."""
        if ticket.candidate is None or ticket.pending.proposal.kind in ("seed", "import"):
            return None
        if first is not None and not isinstance(first.verdict, Unjudged):
            return _refused(first, "comments and layout")
        form = form_hash(ticket.candidate.source)
        like = next((one for one in self._relatives(ticket, standing) if form and self._form(one) == form), None)
        return None if like is None else _refused(like, "names, comments and layout")

    def _relatives(self, ticket: Ticket, standing: Standing) -> Iterator[Entry]:
        proposal, attempts = ticket.pending.proposal, standing.attempts
        shown = {*proposal.parents, *proposal.inspirations}
        latest = (attempts[at] for at in range(len(attempts) - 1, max(-1, len(attempts) - 1 - _LOOKED_BACK), -1))
        children = (one for one in latest if one.parents[:1] == proposal.parents[:1] and one.syntax_hash)
        yield from (one for entry_id in sorted(shown) if (one := self._archive.find(entry_id)) is not None)
        yield from islice(children, _CHILDREN)
        yield from standing.front

    def _form(self, entry: Entry) -> str:
        if entry.id not in self._forms:
            if len(self._forms) >= _KEPT:
                del self._forms[next(iter(self._forms))]
            self._forms[entry.id] = form_hash(self._archive.source(entry.id))
        return self._forms[entry.id]


def _refused(like: Entry, but: str) -> Rejected:
    which = "the seed program" if like.kind == "seed" else f"attempt {like.number}"
    verdict = like.verdict
    ended = f"rejected ({verdict.stage}: {verdict.reason})" if isinstance(verdict, Rejected) else "measured"
    return Rejected(
        stage="screen",
        reason=REASON,
        detail=f"The program is that of {which} again, up to {but}, which was {ended}; so this one was not run. "
        "Expected a program that does something else: another step, order, data layout or constant, not other names "
        "for the same",
    )
