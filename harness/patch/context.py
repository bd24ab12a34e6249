"""Marker lines at the edges of an edit that stay as they are: context that says where the edit belongs.

Owns: taking them off both sides, and which matches lie beside such a marker. Does not know: other edits, match tiers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.patch.lines import Program, is_marker
from harness.patch.match import Match, Shift, locate


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """The two sides of an edit, without the markers `above` and `below`, each "" where no marker is on both sides."""

    search: Sequence[str]
    replace: Sequence[str]
    above: str
    below: str

    @property
    def marked(self) -> bool:
        return bool(self.above or self.below)

    def matches(self, program: Program) -> list[Match]:
        """Where the inner SEARCH matches beside these markers. Without lines, it is the place beside them."""
        if self.search or not self.marked:
            return [match for match in locate(self.search, program) if self._beside(program, match)]
        places: list[Match] = []
        for i, segment in enumerate(program.segments):
            if segment.editable:
                line = 0 if self.above else len(segment.lines)
                places.append(Match(tier="exact", segment=i, line=line, shift=Shift()))
        return [place for place in places if self._beside(program, place)]

    def _beside(self, program: Program, match: Match) -> bool:
        """Whether a match reaches the markers that the edit names."""
        segments, i = program.segments, match.segment
        if self.above and (match.line or not i or segments[i - 1].lines[-1].strip() != self.above):
            return False
        if not self.below:
            return True
        ends = match.line + len(self.search) == len(segments[i].lines)
        return ends and i + 1 < len(segments) and segments[i + 1].lines[0].strip() == self.below


def inner(search: Sequence[str], replace: Sequence[str]) -> Inner:
    """Take off a marker line that both sides begin with, and one that both end with."""
    above = below = ""
    if search and replace and is_marker(search[0]) and search[0].rstrip() == replace[0].rstrip():
        above, search, replace = search[0].strip(), search[1:], replace[1:]
    if search and replace and is_marker(search[-1]) and search[-1].rstrip() == replace[-1].rstrip():
        below, search, replace = search[-1].strip(), search[:-1], replace[:-1]
    return Inner(search=search, replace=replace, above=above, below=below)
