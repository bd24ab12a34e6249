"""Read a model's reply: its name, its description, and its blocks or its whole program.

Owns: which lines of a reply are fences, tags and prose. Does not know: the program a reply is for, or how replies are
rendered. The format itself is described in `harness.patch.patch`.

A reply is read once, line by line; only lines that may be a fence or a tag are examined, so the time is linear.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.patch import refusals
from harness.patch.applying import Block
from harness.patch.fences import ELEMENTS, SHORTEST, TICKS, WORDS, Fence, fence_of, run_length, tag_of
from harness.patch.lines import BLANKS
from harness.patch.nearest import show
from harness.patch.refusals import PatchError
from harness.patch.thoughts import Split, split
from harness.types import Edit

_NOTABLE = frozenset("<=>`~")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The content of a reply: blocks in order, or a whole program."""

    name: str
    description: str
    blocks: tuple[Edit | Block, ...]
    rewrite: str | None
    warnings: tuple[str, ...]


def read(reply: str, allow_rewrite: bool) -> Reply:
    """Read any text. Raises PatchError."""
    parts = split(reply)
    try:
        return _answer(parts, allow_rewrite)
    except PatchError as error:
        if not parts.lines or " of the reply" not in error.detail:
            raise
        counted = f"Its lines are counted from the end of its thoughts, which is line {parts.lines + 1} of the whole."
        raise PatchError(error.reason, f"{error.detail}\n{counted}") from None


def _answer(parts: Split, allow_rewrite: bool) -> Reply:
    """Read a reply without its thoughts. Where the last of them do not end, a whole <DIFF> section must come first."""
    if parts.thoughts and not parts.answer.strip():
        raise refusals.only_thoughts(ended=parts.ended)
    reader = _Reader(lines=parts.answer.split("\n"))
    try:
        reader.run()
    except PatchError as error:
        raise error if parts.ended else refusals.only_thoughts(ended=False) from None
    if not parts.ended and not (reader.blocks and reader.opened and not reader.inside):
        raise refusals.only_thoughts(ended=False)
    rewrite = None if reader.blocks else _whole_program(reader, allow_rewrite)
    return Reply(
        name=reader.elements.get("<NAME>", ""),
        description=reader.elements.get("<DESCRIPTION>", ""),
        blocks=tuple(reader.blocks),
        rewrite=rewrite,
        warnings=tuple(reader.warnings()) if reader.blocks else (),
    )


def _tries_to_be_fence(line: str, characters: str = "<>") -> bool:
    """Whether a line resembles a fence: a long run of the character, or a shorter one with the word."""
    body = line.strip(BLANKS)
    if not body or body[0] not in characters:
        return False
    length = run_length(body)
    return length >= SHORTEST or (length >= 3 and body[length:].lstrip().startswith(WORDS[body[0]].lstrip()))


