"""A lineage as patch files: applied in order to the seed program, they give the same bytes. Pure.

Owns: the text and file name of each step, and the check that the whole series reproduces the program.
Does not know: archives, folders, how a lineage is found.

A step's file is the stored reply if that is a patch that `packsmith replay` accepts and that gives the same bytes.
Otherwise, as for a whole program, it is a patch made from the two programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness import patch
from harness.patch import PatchError
from harness.readings.lineage import Lineage, Step
from harness.text import slug
from harness.types import HarnessError

SEED = "seed.py"
_NARROWEST = 4
"""Digits of a file's number, at least: the shell's `*.patch` has to list them in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchFile:
    """A file of the series: the attempt's number, and whether it is the `stored` reply or made from the programs."""

    name: str
    text: bytes
    number: int
    stored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchSeries:
    """The seed program, the patches to apply to it in order, and the resulting program."""

    seed: bytes
    patches: tuple[PatchFile, ...]
    program: bytes


def patch_series(line: Lineage, source: Callable[[str], str], reply: Callable[[str], str]) -> PatchSeries:
    """The chain as files; `source` and `reply` give the texts of an attempt by its commit.

    Raises HarnessError if a step cannot be a patch, or if the files would not give the same bytes.
    """
    seed = _bytes(source(line.steps[0].entry.id), "the seed program")
    patches = tuple(_files(line, source, reply))
    program = _bytes(source(line.entry.id), f"the program of attempt {line.entry.number}")
    text = seed.decode("utf-8")
    for file in patches:
        text = _applied(file.text, text)
    if text.encode("utf-8", "surrogateescape") != program:
        raise HarnessError(
            f"expected patches that give the program of attempt {line.entry.number}, and they give another: this is a "
            f"fault of packsmith. `packsmith show RUN {line.entry.number} --json` has the program"
        )
    return PatchSeries(seed=seed, patches=patches, program=program)


def _files(line: Lineage, source: Callable[[str], str], reply: Callable[[str], str]) -> Iterator[PatchFile]:
    width = max(_NARROWEST, len(str(len(line.steps))))
    place = 0
    for step in line.steps[1:]:
        assert step.parent is not None, "only the first step of a chain has no parent"
        before, after = source(step.parent.id), source(step.entry.id)
        if before == after:  # a reply that gave no program, or the same again
            continue
        place += 1
        kept = _kept(reply(step.entry.id), before, after)
        yield PatchFile(
            name=f"{place:0{width}d}-{slug(step.entry.name, 'patch')}.patch",
            text=_made(step, before, after) if kept is None else kept,
            number=step.entry.number,
            stored=kept is not None,
        )


def _kept(reply: str, before: str, after: str) -> bytes | None:
    """The stored reply, if `replay` makes `after` from `before` with it."""
    text = reply.encode("utf-8", "surrogatepass")
    try:
        return text if _applied(text, before) == after else None
    except PatchError:
        return None


def _applied(text: bytes, source: str) -> str:
    """The program that `packsmith replay` makes with a patch file. Raises PatchError."""
    return patch.apply_reply(text.decode("utf-8", "surrogateescape"), source).source


def _made(step: Step, before: str, after: str) -> bytes:
    """A patch made from the two programs, with the name and description if a reply can contain them."""
    entry = step.entry
    titles = ((entry.name, entry.description), (entry.name, ""), ("", ""))
    error: Exception | None = None
    for name, description in titles:
        try:
            text = patch.render(patch.diff(before, after, name=name, description=description)).encode("utf-8")
            if _applied(text, before) == after:
                return text
        except (PatchError, UnicodeEncodeError) as refused:
            error = refused
    raise HarnessError(
        f"no patch makes the program of attempt {entry.number} from that of attempt "
        f"{step.parent.number if step.parent else '?'}, as a patch keeps line ends and what stands outside the "
        f"EVOLVE-BLOCK: {error or 'it would apply elsewhere'}"
    )


def _bytes(source: str, what: str) -> bytes:
    try:
        return source.encode("utf-8")
    except UnicodeEncodeError as error:
        raise HarnessError(
            f"{what} is not UTF-8 text (character {error.start}), and no patch file can be applied to it"
        ) from error
