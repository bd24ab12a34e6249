"""Set aside the thoughts of a reasoning model, which some servers leave in the text of a reply.

Owns: the marks of thoughts, and which of their occurrences count. Does not know: what the answer says, servers, models.

A span of thoughts goes from an opening mark to the first closing mark of its family. A closing mark without an opening
one ends thoughts that the chat template opened: everything before it is thoughts, and so is everything before the mark
of a final channel. After a span such a mark is stray, unless another opening mark stood in the span; so is one with
which a reply ends that holds a complete <DIFF> section. Marks between two quotes are text, and so are those inside a
complete block, element or piece of fenced code: a program may hold them. The thoughts themselves may hold anything,
halves of blocks and fences included. A message to the user (commentary) is the answer if it is the last message and
holds a complete <DIFF> section, and thoughts otherwise.

The forms are those that the engines' own parsers name: tags (DeepSeek, Qwen, GLM, MiniMax, Seed, EXAONE and prompted
models), brackets (Magistral), triangles (Kimi), tokens (Command, Apertus, OpenThinker, Gemma 4), the channels of
gpt-oss with and without their tokens, and the sentences of Granite.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.patch.fences import ELEMENTS, TICKS, fence_of, run_length
from harness.patch.lines import BLANKS

_PREFIX = r"(?:(?!end_)\w{1,20}?[:_])?"
_FINAL = "final"
_SPAN_ONLY = ("harmony", "bare", "granite")
"""Families whose closing mark is only one inside a span of their own."""
_CHANNEL = r"(?:<\|start\|>\s{0,4})?(?:assistant\s{0,4})?<\|channel\|>\s{0,4}"
_TAGS = {
    "think": "(?:think(?:ing)?|thoughts?)",
    "reasoning": "reasoning",
    "analysis": "analysis",
    "reflection": "reflection",
    "scratchpad": "scratchpad",
}
_FAMILIES = {
    **{
        family: (
            rf"(?i:<{_PREFIX}{tag}(?:\s[^<>\n]{{0,200}})?>|<\|{tag}\|>)",
            rf"(?i:</{_PREFIX}{tag}\s{{0,4}}>|<\|/{tag}\|>)",
        )
        for family, tag in _TAGS.items()
    },
    "brackets": (r"\[THINK\]", r"\[/THINK\]"),
    "triangles": ("◁think▷", "◁/think▷"),
    "command": (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    "thought": (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    "inner": (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    "gemma": (r"<\|channel>", r"<channel\|>"),
    "harmony": (_CHANNEL + r"(?:analysis|commentary)\b[^\n]{0,120}?<\|message\|>", r"<\|end\|>|<\|call\|>"),
    "bare": (r"\A\s{0,20}(?:assistant)?analysis(?=[^\s\w:.,;-]|[A-Z0-9])", r"(?!)"),
    "granite": (r"\A\s{0,20}Here(?:'s| is) my thought process:", r"Here(?:'s| is) my response:"),
    _FINAL: (r"(?!)", _CHANNEL + r"final\b[^\n]{0,80}?<\|message\|>|assistantfinal|<\|START_RESPONSE\|>"),
}
_EITHER = "|".join(f"(?P<o_{name}>{opening})|(?P<c_{name}>{closing})" for name, (opening, closing) in _FAMILIES.items())
# Where a mark can begin at all: without this look ahead, every alternative is tried at every character.
_MARK = re.compile(rf"(?=[<\[◁]|Here|assistantfinal|\A)(?:{_EITHER})")
_NEAR = 200
"""How far the line of a mark is looked at: a longer one is text."""
_QUOTES = "`'\"\u201c\u201d"
_HEADS = ("<answer>", "<response>", "<|begin_of_solution|>", "<|START_RESPONSE|>", "<|START_TEXT|>")
_TAILS = (
    "<|return|>",
    "<|end|>",
    "<|end_of_solution|>",
    "<|END_RESPONSE|>",
    "<|END_TEXT|>",
    "</answer>",
    "</response>",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A reply without its thoughts.

    `thoughts`: whether there were any. `ended`: whether the last of them ended before the reply did. `lines`: how many
    lines of the reply end before its answer begins, where nothing but thoughts stands before it.
    """

    answer: str
    thoughts: bool = False
    ended: bool = True
    lines: int = 0


