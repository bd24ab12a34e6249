"""A model's summary of a search: how it stands in a reply, when one is asked for, and which one is shown.

Owns: the tags round it, its length, and the latest one of a search. Pure. Does not know: prompts, what a summary says.

A summary comes with an answer: now and then (`Summaries.due`), a prompt asks that the answer begin with one. So it is
archived as part of the reply, its tokens are booked and kept within the budget as those of the reply, and a search that
continues finds it again. The text is a model's, so it is data: it is cleaned, cut, and fenced where it is shown.

Prompts are counted, and not attempts: in a mix of proposers, every 50th attempt might always be the catalogue's.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness import patch
from harness.knowledge.ideas import TRIES
from harness.prompt import seen
from harness.series import Follower
from harness.types import Entry, HarnessError

MOST_CHARACTERS = 2_000
"""Of a summary; a longer one is cut."""
_IN_FLIGHT = 64
"""How many answers more than two summaries lie apart are looked through for one."""
_BLOCKS = re.compile(r"^[ \t]*(?:<DIFF>|<{5,}|```|~~~)", re.MULTILINE)
"""Where the part of an answer begins that may hold a program, unless a summary began before."""
_BEGIN, _END = re.compile(r"^[ \t]*<SUMMARY>", re.MULTILINE), "</SUMMARY>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The text of a summary, and the attempt whose reply began with it."""

    text: str
    by: Entry


def summary_of(reply: str) -> str:
    """The summary with which a model's reply begins, cleaned and cut; "" for a reply without one."""
    answer = patch.without_thoughts(reply)
    begin, blocks = _BEGIN.search(answer), _BLOCKS.search(answer)
    if begin is None or (blocks is not None and blocks.start() < begin.start()):
        return ""
    # Found by itself: a pattern for both tags would look for the end once more from every further beginning.
    end = answer.find(_END, begin.end())
    text = seen(answer[begin.end() : max(begin.end(), end)][: 4 * MOST_CHARACTERS]).strip()
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 4].rstrip() + " ..."


class Summaries:
    """The latest summary of a search, by its entries, which only grow from one call to the next.

    Each reply is read once; of a search that continues, only the latest ones are, so that the cost does not grow.
    """

    def __init__(self, every: int, proposers: Sequence[str]) -> None:
        """`proposers` are the names of those whose replies may hold a summary."""
        self._every, self._proposers = every, frozenset(proposers)
        self._within = 2 * every + _IN_FLIGHT
        self._count = 0
        self._unread: deque[tuple[int, Entry]] = deque(maxlen=self._within)
        self._found: tuple[int, Summary] | None = None
        self._follow = Follower(self._forget, self._add).follow

    def due(self, entries: Sequence[Entry], under_way: int) -> bool:
        """Whether the prompt made now, after these entries and beside `under_way` others, is to ask for a summary."""
        self._follow(entries)
        return (self._count + under_way + 1) % self._every == 0

    def latest(self, entries: Sequence[Entry], reply: Callable[[str], str]) -> Summary | None:
        """The latest summary among the last answers. `reply` gives the text of an attempt's last reply."""
        self._follow(entries)
        while self._unread:
            position, entry = self._unread.pop()
            text = ""
            with contextlib.suppress(HarnessError):  # a damaged attempt has no summary
                text = summary_of(reply(entry.id))
            if text:
                self._found = position, Summary(text=text, by=entry)
                self._unread.clear()
        if self._found is None or self._count - self._found[0] >= self._within:
            return None
        return self._found[1]

    def _forget(self) -> None:
        self._count, self._found = 0, None
        self._unread.clear()

    def _add(self, entry: Entry) -> None:
        if entry.kind in TRIES and entry.proposer in self._proposers and len(entry.turns):
            self._count += 1
            self._unread.append((self._count, entry))
