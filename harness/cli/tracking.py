"""Trackers on the command line: which are asked for, and feeding them a run.

Owns: the option `--track`, and sending an archive to trackers that are open. Does not know: any one tracker or verb.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from harness.archive import Archive
from harness.config import stored_objective
from harness.gate import gated_standing
from harness.trackers import TRACKERS, Feed, Subject, parameters


def tracker_kinds(incomplete: str) -> list[str]:
    """The kinds that a shell offers."""
    return [name for name in TRACKERS if name.startswith(incomplete)]


TrackOption = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        metavar="KIND[=DIR]",
        help=f"Send attempts to a tracker as they come: {', '.join(TRACKERS)} (may be repeated).",
        autocompletion=tracker_kinds,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A tracker, and the folder of its files."""

    name: str
    folder: Path


def target(kind: str, folder: Path | None, *, option: str) -> Target:
    """The tracker of this kind, in its usual folder if none is given. Raises a usage error for an unknown kind."""
    if kind not in TRACKERS:
        raise typer.BadParameter(f"expected one of {', '.join(TRACKERS)}, found {kind!r}", param_hint=option)
    return Target(name=kind, folder=Path(TRACKERS[kind].folder) if folder is None else folder)


def targets(words: Sequence[str] | None) -> tuple[Target, ...]:
    """The trackers of `--track KIND[=DIR]`, each kind once. Raises a usage error."""
    found: dict[str, Target] = {}
    for word in words or ():
        kind, _, folder = word.partition("=")
        if kind in found:
            raise typer.BadParameter(f"expected each kind once, found {kind} twice", param_hint="--track")
        found[kind] = target(kind, Path(folder) if folder else None, option="--track")
    return tuple(found.values())


@contextmanager
def tracking(archive: Archive, folder: Path, wanted: Sequence[Target], notice: Callable[[str], None]) -> Iterator[Feed]:
    """A feed of the trackers, which have every attempt of the archive; further ones are to be added as they come.

    At the end they get the best program of the archive. Nothing that a tracker does raises: `notice` is told.
    """
    config = archive.config
    subject = Subject(name=folder.resolve().name, id=archive.root_id, parameters=parameters(config))
    objective = stored_objective(config)
    feed = Feed(subject, objective, notice)
    for each in wanted:
        kind = TRACKERS[each.name]
        os.environ.update(kind.environment)
        feed.open(each.name, kind, each.folder)
    try:
        if feed.places:
            for entry in archive.entries:
                feed.add(entry)
        yield feed
    finally:
        champion = gated_standing(archive.entries, objective).best if feed.places else None
        feed.close(None if champion is None else archive.source(champion.id))