def split(reply: str) -> Split:
    """Set the thoughts of any text aside. A text without marks is its own answer."""
    marks = list(_MARK.finditer(reply))
    if not marks:
        return Split(answer=reply)
    structures = _Structures(reply, [mark.end() for mark in marks])
    kept: list[tuple[int, int]] = []
    begin, family, stop = 0, "", len(reply)
    edge = 0  # the end of the mark before
    unclosed = 0  # opening marks inside spans that no closing one has matched
    message: tuple[int, int] | None = None  # the commentary, while no other message follows it
    tail = _tail(reply, marks)
    for mark in marks:
        side, _, name = (mark.lastgroup or "").partition("_")
        start, end = mark.span()
        closes = side == "c" and not _quoted(reply, start, end)
        if not family and side == "o":
            if _opens(reply, start, end, edge) and not structures.anywhere(start):
                kept.append((begin, start))
                family = name
                message = (end, len(reply)) if _is_commentary(mark[0]) else None
        elif family:
            if closes and name in (family, _FINAL) and not structures.in_block(start):
                family, begin = "", end
                message = (message[0], start) if message is not None and name != _FINAL else None
            elif side == "o" and name == family and _opens(reply, start, end, edge):
                unclosed += 1
        elif closes and name not in _SPAN_ONLY and not structures.anywhere(start):
            stray = name != _FINAL and (kept or begin) and not unclosed
            if start >= tail and (stray or any(structures.section(a, b) for a, b in [*kept, (begin, start)])):
                stop = start
                break
            if not stray:
                kept, begin, message = [], end, None
                unclosed = max(unclosed - 1, 0)
        edge = end
    if not kept and not begin and not family:
        return Split(answer=_without_tail(reply[:stop]))
    if not family:
        kept.append((begin, stop))
    pieces = [(a, b) for a, b in kept if reply[a:b].strip()]
    if not pieces and message is not None and structures.section(*message):
        pieces = [message]
    answer = "\n".join([reply[a:b] for a, b in pieces])
    lines = reply.count("\n", 0, pieces[0][0]) if len(pieces) == 1 else 0
    return Split(answer=_without_tail(_without_head(answer)), thoughts=True, ended=not family, lines=lines)


def without_thoughts(reply: str) -> str:
    """The answer in a reply, as it is quoted to a model; "" where all of it is thoughts."""
    return split(reply).answer.strip("\n")


def _tail(reply: str, marks: Sequence[re.Match[str]]) -> int:
    """Where the closing marks begin that nothing follows; the end of the reply without such marks."""
    at = len(_without_tail(reply))
    for mark in reversed(marks):
        if mark.end() <= at:
            if not (mark.lastgroup or "").startswith("c_") or reply[mark.end() : at].strip():
                break
            at = mark.start()
    return at


def _is_commentary(mark: str) -> bool:
    """Whether an opening mark is that of a message to the user, not to a tool."""
    return "commentary" in mark and "to=" not in mark


def _opens(reply: str, start: int, end: int, edge: int) -> bool:
    """Whether an opening mark is the first or the last thing of its line; another one is a mention."""
    before = reply[max(edge, start - _NEAR, 0) : start].rpartition("\n")[2]
    after = reply[end : end + _NEAR].partition("\n")[0]
    return not _quoted(reply, start, end) and not (before.strip() and after.strip())


def _quoted(reply: str, start: int, end: int) -> bool:
    return start > 0 and reply[start - 1] in _QUOTES and reply[end : end + 1] in (*_QUOTES, "\\")


def _without_head(answer: str) -> str:
    body = answer.lstrip()
    head = next((head for head in _HEADS if body.startswith(head)), "")
    return answer[: len(answer) - len(body)] + body[len(head) :]


def _without_tail(answer: str) -> str:
    for _ in range(4):
        body = answer.rstrip()
        tail = next((tail for tail in _TAILS if body.endswith(tail)), "")
        if not tail:
            break
        answer = body.removesuffix(tail)
    return answer