@dataclass(slots=True)
class _Reader:
    lines: list[str]
    notable: list[int] = field(init=False)
    elements: dict[str, str] = field(default_factory=dict)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    """First and last line of each element."""
    sections: list[Edit | Block] = field(default_factory=list)
    """The blocks inside <DIFF> sections."""
    outside: list[Edit | Block] = field(default_factory=list)
    """The blocks before, between and after them, up to the first that cannot be read."""
    fault: PatchError | None = None
    """Why a block outside cannot be read: it counts only if there is no section."""
    opened: bool = False
    inside: bool = False

    def __post_init__(self) -> None:
        self.notable = [i for i, line in enumerate(self.lines) if line and line.lstrip(" \t")[:1] in _NOTABLE]

    @property
    def blocks(self) -> list[Edit | Block]:
        """The blocks that count."""
        return self.sections if self.opened else self.outside

    def run(self) -> None:
        k = unread = 0
        while k < len(self.notable):
            i = self.notable[k]
            k += 1
            body = self.lines[i].lstrip(" \t")
            if i < unread or body[0] not in "<>":
                continue
            if body.startswith(("<<<", ">>>")):
                if self.inside or self.fault is None:
                    k = self._marked(k, i)
                continue
            tag = tag_of(body)
            if tag in ELEMENTS and tag not in self.elements:
                unread = self._element(i, tag, body[len(tag) :])
            self._section(tag, body[len(tag) :])
        self._check_end()

    def warnings(self) -> Iterator[str]:
        if self.inside:
            yield "the reply opens <DIFF> and does not close it: it may be truncated"
        if self.opened and (self.outside or self.fault):
            yield "blocks outside the <DIFF> section were ignored"

    def _section(self, tag: str, rest: str) -> None:
        """Open or close a section, where `tag` does so; `rest` follows on the same line."""
        if tag == "<DIFF>":
            self.opened, self.inside = True, "</DIFF>" not in rest
        elif tag == "</DIFF>":
            self.inside = False

    def _check_end(self) -> None:
        """Refuse a reply that ends in a fence, that has a faulty block and no section, or blocks only outside of it."""
        if self.fault is not None and not self.opened:
            raise self.fault
        last = self.lines[self.notable[-1]].strip(BLANKS) if self.notable else ""
        if self.inside and last and not last.strip("<"):
            raise refusals.truncated(f"The reply ends in `{show(last, 20)}`, in the middle of an opening fence.")
        if self.opened and not self.sections and (self.outside or self.fault):
            if self.inside:
                raise refusals.truncated("The reply ends inside its <DIFF> section, before any block of it.")
            raise refusals.malformed("The <DIFF> section of the reply holds no block, and blocks outside do not count.")

    def _marked(self, k: int, i: int) -> int:
        """Read the block that opens in line `i`, the notable line before the k-th; returns the one to continue at.

        Outside a section, a fault is kept until it is known whether there is a section.
        """
        fence = fence_of(self.lines[i])
        try:
            if fence is not None and fence.character == "<":
                return self._block(k, fence)
            if _tries_to_be_fence(self.lines[i]):
                raise self._stray(i, fence)
        except PatchError as error:
            if self.inside:
                raise
            self.fault = error
        return k

    def _element(self, i: int, tag: str, first: str) -> int:
        """Read an element whose text begins with `first` in line `i`; returns the line to continue at.

        Without a closing tag it ends before the next tag or block; without those, the reply was truncated.
        """
        close = tag.replace("<", "</")
        stop = i if close in first else next((j for j in range(i + 1, len(self.lines)) if close in self.lines[j]), None)
        if stop is None:
            stop = next((j for j in range(i + 1, len(self.lines)) if self._ends_element(j)), None)
            if stop is None:
                raise self.fault or refusals.truncated(f"The reply ends inside its {tag}, before any block.")
            self.elements[tag] = "\n".join([first, *self.lines[i + 1 : stop]]).strip(BLANKS + "\n")
            return stop
        inside, _, rest = (first if stop == i else self.lines[stop]).partition(close)
        self.elements[tag] = (inside if stop == i else "\n".join([first, *self.lines[i + 1 : stop], inside])).strip(
            BLANKS + "\n"
        )
        self.ranges.append((i, stop))
        following = tag_of(rest)
        if following in ELEMENTS and following not in self.elements:
            return self._element(stop, following, rest.lstrip(" \t")[len(following) :])
        self._section(following, rest.partition(following)[2] if following else "")
        return stop + 1

    def _ends_element(self, j: int) -> bool:
        fence = fence_of(self.lines[j])
        return bool(tag_of(self.lines[j])) or (fence is not None and fence.character == "<")

    def _block(self, k: int, opening: Fence) -> int:
        """Read the block that opens in the notable line before the k-th; returns the notable line after its end."""
        start = self.notable[k - 1]
        number = len(self.sections if self.inside else self.outside) + 1
        name = f"Block {number} (it opens in line {start + 1} of the reply)"
        dividers: list[int] = []
        for n in range(k, len(self.notable)):
            i = self.notable[n]
            fence = fence_of(self.lines[i])
            if fence is None or (fence.length, fence.indent) != (opening.length, opening.indent):
                continue
            if fence.character == "=":
                dividers.append(i - start - 1)
            elif fence.character == "<":
                raise refusals.malformed(
                    f"{name} has no closing fence `{show(_written('>', opening))}` before the next block opens in line "
                    f"{i + 1}.{self._wrong_fence(k, n, '>')}"
                )
            else:
                if not dividers:
                    raise refusals.malformed(
                        f"{name} has no dividing line `{show(_written('=', opening))}` before it closes in line "
                        f"{i + 1}.{self._wrong_fence(k, n, '=')}"
                    )
                self._add(tuple(self.lines[start + 1 : i]), dividers, opening)
                return n + 1
        raise self._unclosed(k, name, opening)

    def _add(self, lines: tuple[str, ...], dividers: list[int], opening: Fence) -> None:
        block = Block(lines=lines, dividers=tuple(dividers), fence=opening.length)
        found = self.sections if self.inside else self.outside
        found.append(block.split(0) if len(dividers) == 1 else block)

    def _wrong_fence(self, k: int, stop: int, character: str) -> str:
        """A sentence on the first line in notable[k:stop] that may have been meant as the missing fence."""
        for i in self.notable[k:stop]:
            fence = fence_of(self.lines[i])
            if (fence is not None and fence.character == character) or (
                character != "=" and _tries_to_be_fence(self.lines[i], character)
            ):
                return (
                    f" Line {i + 1} reads `{show(self.lines[i])}`: the three fences of a block need the same number of "
                    "characters and the same indentation, and nothing else on their lines."
                )
        return ""

    def _unclosed(self, k: int, name: str, opening: Fence) -> PatchError:
        wrong = self._wrong_fence(k, len(self.notable), ">")
        mistake = f"The reply ends inside a block. {name} has no closing fence `{show(_written('>', opening))}`.{wrong}"
        return refusals.malformed(mistake) if wrong else refusals.truncated(mistake)

    def _stray(self, i: int, fence: Fence | None) -> PatchError:
        line = self.lines[i].strip(BLANKS)
        if (
            line[0] == "<"
            and " SEARCH".startswith(line[run_length(line) :])
            and not any(rest.strip(BLANKS) for rest in self.lines[i + 1 :])
        ):
            return refusals.truncated(f"The reply ends in `{show(line)}`, in the middle of an opening fence.")
        if fence is not None:
            return refusals.malformed(
                f"Line {i + 1} of the reply closes a block (`{show(line)}`), but no block is open there. If the "
                "program itself holds fence lines, use fences with more characters than those."
            )
        return refusals.malformed(
            f"Line {i + 1} of the reply reads `{show(line)}`: it looks like a fence but is not a valid one. Expected "
            f"`{'<' * SHORTEST} SEARCH`, and `{'>' * SHORTEST} REPLACE` at the end of a block."
        )


