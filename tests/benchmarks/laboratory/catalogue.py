"""The programs that patches of the landscape's catalogue make of its seed program.

Owns: which programs are reached in how many patches, and from which. Does not know: how any of them scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import patch
from harness.identity import program_id
from harness.patch import PatchError

FOLDER = Path(__file__).resolve().parents[3] / "programs" / "eplb" / "landscape"


def patches() -> Mapping[str, str]:
    """The texts of the patches by name, in the order of their names."""
    return {file.stem: file.read_text() for file in sorted((FOLDER / "patches").glob("*.patch"))}


def seed() -> str:
    return (FOLDER / "seed.py").read_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A program: `key` is the start of its id, `path` the patches that first led to it, and `made_from` the ways to it
    in one patch: the key of the program it applies to, and the patch.
    """

    key: str
    source: str
    path: tuple[str, ...]
    made_from: tuple[tuple[str, str], ...]


def key_of(source: str) -> str:
    return program_id(source)[:12]


def applied(source: str, text: str) -> str | None:
    """The program that a patch makes of another; None where it does not apply."""
    try:
        return patch.apply_reply(text, source, allow_rewrite=False).source
    except PatchError:
        return None


def reachable(depth: int) -> Iterator[tuple[Reached, ...]]:
    """The programs that 0, 1, ..., `depth` patches lead to and fewer do not, each level in a fixed order."""
    texts = patches()
    level = (Reached(key=key_of(seed()), source=seed(), path=(), made_from=()),)
    known = {level[0].key}
    yield level
    for _ in range(depth):
        found: dict[str, Reached] = {}
        for parent in level:
            for name, text in texts.items():
                source = None if name in parent.path else applied(parent.source, text)
                if source is None or (key := key_of(source)) in known:
                    continue
                first = found.get(key)
                path = (*parent.path, name) if first is None else first.path
                ways = (*(() if first is None else first.made_from), (parent.key, name))
                found[key] = Reached(key=key, source=source, path=path, made_from=ways)
        known |= found.keys()
        level = tuple(found[key] for key in sorted(found))
        yield level