class _Structures:
    """The complete blocks, elements and pieces of fenced code of a text, as sorted ranges of characters.

    A structure is complete if its end comes before another beginning of its kind; so a half in the thoughts is not
    paired with a half of the answer. `breaks` are places, beside line ends, where a line may begin.
    """

    def __init__(self, text: str, breaks: Iterable[int]) -> None:
        begins = sorted({0, *breaks, *(end.end() for end in re.finditer("\n", text))})
        self._stops = [*begins[1:], len(text)]
        self._begins = begins
        self._text = text
        lines = [text[a:b].removesuffix("\n") for a, b in zip(begins, self._stops, strict=True)]
        self._blocks = self._ranges(_ends_of_blocks(lines))
        self._elements = self._ranges(_ends_of_elements(lines))
        free = [line if not _within(self._blocks, at) else "" for line, at in zip(lines, begins, strict=True)]
        self._code = self._ranges(_ends_of_code(free))

    def in_block(self, at: int) -> bool:
        return _within(self._blocks, at)

    def section(self, begin: int, end: int) -> bool:
        """Whether a complete <DIFF> section with a complete block stands between two places."""
        first, last = self._text.find("<DIFF>", begin, end), self._text.rfind("</DIFF>", begin, end)
        return first >= 0 and any(first < a < last for a, _ in self._blocks)

    def anywhere(self, at: int) -> bool:
        return any(_within(ranges, at) for ranges in (self._blocks, self._elements, self._code))

    def _ranges(self, ends: Sequence[int | None]) -> list[tuple[int, int]]:
        """Character ranges of structures, given the last line of the one that begins in each line; none overlap."""
        ranges, i = [], 0
        while i < len(ends):
            last = ends[i]
            if last is not None:
                ranges.append((self._begins[i], self._stops[last]))
                i = last
            i += 1
        return ranges


def _within(ranges: Sequence[tuple[int, int]], at: int) -> bool:
    i = bisect_right(ranges, at, key=lambda span: span[0]) - 1
    return i >= 0 and ranges[i][0] <= at < ranges[i][1]


def _ends_of_blocks(lines: Sequence[str]) -> list[int | None]:
    """For each line, the line that closes the block it opens; None where it opens none that is closed."""
    ends: list[int | None] = [None] * len(lines)
    below: dict[tuple[int, str], int | None] = {}  # the closing line that comes next; None where a block opens first
    for i in range(len(lines) - 1, -1, -1):
        fence = fence_of(lines[i])
        if fence is None or fence.character == "=":
            continue
        key = (fence.length, fence.indent)
        if fence.character == "<":
            ends[i] = below.get(key)
        below[key] = i if fence.character == ">" else None
    return ends


def _ends_of_elements(lines: Sequence[str]) -> list[int | None]:
    """For each line, the line that closes the element it opens; None where it opens none that is closed."""
    ends: list[int | None] = [None] * len(lines)
    for tag in ELEMENTS:
        close, below = tag.replace("<", "</"), None
        for i in range(len(lines) - 1, -1, -1):
            if lines[i].lstrip(" \t").startswith(tag):
                ends[i], below = (i if close in lines[i] else below), None
            elif close in lines[i]:
                below = i
    return ends


def _ends_of_code(lines: Sequence[str]) -> list[int | None]:
    """For each line, the line that closes the fenced code it opens. None at all where some code is not closed: it is
    then unclear which fences belong together.
    """
    ends: list[int | None] = [None] * len(lines)
    below: dict[str, list[tuple[int, int, bool]]] = {tick: [] for tick in TICKS}
    for i in range(len(lines) - 1, -1, -1):
        body = lines[i].strip(BLANKS)
        length = run_length(body) if body[:1] in TICKS else 0
        if length < 3:
            continue
        following = below[body[0]]
        while following and following[-1][0] < length:
            following.pop()
        ends[i] = following[-1][1] if following and following[-1][2] else -1
        following.append((length, i, len(body) == length))
    i = 0
    while i < len(ends):
        last = ends[i]
        if last == -1:
            return [None] * len(lines)
        i = (i if last is None else last) + 1
    return ends