def _written(character: str, opening: Fence) -> str:
    return opening.indent + character * opening.length + WORDS[character]


def _whole_program(reader: _Reader, allow_rewrite: bool) -> str | None:
    """The only fenced program of a reply without blocks. Raises PatchError for another number, or if not allowed."""
    lines = reader.lines
    for i, line in enumerate(lines):
        if line.startswith("@@ -") or (line.startswith("--- ") and lines[i + 1 : i + 2] and lines[i + 1][:4] == "+++ "):
            raise refusals.unified_diff(i, line)
    if not allow_rewrite:
        fenced = any(lines[i].lstrip(BLANKS).startswith(("```", "~~~")) for i in reader.notable)
        also = " It holds fenced code, but a whole program is not accepted here." if fenced else ""
        raise refusals.malformed(f"{_size(lines)} and no SEARCH/REPLACE block.{also}")
    programs = _fenced(reader)
    if len(programs) != 1:
        raise refusals.malformed(
            f"{_size(lines)}, no SEARCH/REPLACE block, and {len(programs)} fenced programs where exactly one is "
            "expected. Send blocks, or one whole program between two lines of backticks (more of them than any run in "
            "the program)."
        )
    start, stop = programs[0]
    return "".join([line + "\n" for line in lines[start:stop]])


def _size(lines: Sequence[str]) -> str:
    held = sum(1 for line in lines if line.strip(BLANKS))
    return f"The reply holds {refusals.count(held, 'line')} of text" if held else "The reply holds no text"


def _fenced(reader: _Reader) -> list[tuple[int, int]]:
    """The lines [first, stop) of each piece of fenced code outside the elements. Raises PatchError."""
    pieces: list[tuple[int, int]] = []
    start, ticks = 0, ""
    for i in reader.notable:
        body = reader.lines[i].strip(BLANKS)
        run = body[: run_length(body)]
        if body[0] not in TICKS or len(run) < 3 or any(first <= i <= last for first, last in reader.ranges):
            continue
        if not ticks:
            start, ticks = i + 1, run
        elif body == run and run.startswith(ticks):
            pieces.append((start, i))
            ticks = ""
    if ticks:
        raise refusals.truncated(f"The reply ends inside the code whose fence opens in line {start}.")
    return pieces
