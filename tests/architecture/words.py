"""Phrases that a reader stumbles over, wherever they are read: code, names of tests, pages, prompts, configs.

Owns: the list, and which part of a file is prose. Does not know: modules, what they import.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.architecture.source import documentation

DENIED = (
    *("that is none", "that are none", "there is none", "so many", "so much (?:more|less|longer|later|may)", "whom"),
    *("reckon(?:s|ed|ing)?", "mend(?:s|ed|ing)?", "of another hand", "lest", "nobody's", "goes by", "by the name of"),
    *("what it stands for", "for want of", "the way of", "with a word where"),
)
# Words may be parted by a line's end, a comment's sign or the quotes of two strings that follow each other.
_GAP = r"(?:[\s#]|\"\s*f?\"|'\s*f?')+"
PATTERN = re.compile(rf"\b(?:{'|'.join(phrase.replace(' ', _GAP) for phrase in DENIED)})\b", re.IGNORECASE)


def denied(texts: Mapping[str, str]) -> list[str]:
    """Every denied phrase in files given as text by path: `path:line: phrase`."""
    return sorted(
        f"{path}:{line + offset}: {phrase}"
        for path, text in texts.items()
        for line, prose in _prose(path, text)
        for offset, phrase in _phrases(prose)
    )


def _phrases(prose: str) -> Iterator[tuple[int, str]]:
    for match in PATTERN.finditer(prose):
        yield prose.count("\n", 0, match.start()), " ".join(re.findall(r"[\w']+", match.group()))


def _prose(path: str, text: str) -> Iterator[tuple[int, str]]:
    """The parts of a file that are read, with the line each begins at.

    Of tests these are names and docstrings, of a patch what stands before its changes, else all; names are split into
    their words.
    """
    if path.endswith(".patch"):
        yield 1, text.partition("<DIFF>")[0]
        return
    if not (path.startswith("tests/") and path.endswith(".py")):
        yield 1, _words(text)
        return
    tree = ast.parse(text)
    docstrings = documentation(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, _words(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) in docstrings:
            yield node.lineno, node.value


def _words(text: str) -> str:
    return re.sub(r"_|(?<=[a-z])(?=[A-Z])", " ", text)


def texts(root: Path) -> dict[str, str]:
    """What is read in the repository; data that tests feed to programs is not."""
    found = {}
    for pattern in (
        "*.md",
        ".ci/*",
        "findings/*",
        "*.toml",
        *(f"{top}/**/*" for top in ("harness", "evaluator", "programs", "configs")),
    ):
        found.update(_files(root, pattern))
    found.update((path, text) for path, text in _files(root, "tests/**/*") if not path.startswith("tests/data/"))
    return found


def _files(root: Path, pattern: str) -> Iterator[tuple[str, str]]:
    for path in root.glob(pattern):
        if "vendor" in path.parts:  # libraries, in their authors' words
            continue
        if path.suffix in (".py", ".md", ".j2", ".yaml", ".toml", ".sh", ".patch", "") and path.is_file():
            yield path.relative_to(root).as_posix(), path.read_text()
