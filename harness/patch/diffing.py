"""Find the patch that turns one program into another.

Owns: small, readable edits that reproduce the other program exactly. Does not know: why two programs differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from harness.patch import refusals
from harness.patch.applying import MAX_BLOCKS, apply
from harness.patch.lines import Program, cut, find_lines, is_blank, is_marker, to_text
from harness.patch.refusals import PatchError
from harness.types import Edit, Patch

_GAP = 2
"""Changes at most this many lines apart are one edit."""
_LONG = 5000
"""If the first and the last change are more lines apart, all changes are one: matching takes lines times changes."""


@dataclass(frozen=True, slots=True)
class _Hunk:
    """Lines start..stop of the old segment become lines into..end of the new one."""

    start: int
    stop: int
    into: int
    end: int


def diff(old: str, new: str, *, name: str = "", description: str = "") -> Patch:
    """A patch that turns `old` into `new`, byte for byte.

    Raises PatchError where none exists: the programs are equal, differ outside the EVOLVE-BLOCK regions, in line ends
    or in the final newline, or no SEARCH matches the place of a change uniquely.
    """
    if old == new:
        raise refusals.no_op("The two programs are equal.")
    if old.replace("\r\n", "\n") == new.replace("\r\n", "\n"):
        raise refusals.not_expressible("they differ in line ends, and a patch keeps those of the file")
    before, after = cut(old), cut(new)
    _check_same_frame(before, after)
    pairs = zip(before.segments, after.segments, strict=True)
    hunks = [_hunks(ours.lines, theirs.lines) if ours.editable else [] for ours, theirs in pairs]
    gap = 2 * _GAP
    while sum(map(len, hunks)) > MAX_BLOCKS and gap < old.count("\n"):
        hunks = [_joined(segment, gap) for segment in hunks]
        gap *= 2
    texts = [segment.text for segment in before.segments]
    edits: list[Edit] = []
    for i, segment in enumerate(after.segments):
        for hunk in hunks[i]:
            lines = texts[i].split("\n")[:-1]
            edit, changed = _edit(
                lines, hunk, segment.lines, [texts[j] for j in _editable(before)], before.first_line(i)
            )
            edits.append(edit)
            texts[i] = "".join([line + "\n" for line in changed])
    if not edits:
        raise refusals.not_expressible("they differ only in how the file ends")
    patch = Patch(name=name, description=description, edits=tuple(edits))
    # Applying does what was done here, but for line ends, halves of characters and too many blocks.
    plain = "\r" not in old + new and new.isascii() and len(edits) <= MAX_BLOCKS
    if not (plain and texts == [segment.text for segment in after.segments]) and apply(patch, old).source != new:
        raise refusals.not_expressible("they differ in line ends, and a patch keeps those of the file")
    return patch


def _editable(program: Program) -> list[int]:
    return [i for i, segment in enumerate(program.segments) if segment.editable]


def _check_same_frame(before: Program, after: Program) -> None:
    if before.terminated != after.terminated:
        raise refusals.not_expressible(
            "one ends in a newline and the other does not, and a patch keeps the end of the file"
        )
    ours = [None if segment.editable else segment.lines for segment in before.segments]
    theirs = [None if segment.editable else segment.lines for segment in after.segments]
    if ours == theirs:
        return
    markers = [[line for line in program.lines if is_marker(line)] for program in (before, after)]
    if markers[0] != markers[1]:
        raise PatchError(
            "touches_marker", "The two programs differ in their EVOLVE-BLOCK markers, which no patch may touch."
        )
    raise PatchError(
        "outside_block", "The two programs differ outside the EVOLVE-BLOCK regions, where no patch may reach."
    )


def _hunks(old: Sequence[str], new: Sequence[str]) -> list[_Hunk]:
    """The changes from old to new, merging those near each other."""
    top = 0
    while top < min(len(old), len(new)) and old[top] == new[top]:
        top += 1
    bottom = 0
    while bottom < min(len(old), len(new)) - top and old[-1 - bottom] == new[-1 - bottom]:
        bottom += 1
    whole = _Hunk(top, len(old) - bottom, top, len(new) - bottom)
    if max(whole.stop, whole.end) - top > _LONG:
        return [whole]
    if (whole.start, whole.into) == (whole.stop, whole.end):
        return []
    if set(old[top : whole.stop]).isdisjoint(new[top : whole.end]):
        return [whole]
    # autojunk stays on: it bounds the work where a few lines make up most of a long program.
    matcher = SequenceMatcher(None, old[top : whole.stop], new[top : whole.end])
    changes = [codes for tag, *codes in matcher.get_opcodes() if tag != "equal"]
    return _joined([_Hunk(top + i1, top + i2, top + j1, top + j2) for i1, i2, j1, j2 in changes], _GAP)


def _joined(hunks: Sequence[_Hunk], gap: int) -> list[_Hunk]:
    """The same changes, merging those at most `gap` lines apart."""
    joined: list[_Hunk] = []
    for hunk in hunks:
        if joined and hunk.start - joined[-1].stop <= gap:
            joined[-1] = _Hunk(joined[-1].start, hunk.stop, joined[-1].into, hunk.end)
        else:
            joined.append(hunk)
    return joined


def _edit(
    lines: list[str], hunk: _Hunk, new: Sequence[str], texts: Sequence[str], offset: int
) -> tuple[Edit, list[str]]:
    """One hunk as an edit, with just enough lines of context to make its SEARCH unique; and the lines after the edit.

    `lines` is the segment after the earlier hunks, `texts` are all editable segments, this one included.
    """
    start = hunk.into
    stop = start + hunk.stop - hunk.start
    middle = list(new[hunk.into : hunk.end])
    changed = [*lines[:start], *middle, *lines[stop:]]
    context = 1
    while True:
        top, bottom = max(0, start - context), min(len(lines), stop + context)
        search = lines[top:bottom]
        if not is_blank(search) and _is_unique(search, texts):
            replace = [*lines[top:start], *middle, *lines[stop:bottom]]
            return Edit(search=to_text(search), replace=to_text(replace)), changed
        if (top, bottom) == (0, len(lines)):
            raise refusals.no_place(offset + start, blank=is_blank(search))
        context += max(1, context // 4)


def _is_unique(search: Sequence[str], texts: Sequence[str]) -> bool:
    needle = "".join([line + "\n" for line in search])
    return sum(len(find_lines(text, needle, 2)) for text in texts) == 1
