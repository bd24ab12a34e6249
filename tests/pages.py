"""The pages of the repository as tests read them: their commands, links, tables and the paths they name.

Owns: what counts as a command, a link or a path in a page. Does not know: what is true of them.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_FENCE = re.compile(r"^```(\w*)$")
_WRITE = re.compile(r"^Write `([^`]+)`:$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_PATH = re.compile(r"[\w.*/{}-]+(?:\.(?:py|md|yaml|j2|patch|toml)|/)|\.ci/\w+")


def _divided(line: str) -> Iterator[list[str]]:
    words = shlex.split(line, comments=True)
    while words:
        end = words.index("&&") if "&&" in words else len(words)
        yield words[:end]
        words = words[end + 1 :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page, by its path in the repository."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()

    def _parts(self) -> Iterator[tuple[str | None, str]]:
        """Every line with the language of its fenced block; None outside of one."""
        language: str | None = None
        for line in self.lines:
            fence = _FENCE.match(line)
            if fence is None:
                yield language, line
            else:
                language = fence[1] if language is None else None
                yield None, ""

    @property
    def prose(self) -> list[str]:
        """The lines outside of fenced blocks."""
        return [line for language, line in self._parts() if language is None]

    def blocks(self) -> list[list[list[str]]]:
        """The commands of every `sh` block: the words of each; `&&` divides commands, and comments are left out."""
        found: list[list[list[str]]] = []
        before: str | None = None
        text = ""
        for language, line in [*self._parts(), (None, "")]:
            if language == "sh":
                text += line[:-1] if line.endswith("\\") else f"{line}\n"
            elif before == "sh":
                found.append([words for line in text.splitlines() for words in _divided(line)])
                text = ""
            before = language
        return found

    def files(self) -> dict[str, str]:
        """The texts of blocks that the line before tells to write, by the file's name: "Write `a.patch`:"."""
        told = ((_WRITE.match(said), text) for said, _, text in self._fenced())
        return {match[1]: text for match, text in told if match is not None}

    def code(self) -> list[str]:
        """The text of every `python` block, in order."""
        return [text for _, language, text in self._fenced() if language == "python"]

    def _fenced(self) -> Iterator[tuple[str, str, str]]:
        """Every fenced block: the last line of prose between it and the block before, its language and its text."""
        said, text = "", ""
        language: str | None = None
        for line in self.lines:
            fence = _FENCE.match(line)
            if language is not None and fence is not None:
                yield said, language, text
                said, language = "", None
            elif language is not None:
                text += f"{line}\n"
            elif fence is not None:
                language, text = fence[1], ""
            elif line:
                said = line

    def commands(self) -> list[list[str]]:
        """The words of every command in `sh` blocks, in order."""
        return [words for block in self.blocks() for words in block]

    def links(self) -> list[str]:
        """The targets of links that stay in the repository."""
        targets = [target for line in self.prose for target in _LINK.findall(line)]
        return [target for target in targets if not re.match(r"[a-z]+:", target)]

    def paths(self) -> list[str]:
        """Files and folders that stand alone between backticks."""
        return [code for line in self.prose for code in _CODE.findall(line) if _PATH.fullmatch(code)]

    def anchors(self) -> set[str]:
        """What links into the page may name: its headings as the web shows them."""
        headings = (line.lstrip("#").strip().lower() for line in self.prose if line.startswith("#"))
        return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def tracked() -> list[str]:
    """Every file of the repository, by its path there, that git tracks or would."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def all_pages() -> list[Page]:
    """All pages but those that are data of tests."""
    names = [name for name in tracked() if name.endswith(".md") and not name.startswith("tests/data/")]
    return [Page(path=ROOT / name) for name in names]
