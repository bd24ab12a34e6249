"""The patch format: parse a reply into a `Patch`, render a `Patch` as a reply, apply a reply to a program.

Owns: the format, and with `harness.patch` the public functions on patches. Does not know: who wrote a reply, or what
becomes of the program.

A reply holds <NAME>, <DESCRIPTION> and <DIFF>, all optional, and blocks:

    <<<<<<< SEARCH
    lines of the program
    =======
    lines to put there
    >>>>>>> REPLACE

A fence is a whole line: n >= 7 of its character, then for `<` and `>` a space and the word; blanks may trail it. The
three fences of a block have the same n and the same indentation, so a line of another n or another indentation is
content. Everything outside blocks is prose, but a line there that tries to be a fence is refused: a block is never
skipped. If several `=` lines could divide a block, the program decides (`harness.patch.applying`).
"""

from __future__ import annotations

import re
from dataclasses import replace

from harness.patch import refusals
from harness.patch.applying import Block, apply_blocks, candidate, rewritten
from harness.patch.fences import SHORTEST
from harness.patch.lines import BLANKS, to_lines
from harness.patch.nearest import show
from harness.patch.refusals import PatchError
from harness.patch.reply import read
from harness.patch.thoughts import split
from harness.types import Candidate, Edit, Patch

_RUN = re.compile("<<<<<<<+|=======+|>>>>>>>+")
_NOTABLE = re.compile(r"^[ \t]*[<=>`~]", re.MULTILINE)


def parse(reply: str, *, source: str | None = None, allow_rewrite: bool = False) -> Patch:
    """The patch in a reply. Raises PatchError, and nothing else, for any other text.

    For a block with several dividing lines, `source` decides, after the blocks before it are applied; without `source`
    such a block is refused as ambiguous. With `allow_rewrite`, a reply without blocks may hold one fenced program.
    """
    parts = read(reply, allow_rewrite)
    if parts.rewrite is not None:
        return Patch(name=parts.name, description=parts.description, rewrite=parts.rewrite)
    edits = tuple(block for block in parts.blocks if isinstance(block, Edit))
    if len(edits) < len(parts.blocks):
        if source is None:
            number, fence = next(
                (i, block.fence) for i, block in enumerate(parts.blocks, 1) if isinstance(block, Block)
            )
            raise refusals.unclear_dividers(f"Block {number} of {len(parts.blocks)}", fence)
        edits = apply_blocks(parts.blocks, source).edits
    return Patch(name=parts.name, description=parts.description, edits=edits)


def title(reply: str) -> tuple[str, str]:
    """The name and the description in a reply, even if its blocks do not apply; "" where it cannot be read."""
    try:
        parts = read(reply, True)
    except PatchError:
        return "", ""
    return parts.name, parts.description


def apply_reply(reply: str, source: str, *, allow_rewrite: bool = False) -> Candidate:
    """The program that a reply makes of `source`. Raises PatchError."""
    parts = read(reply, allow_rewrite)
    if parts.rewrite is not None:
        return candidate(parts.name, parts.description, rewritten(parts.rewrite, source), (), parts.warnings)
    outcome = apply_blocks(parts.blocks, source)
    warnings = (*parts.warnings, *outcome.warnings)
    return candidate(parts.name, parts.description, outcome.source, outcome.tiers, warnings)


def render(patch: Patch) -> str:
    """A reply that parses into `patch`, with fences longer than any run of their characters inside.

    Blanks around the name and the description are dropped, and a rewrite gets a final newline. Raises PatchError for a
    patch that no reply can hold, such as a name with `</NAME>` in it or a rewrite that holds the fences of a block.
    """
    patch = replace(patch, name=patch.name.strip(BLANKS + "\n"), description=patch.description.strip(BLANKS + "\n"))
    header = (("NAME", patch.name), ("DESCRIPTION", patch.description))
    parts = [f"<{tag}>\n{text}\n</{tag}>\n\n" for tag, text in header if text]
    if patch.rewrite is None:
        parts += ["<DIFF>\n", *map(_render_edit, patch.edits), "</DIFF>\n"]
    else:
        patch = replace(patch, rewrite=patch.rewrite if patch.rewrite.endswith("\n") else patch.rewrite + "\n")
        ticks = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", patch.rewrite or ""))])
        parts.append(f"{ticks}python\n{patch.rewrite}{ticks}\n")
    reply = "".join(parts)
    if not _holds(reply, patch):
        raise refusals.unwritable(show(patch.name, 80))
    return reply


def _holds(reply: str, patch: Patch) -> bool:
    """Whether a reply parses into a patch. It does if no line of the patch begins like a fence or a tag, and none
    holds a mark of thoughts.
    """
    lines = (text for edit in patch.edits for text in (edit.search, edit.replace))
    if not (patch.name or patch.description or patch.rewrite is not None or any(map(_NOTABLE.search, lines))):
        return not split(reply).thoughts
    try:
        return parse(reply, allow_rewrite=True) == patch
    except PatchError:
        return False


def _render_edit(edit: Edit) -> str:
    n = max([SHORTEST, *(len(run) + 1 for run in _RUN.findall(f"{edit.search}\n{edit.replace}"))])
    lines = [f"{'<' * n} SEARCH", *to_lines(edit.search), "=" * n, *to_lines(edit.replace), f"{'>' * n} REPLACE"]
    return "".join([line + "\n" for line in lines])
