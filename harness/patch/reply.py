"""Read a model's reply: its name, its description, and its blocks or its whole program.

Owns: which lines of a reply are fences, tags and prose. Does not know: the program a reply is for, or how replies are
rendered. The format itself is described in `harness.patch.patch`.

A reply is read once, line by line; only lines that may be a fence or a tag are examined, so the time is linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.patch import refusals
from harness.patch.applying import Block
from harness.patch.lines import BLANKS
from harness.patch.nearest import show
from harness.types import Edit

SHORTEST = 7
"""The least number of characters in a fence."""

_WORDS = {"<": " SEARCH", "=": "", ">": " REPLACE"}
_ELEMENTS = ("<NAME>", "<DESCRIPTION>")
_TICKS = ("`", "~")
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
    reader = _Reader(lines=reply.split("\n"))
    reader.run()
    rewrite = None if reader.blocks else _whole_program(reader, allow_rewrite)
    warnings = []
    if reader.blocks and reader.opened and not reader.closed:
        warnings.append("the reply opens <DIFF> and does not close it: it may be truncated")
    return Reply(
        name=reader.elements.get("<NAME>", ""),
        description=reader.elements.get("<DESCRIPTION>", ""),
        blocks=tuple(reader.blocks),
        rewrite=rewrite,
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, slots=True)
class _Fence:
    character: str
    length: int
    indent: str


def _run(body: str) -> int:
    """The length of the run of the first character at the start."""
    return len(body) - len(body.lstrip(body[:1])) if body else 0


def _fence(line: str) -> _Fence | None:
    text = line.rstrip(BLANKS)
    body = text.lstrip(" \t")
    character = body[:1]
    if character not in _WORDS:
        return None
    length = _run(body)
    if length < SHORTEST or body[length:] != _WORDS[character]:
        return None
    return _Fence(character, length, text[: len(text) - len(body)])


def _tries_to_be_fence(line: str, characters: str = "<>") -> bool:
    """Whether a line resembles a fence: a long run of the character, or a shorter one with the word."""
    body = line.strip(BLANKS)
    if not body or body[0] not in characters:
        return False
    length = _run(body)
    return length >= SHORTEST or (length >= 3 and body[length:].lstrip().startswith(_WORDS[body[0]].lstrip()))


def _tag(line: str) -> str:
    body = line.lstrip(" \t")
    return next((tag for tag in (*_ELEMENTS, "<DIFF>", "</DIFF>") if body.startswith(tag)), "")


@dataclass(slots=True)
class _Reader:
    lines: list[str]
    notable: list[int] = field(init=False)
    elements: dict[str, str] = field(default_factory=dict)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    """First and last line of each element."""
    blocks: list[Edit | Block] = field(default_factory=list)
    opened: bool = False
    closed: bool = False

    def __post_init__(self) -> None:
        self.notable = [i for i, line in enumerate(self.lines) if line and line.lstrip(" \t")[:1] in _NOTABLE]

    def run(self) -> None:
        k = unread = 0
        while k < len(self.notable):
            i = self.notable[k]
            k += 1
            body = self.lines[i].lstrip(" \t")
            if i < unread or body[0] not in "<>":
                continue
            if body.startswith(("<<<", ">>>")):
                fence = _fence(self.lines[i])
                if fence is not None and fence.character == "<":
                    k = self._block(k, fence)
                elif _tries_to_be_fence(self.lines[i]):
                    raise self._stray(i, fence)
                continue
            tag = _tag(body)
            if tag in _ELEMENTS and tag not in self.elements:
                unread = self._element(i, tag, body[len(tag) :])
            self.opened |= tag == "<DIFF>"
            self.closed |= tag == "</DIFF>"
        last = self.lines[self.notable[-1]].strip(BLANKS) if self.notable else ""
        if self.opened and not self.closed and last and not last.strip("<"):
            raise refusals.truncated(f"The reply ends in `{show(last, 20)}`, in the middle of an opening fence.")

    def _element(self, i: int, tag: str, first: str) -> int:
        """Read an element whose text begins with `first` in line `i`; returns the line to continue at.

        Without a closing tag it ends before the next tag or block; without those, the reply was truncated.
        """
        close = tag.replace("<", "</")
        stop = i if close in first else next((j for j in range(i + 1, len(self.lines)) if close in self.lines[j]), None)
        if stop is None:
            stop = next((j for j in range(i + 1, len(self.lines)) if self._ends_element(j)), None)
            if stop is None:
                raise refusals.truncated(f"The reply ends inside its {tag}, before any block.")
            self.elements[tag] = "\n".join([first, *self.lines[i + 1 : stop]]).strip(BLANKS + "\n")
            return stop
        inside, _, rest = (first if stop == i else self.lines[stop]).partition(close)
        self.elements[tag] = (inside if stop == i else "\n".join([first, *self.lines[i + 1 : stop], inside])).strip(
            BLANKS + "\n"
        )
        self.ranges.append((i, stop))
        following = _tag(rest)
        if following in _ELEMENTS and following not in self.elements:
            return self._element(stop, following, rest.lstrip(" \t")[len(following) :])
        self.opened |= following == "<DIFF>"
        return stop + 1

    def _ends_element(self, j: int) -> bool:
        fence = _fence(self.lines[j])
        return bool(_tag(self.lines[j])) or (fence is not None and fence.character == "<")

    def _block(self, k: int, opening: _Fence) -> int:
        """Read the block that opens in the notable line before the k-th; returns the notable line after its end."""
        start = self.notable[k - 1]
        name = f"Block {len(self.blocks) + 1} (it opens in line {start + 1} of the reply)"
        dividers: list[int] = []
        for n in range(k, len(self.notable)):
            i = self.notable[n]
            fence = _fence(self.lines[i])
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

    def _add(self, lines: tuple[str, ...], dividers: list[int], opening: _Fence) -> None:
        block = Block(lines=lines, dividers=tuple(dividers), fence=opening.length)
        self.blocks.append(block.split(0) if len(dividers) == 1 else block)

    def _wrong_fence(self, k: int, stop: int, character: str) -> str:
        """A sentence on the first line in notable[k:stop] that may have been meant as the missing fence."""
        for i in self.notable[k:stop]:
            fence = _fence(self.lines[i])
            if (fence is not None and fence.character == character) or (
                character != "=" and _tries_to_be_fence(self.lines[i], character)
            ):
                return (
                    f" Line {i + 1} reads `{show(self.lines[i])}`: the three fences of a block need the same number of "
                    "characters and the same indentation, and nothing else on their lines."
                )
        return ""

    def _unclosed(self, k: int, name: str, opening: _Fence) -> refusals.PatchError:
        wrong = self._wrong_fence(k, len(self.notable), ">")
        mistake = f"The reply ends inside a block. {name} has no closing fence `{show(_written('>', opening))}`.{wrong}"
        return refusals.malformed(mistake) if wrong else refusals.truncated(mistake)

    def _stray(self, i: int, fence: _Fence | None) -> refusals.PatchError:
        line = self.lines[i].strip(BLANKS)
        if (
            line[0] == "<"
            and " SEARCH".startswith(line[_run(line) :])
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


def _written(character: str, opening: _Fence) -> str:
    return opening.indent + character * opening.length + _WORDS[character]


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
        run = body[: _run(body)]
        if body[0] not in _TICKS or len(run) < 3 or any(first <= i <= last for first, last in reader.ranges):
            continue
        if not ticks:
            start, ticks = i + 1, run
        elif body == run and run.startswith(ticks):
            pieces.append((start, i))
            ticks = ""
    if ticks:
        raise refusals.truncated(f"The reply ends inside the code whose fence opens in line {start}.")
    return pieces
