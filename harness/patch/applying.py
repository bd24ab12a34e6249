"""Apply a patch to a program: line ends, indentation shifts, all or nothing.

Owns: which of several dividers is meant, when an edit is allowed, and the lines that REPLACE becomes in the program.
Does not know: how a reply is written, how a match is found.

Edits are applied in order, each to the result of the edits before it. A SEARCH must match exactly once in the editable
lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.patch import refusals
from harness.patch.context import Inner, inner
from harness.patch.lines import Program, cut, in_long_string, is_blank, is_marker, to_lines, to_text
from harness.patch.match import Match, locate, occurs_loosely
from harness.patch.refusals import block_name
from harness.types import Candidate, Edit, Patch, Tier

MAX_BLOCKS = 1000
"""The most blocks of a reply: the work is blocks times program size."""

_MAX_DIVIDERS = 20
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block with several lines that could divide it; which one does depends on the program."""

    lines: tuple[str, ...]
    dividers: tuple[int, ...]
    fence: int

    def split(self, divider: int) -> Edit:
        at = self.dividers[divider]
        return Edit(search=to_text(self.lines[:at]), replace=to_text(self.lines[at + 1 :]))

    def strays(self, divider: int) -> tuple[int, ...]:
        """The lines of REPLACE that could divide too; () where SEARCH, which the program holds, has as many."""
        after = [at - self.dividers[divider] - 1 for at in self.dividers[divider + 1 :]]
        return tuple(after) if len(after) > divider else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of applying blocks: `edits` are all blocks with their dividers chosen, `tiers` has one entry for each
    edit that was applied.
    """

    source: str
    edits: tuple[Edit, ...]
    tiers: tuple[Tier, ...]
    warnings: tuple[str, ...]


def apply(patch: Patch, source: str) -> Candidate:
    """The program that `patch` makes of `source`. Raises PatchError."""
    if patch.rewrite is not None:
        return candidate(patch.name, patch.description, rewritten(patch.rewrite, source), (), ())
    outcome = apply_blocks(patch.edits, source)
    return candidate(patch.name, patch.description, outcome.source, outcome.tiers, outcome.warnings)


def candidate(
    name: str, description: str, source: str, tiers: tuple[Tier, ...], warnings: tuple[str, ...]
) -> Candidate:
    """A candidate whose name and description can be written to a file: halves of surrogate pairs become U+FFFD."""
    clean = [_SURROGATE.sub("\ufffd", text) for text in (name, description)]
    if clean != [name, description]:
        warnings += ("the name or the description held halves of surrogate pairs, replaced by U+FFFD",)
    return Candidate(name=clean[0], description=clean[1], source=source, tiers=tiers, warnings=warnings)


def apply_blocks(blocks: Sequence[Edit | Block], source: str) -> Outcome:
    """Apply edits in order, choosing the divider of each block that has several. Raises PatchError."""
    if len(blocks) > MAX_BLOCKS:
        raise refusals.malformed(f"The reply holds {len(blocks)} blocks; expected at most {MAX_BLOCKS}.")
    given = program = cut(source)
    edits: list[Edit] = []
    tiers: list[Tier] = []
    warnings: list[str] = []
    for number, block in enumerate(blocks, 1):
        strays: tuple[int, ...] = ()
        if isinstance(block, Edit):
            edit = block
        else:
            chosen = _choose_divider(block, program, f"Block {number} of {len(blocks)}")
            edit, strays = block.split(chosen), block.strays(chosen)
        edits.append(edit)
        search, replace = to_lines(edit.search), to_lines(edit.replace)
        name = block_name(number, len(blocks), search)
        within = inner(search, replace)
        _check(within, name)
        if [line.removesuffix("\r") for line in search] == [line.removesuffix("\r") for line in replace]:
            warnings.append(f"{name}: its SEARCH equals its REPLACE; dropped")
            continue
        match = _only_match(within, program, given, name)
        program = _replace(program, match, within.search, within.replace, name)
        for i in strays:
            at = program.first_line(match.segment) + match.line + i - bool(within.above)
            if not in_long_string(program.lines, at):
                raise refusals.stray_divider(name, replace[i], len(replace[i].strip()))
        tiers.append(match.tier)
        if match.tier == "indent":
            warnings.append(
                f"{name}: its SEARCH matched when moved {match.shift}, so its REPLACE was moved by the same amount"
            )
    if program.source == source:
        what = "Every block's SEARCH equals its REPLACE." if not tiers else "The blocks together change nothing."
        raise refusals.no_op(what)
    return Outcome(source=program.source, edits=tuple(edits), tiers=tuple(tiers), warnings=tuple(warnings))


def _check(within: Inner, name: str) -> None:
    """Refuse what is wrong for any program."""
    if is_blank(within.search) and (within.search or not within.marked):
        raise refusals.empty_search(name)
    for side, lines in (("SEARCH", within.search), ("REPLACE", within.replace)):
        marker = next((line for line in lines if is_marker(line)), None)
        if marker is not None:
            raise refusals.touches_marker(name, side, marker)
    broken = next((line for line in within.replace if _SURROGATE.search(line)), None)
    if broken is not None:
        raise refusals.no_character(name, broken)


def _choose_divider(block: Block, program: Program, name: str) -> int:
    """The only divider (from 0) whose SEARCH matches exactly once.

    A SEARCH that matches nowhere cannot match with more lines either, so the work ends at the first such divider.
    """
    fitting: list[int] = []
    for divider in range(min(len(block.dividers), _MAX_DIVIDERS)):
        search = block.lines[: block.dividers[divider]]
        if is_blank(search):
            continue
        matches = locate(search, program)
        if not matches and not occurs_loosely(search, program):
            break
        if len(matches) == 1 and not any(is_marker(line) for line in search):
            fitting.append(divider)
    if len(fitting) != 1:
        raise refusals.several_dividers(
            name, len(block.dividers), block.fence, fitting, block.lines[: block.dividers[0]], program
        )
    return fitting[0]


def _only_match(within: Inner, program: Program, given: Program, name: str) -> Match:
    search, replace = within.search, within.replace
    matches = within.matches(program)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise refusals.ambiguous(name, _line_numbers(matches, program), matches[0].tier, program)
    if within.marked and (not search or locate(search, program)):
        raise refusals.touches_marker(name, "SEARCH", within.above or within.below)
    outside = _line_numbers(locate(search, program, editable=False), program)
    if outside:
        raise refusals.outside_block(name, outside, program)
    raise refusals.no_match(
        name,
        search,
        program,
        before=_line_numbers(locate(search, given), given) if given is not program else [],
        replaced=[] if is_blank(replace) else _line_numbers(locate(replace, program), program),
    )


def _line_numbers(matches: Sequence[Match], program: Program) -> list[int]:
    return [program.first_line(match.segment) + match.line for match in matches]


def _replace(program: Program, match: Match, search: Sequence[str], replace: Sequence[str], name: str) -> Program:
    lines = program.segments[match.segment].lines
    stop = match.line + len(search)
    moved: list[str] = []
    for line in replace:
        shifted = match.shift.moved(line)
        if shifted is None:
            at = program.first_line(match.segment) + match.line
            raise refusals.shift_impossible(name, str(match.shift), line, at)
        moved.append(shifted)
    lines[match.line : stop] = _fit_line_ends(moved, lines[match.line : stop], program)
    return program.with_lines(match.segment, lines)


def _fit_line_ends(new: Sequence[str], old: Sequence[str], program: Program) -> list[str]:
    """The new lines with the program's line ends; unchanged lines at either end keep their own."""
    fitted = program.with_line_ends(new)
    shortest = min(len(new), len(old))
    top = 0
    while top < shortest and _same(new[top], old[top]):
        fitted[top] = old[top]
        top += 1
    bottom = 1
    while bottom <= shortest - top and _same(new[-bottom], old[-bottom]):
        fitted[-bottom] = old[-bottom]
        bottom += 1
    return fitted


