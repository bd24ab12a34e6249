"""The three-way merge of texts, by `git merge-file`.

Owns: how the merge is asked for, and how its conflicts are told from the texts themselves. Does not know: programs, or
what becomes of a conflict.

Git marks a conflict by lines of one character repeated. A text may hold such lines too, so the marks are made longer
than any run of those characters that begins one of its lines: then no line of a text can be taken for a mark.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.git.command import GitError, run_git, said
from harness.text import decode, encode

_USUAL_MARK, _LONGEST_MARK = 7, 1_000
_RUN = re.compile(r"^(?:<+|\|+|=+|>+)", re.MULTILINE)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_NAMES = ("ours", "base", "theirs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A place that both texts changed, and differently: its lines in each of them and in the base; "" for no line."""

    ours: str
    base: str
    theirs: str


Piece = str | Conflict
"""A part of a merge: lines that are agreed on, or a conflict."""


def merge_pieces(ours: str, base: str, theirs: str) -> tuple[Piece, ...] | None:
    """The three-way merge of two texts made from `base`, in order.

    None for binary data, for conflicts in texts with a line that begins with 1,000 of one of git's marks, and where git
    was ended by a signal: what it wrote until then is no merge. Raises GitError.
    """
    texts = (ours, base, theirs)
    longest = max((len(run) for text in texts for run in _RUN.findall(text)), default=0)
    size = max(_USUAL_MARK, longest + 1)
    with tempfile.TemporaryDirectory(prefix="packsmith-merge-") as folder:
        for name, text in zip(_NAMES, texts, strict=True):
            (Path(folder) / name).write_bytes(encode(text))
        # A --git-dir that is not a repository stops git from searching the parent folders for one.
        how = ("--diff3", f"--marker-size={min(size, _LONGEST_MARK)}")
        done = run_git(f"--git-dir={folder}", "merge-file", "-p", *how, *_NAMES, cwd=Path(folder))
    if done.returncode == 0:
        return (decode(done.stdout),)
    if done.returncode < 0:
        return None
    if done.returncode >= 128:
        if b"binary" in done.stderr:
            return None
        raise GitError(f"git merge-file failed with status {done.returncode}: {said(done.stderr)}")
    return None if size > _LONGEST_MARK else tuple(_pieces(decode(done.stdout), size, texts))


def merge_file(ours: str, base: str, theirs: str) -> str | None:
    """The three-way merge of two texts made from `base`; None on a conflict or binary data. Raises GitError."""
    pieces = merge_pieces(ours, base, theirs) or ()
    agreed = [piece for piece in pieces if isinstance(piece, str)]
    return "".join(agreed) if pieces and len(agreed) == len(pieces) else None


def _pieces(output: str, size: int, texts: tuple[str, str, str]) -> Iterator[Piece]:
    """Git's output cut at its marks. What both sides of a conflict agree on after all is no conflict."""
    marks = {"<" * size + " ours": "ours", "|" * size + " base": "base", "=" * size: "theirs"}
    end, part = ">" * size + " theirs", ""
    held: dict[str, str] = defaultdict(str)
    lines = _LINE.findall(output)
    for at, line in enumerate(lines):
        bare = line.rstrip("\r\n")
        if bare in marks:
            part = marks[bare]
        elif bare == end:
            if at == len(lines) - 1:
                _restore_ends(held, texts)
            agreed = held["ours"] == held["theirs"]
            yield from filter(None, [held[""] + (held["ours"] if agreed else "")])
            if not agreed:
                yield Conflict(ours=held["ours"], base=held["base"], theirs=held["theirs"])
            held.clear()
            part = ""
        else:
            held[part] += line
    if held[""]:
        yield held[""]


def _restore_ends(held: dict[str, str], texts: tuple[str, str, str]) -> None:
    """Git ends every line of a conflict; take that back where a text ends without."""
    for name, text in zip(_NAMES, texts, strict=True):
        if held[name] and not text.endswith("\n"):
            lines = _LINE.findall(held[name])
            held[name] = "".join(lines[:-1]) + text[text.rfind("\n") + 1 :]
