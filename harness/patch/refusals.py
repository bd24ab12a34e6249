"""Why a reply is refused, written for the model that sent it.

Owns: `PatchError`, its reasons, and the texts. Does not know: how a block is read, matched or applied.

Every text names the block, what was expected, what was found and where, and what to do. For any input it is at most a
few kB of printable characters and newlines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from harness.patch.lines import BLANKS, Program, is_marker
from harness.patch.match import MANY
from harness.patch.nearest import nearest, odd_characters, show, small_diff
from harness.types import HarnessError

Reason = Literal[
    "malformed",
    "truncated",
    "no_match",
    "ambiguous",
    "outside_block",
    "touches_marker",
    "empty_search",
    "no_op",
    "not_expressible",
]
REASONS: tuple[Reason, ...] = get_args(Reason)

FORMAT = """The format of a block, each fence on a line of its own:
<<<<<<< SEARCH
lines copied from the program, indentation included
=======
the lines that replace them
>>>>>>> REPLACE"""

_MOST = 4000


class PatchError(HarnessError):
    """A reply cannot be applied, or a change cannot be a patch. `reason` is a slug, `detail` the whole text."""

    def __init__(self, reason: Reason, detail: str) -> None:
        detail = detail if len(detail) <= _MOST else detail[:_MOST] + "\n... (cut)"
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail


def block_name(number: int, total: int, search: Sequence[str]) -> str:
    first = next((line for line in search if line.strip(BLANKS)), "")
    of = f"Block {number} of {total}"
    return (
        f"{of} (SEARCH: {count(len(search), 'line')}, starting with `{show(first.strip(BLANKS), 80)}`)" if first else of
    )


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def places(lines: Sequence[int]) -> str:
    """Line numbers (from 0 here, from 1 in the text)."""
    named = ", ".join(str(line + 1) for line in lines[:MANY])
    more = " and possibly more" if len(lines) >= MANY else ""
    return f"line{'' if len(lines) == 1 else 's'} {named}{more}"


def malformed(mistake: str) -> PatchError:
    return PatchError("malformed", f"{mistake}\nNothing was applied.\n{FORMAT}")


def truncated(mistake: str) -> PatchError:
    return PatchError(
        "truncated",
        f"{mistake}\nNothing was applied. Send the complete reply again. If it was too long, make a smaller change.",
    )


def only_thoughts(*, ended: bool) -> PatchError:
    """A reply without an answer: its thoughts do not end, or nothing follows them."""
    what = "has no answer after its thoughts" if ended else "ends inside its thoughts, before any answer"
    return PatchError(
        "truncated",
        f"The reply {what}. Nothing was applied: a block that is drafted in the thoughts does not count.\n"
        "Think less, and send the complete answer. To the user: if this happens often, raise the model's "
        "max_output_tokens.",
    )


def stray_divider(block: str, line: str, fence: int) -> PatchError:
    """A block that has one more dividing line than its SEARCH explains."""
    n = fence + 1
    return PatchError(
        "malformed",
        f"{block}: it holds more than one dividing line. SEARCH matches when it is divided at one of them, and then "
        f"`{show(line)}` would be a line of the program. Nothing was applied.\n"
        f"A block has one dividing line: drop the other. If the line is meant for the program, write all three fences "
        f"of this block with {n} or more characters (`{'<' * n} SEARCH`, `{'=' * n}`, `{'>' * n} REPLACE`).",
    )


def unified_diff(line: int, text: str) -> PatchError:
    return malformed(
        f"The reply is a unified diff (line {line + 1}: `{show(text, 80)}`). Expected SEARCH/REPLACE blocks: no line "
        "numbers, no leading `-`, `+` or space before the lines."
    )


def several_dividers(
    block: str, dividers: int, fence: int, fitting: Sequence[int], search: Sequence[str], program: Program
) -> PatchError:
    """`fitting`: the dividers (from 0) whose SEARCH matches exactly once, none or several. `search`: the lines above
    the first divider.
    """
    named = " or ".join(f"number {i + 1}" for i in fitting) or "any of them"
    matching = "matches exactly once" if fitting else "never matches exactly once"
    n = fence + 1
    text = (
        f"{block}: it holds {dividers} lines of {fence} `=`, and it is unclear which of them divides SEARCH from "
        f"REPLACE: divided at {named}, SEARCH {matching}. Nothing was applied.\n"
        f"Write all three fences of this block with {n} or more characters (`{'<' * n} SEARCH`, `{'=' * n}`, "
        f"`{'>' * n} REPLACE`), so that no `=` line of the program is read as a fence, and check that SEARCH is "
        "copied from the program."
    )
    if fitting:
        return PatchError("ambiguous", text)
    return PatchError("no_match", "\n".join([text, *_nearest_lines(search, program.lines)]))


def unclear_dividers(block: str, fence: int) -> PatchError:
    return PatchError(
        "ambiguous",
        f"{block}: it holds several lines of {fence} `=`, and without the program it is unclear which of them divides "
        f"SEARCH from REPLACE. Write all three fences of this block with {fence + 1} or more characters.",
    )


def empty_search(block: str) -> PatchError:
    return PatchError(
        "empty_search",
        f"{block}: its SEARCH is empty or holds blank lines only, so it matches no place in particular. "
        "Nothing was applied.\n"
        "To insert lines, put a neighbouring line of the program into SEARCH, and repeat it in REPLACE together with "
        "the new lines.",
    )


def touches_marker(block: str, side: str, line: str) -> PatchError:
    return PatchError(
        "touches_marker",
        f"{block}: its {side} holds the marker line `{show(line.strip(BLANKS), 80)}`. The EVOLVE-BLOCK markers "
        "must not change: no block may hold, cross, add or remove one. Nothing was applied.\n"
        "Leave the marker out of SEARCH and REPLACE, and change only lines between the markers.",
    )


def outside_block(block: str, matches: Sequence[int], program: Program) -> PatchError:
    return PatchError(
        "outside_block",
        f"{block}: its SEARCH matches at {places(matches)} of the program, but not between an EVOLVE-BLOCK-START "
        f"line and its EVOLVE-BLOCK-END. {_editable(program)} Nothing was applied.\n"
        "Change only lines that may be edited.",
    )


def _editable(program: Program) -> str:
    ranges = program.editable_ranges()
    if ranges:
        named = ", ".join(f"{first}-{last}" for first, last in ranges[:MANY])
        return f"Lines that may be edited: {named}{', ...' if len(ranges) > MANY else ''}."
    markers = [i for i, line in enumerate(program.lines) if is_marker(line)]
    return f"No line may be edited: the markers at {places(markers)} enclose no line."


def ambiguous(block: str, matches: Sequence[int], tier: str, program: Program) -> PatchError:
    lines = program.lines
    number = f"{len(matches)}" if len(matches) < MANY else f"{MANY} or more"
    before = [
        f"  line {i + 1}, after `{show(lines[i - 1].strip(BLANKS), 80)}`" if i else "  line 1, at the top"
        for i in matches[:5]
    ]
    how = {"exact": "", "blanks": " (ignoring trailing blanks)", "indent": " (after shifting its indentation)"}[tier]
    return PatchError(
        "ambiguous",
        f"{block}: its SEARCH matches {number} times{how}, at {places(matches)}; expected exactly one match. "
        "Nothing was applied.\n" + "\n".join(before) + "\nExtend SEARCH by neighbouring lines of the place you mean, "
        "and repeat them in REPLACE.",
    )


def shift_impossible(block: str, shift: str, line: str, at: int) -> PatchError:
    return PatchError(
        "no_match",
        f"{block}: its SEARCH matches at line {at + 1} only when moved {shift}. REPLACE must be moved by the same "
        f"amount, but its line `{show(line)}` is not indented that far. Nothing was applied.\n"
        "Write SEARCH and REPLACE with the indentation of the program.",
    )


def no_match(
    block: str, search: Sequence[str], program: Program, *, before: Sequence[int], replaced: Sequence[int]
) -> PatchError:
    """`before`: the lines where SEARCH matched before the earlier blocks; `replaced`: where REPLACE matches now."""
    lines = program.lines
    text = [
        f"{block}: no match in the lines that may be edited, even when trailing blanks and a uniform indentation shift "
        "are ignored. Nothing was applied."
    ]
    if before:
        text.append(
            f"It matched at {places(before)} of the program as given, but earlier blocks of this reply changed those "
            "lines. Blocks are applied in order, each to the result of the blocks before it: write SEARCH as the lines "
            "read by then, or join the blocks."
        )
    if replaced:
        text.append(f"Its REPLACE is already at {places(replaced)}. If the change has been made there, drop the block.")
    text += odd_characters(search, lines)
    text += _nearest_lines(search, lines)
    text.append("Copy SEARCH from the program line by line, indentation included, and send all blocks again.")
    return PatchError("no_match", "\n".join(text))


def _nearest_lines(search: Sequence[str], lines: Sequence[str]) -> list[str]:
    start = nearest(lines, search)
    if start is None:
        return ["No line of the program resembles its lines: it seems to be for another program."]
    return [
        f"The nearest lines begin at line {start + 1} (`-` your SEARCH, `+` the program):",
        *small_diff(lines, search, start),
    ]


def no_op(what: str) -> PatchError:
    return PatchError("no_op", f"{what} The program would not change, so there is nothing to judge. Change something.")


def no_character(block: str, line: str) -> PatchError:
    return malformed(
        f"{block}: its REPLACE holds half of a surrogate pair in `{show(line)}`, which is not a character and cannot "
        "be written to a file."
    )


def rewrite_outside(line: int | None, expected: str, found: str, *, marker: bool) -> PatchError:
    """At the first protected line where a whole program differs from its parent."""
    where = "at its end" if line is None else f"at line {line + 1} of the parent"
    return PatchError(
        "touches_marker" if marker else "outside_block",
        f"The program differs from its parent outside the EVOLVE-BLOCK, {where}: expected `{show(expected)}`, found "
        f"`{show(found)}`. Nothing was applied.\nRepeat every line outside the markers, and the markers "
        "themselves, unchanged.",
    )


def not_expressible(why: str) -> PatchError:
    return PatchError("not_expressible", f"No patch turns one program into the other: {why}.")


def no_place(line: int, *, blank: bool) -> PatchError:
    """A change at a place that no SEARCH matches uniquely."""
    if blank:
        return PatchError(
            "empty_search",
            f"No patch can make the change at line {line + 1}: the lines that may be edited there are blank, and "
            "SEARCH cannot be blank.",
        )
    return PatchError(
        "ambiguous",
        f"No patch can make the change at line {line + 1}: its EVOLVE-BLOCK occurs more than once in the program, "
        "and no SEARCH matches only one of them.",
    )


def unwritable(name: str) -> PatchError:
    return PatchError(
        "not_expressible",
        f"No reply can hold the patch `{name}`: its name, its description or its whole program holds a closing tag "
        "or a fence.",
    )