def _same(line: str, other: str) -> bool:
    return line.removesuffix("\r") == other.removesuffix("\r")


def rewritten(rewrite: str, source: str) -> str:
    """A whole program in place of `source`, with the line ends, the final newline and the protected lines of `source`.

    Raises PatchError where a protected line differs, or nothing does.
    """
    parent = cut(source)
    text = "".join([line + "\n" for line in parent.with_line_ends(cut(rewrite).lines)])
    child = cut(text)
    if _SURROGATE.search(rewrite):
        raise refusals.no_character("The program", next(line for line in child.lines if _SURROGATE.search(line)))
    if not parent.has_markers and child.has_markers:
        added = next(line for line in child.lines if is_marker(line))
        raise refusals.touches_marker("The whole program", "text", added)
    _check_protected(parent, child)
    for i, segment in enumerate(child.segments):
        if segment.editable:
            parent = parent.with_lines(i, segment.lines)
    if parent.source == source:
        raise refusals.no_op("The whole program equals its parent.")
    return parent.source


def _check_protected(parent: Program, child: Program) -> None:
    """Raises PatchError unless the child has every protected line of the parent, in the same segment."""
    kept = [(i, line) for i, segment in enumerate(parent.segments) if not segment.editable for line in segment.lines]
    made = [(i, line) for i, segment in enumerate(child.segments) if not segment.editable for line in segment.lines]
    numbers = [n for n, editable in enumerate(_editable_lines(parent)) if not editable]
    for k in range(max(len(kept), len(made))):
        ours = kept[k] if k < len(kept) else (-1, "")
        theirs = made[k] if k < len(made) else (-1, "")
        if ours[0] != theirs[0] or not _same(ours[1], theirs[1]):
            raise refusals.rewrite_outside(
                numbers[k] if k < len(numbers) else None,
                ours[1],
                theirs[1],
                marker=is_marker(ours[1]) or is_marker(theirs[1]),
            )


def _editable_lines(program: Program) -> list[bool]:
    return [segment.editable for segment in program.segments for _ in segment.lines]
