"""One exchange with one remote: fetch what is new there, publish our own elites.

Owns: the refs of islands, how much is taken, and which remotes are refused. Does not know: schedules, searches.

A remote is any repository that git reaches: a bare one that several runs share, where each run has the refs
`refs/islands/ROOT/000042` (ROOT: the id of its root commit), or the archive of another run, whose `refs/elites/*` are
taken and to which nothing is sent. Refs are create-only: one that names another commit than before was rewritten, and
nothing more is taken from its run.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.archive.opening import BEST, SEED
from harness.archive.writing import ELITES
from harness.git.remote import Remote, RemoteError
from harness.git.staging import Staging
from harness.islands.elites import Elite
from harness.islands.reading import Expected, Poisoned, read_elite
from harness.text import one_line

ISLANDS = "refs/islands"
FILE = "islands.json"
"""Which refs named what, by remote: a file of the run that may be lost, and with it the memory of rewritten refs."""
_NAMED = re.compile(rf"{ISLANDS}/([0-9a-f]{{40}})/([0-9]{{6,9}})", re.ASCII)
_ELITE = re.compile(rf"{ELITES}/([0-9]{{6,9}})", re.ASCII)
MOST_REFS = 20_000
_MOST_LISTED = 4_000_000
_MOST_FETCHED = 64_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """What an exchange brought: elites, a sentence on each thing refused, and how many of ours were published."""

    elites: tuple[Elite, ...] = ()
    refused: tuple[str, ...] = ()
    published: int = 0


@dataclass(slots=True, kw_only=True)
class Memory:
    """What is known of one remote: `seen` refs with their commits, and runs that are `refused`."""

    seen: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)


def exchange(
    run: Path,
    remote: Remote,
    *,
    root: str,
    mine: Mapping[int, str],
    expected: Expected,
    memory: Memory,
    most: int,
    fetches: bool = True,
) -> Exchanged:
    """Exchange elites of the run `root` at `run`: `mine` are its own, commits by number; at most `most` come back.

    Raises RemoteError if the remote cannot be used at all; nothing is taken then.
    """
    refs = remote.refs(f"{ISLANDS}/*", f"{ELITES}/*", SEED, most_bytes=_MOST_LISTED)
    if len(refs) > MOST_REFS:
        raise RemoteError(f"{remote.shown}: expected at most {MOST_REFS:,} elites there, found {len(refs):,}")
    theirs = _theirs(refs)
    refused = _rewritten(theirs, memory, remote.shown, root)
    elites: list[Elite] = []
    if fetches:
        wanted = _wanted(theirs, memory, root, most)
        elites, poisoned = _fetched(run, remote, wanted, expected)
        memory.seen |= {ref: commit for ref, (_, _, commit) in wanted.items()}
        refused += [f"{remote.shown}: {line}" for line in poisoned]
    published = 0 if SEED in refs else _publish(run, remote, root, mine, refs)
    return Exchanged(elites=tuple(elites), refused=tuple(refused), published=published)


_Found = Mapping[str, tuple[str, int, str]]
"""Root, number and commit of elites, by ref."""


def _theirs(refs: Mapping[str, str]) -> dict[str, tuple[str, int, str]]:
    found = {}
    for ref, commit in refs.items():
        if named := _NAMED.fullmatch(ref):
            found[ref] = (named[1], int(named[2]), commit)
        elif (elite := _ELITE.fullmatch(ref)) and SEED in refs:
            found[ref] = (refs[SEED], int(elite[1]), commit)
    return found


def _rewritten(theirs: _Found, memory: Memory, there: str, mine: str) -> list[str]:
    """A sentence on each run that was rewritten; nothing is taken from it any more."""
    told = []
    for ref, (root, _, commit) in sorted(theirs.items()):
        before = memory.seen.get(ref, commit)
        if before != commit and root not in memory.refused and root != mine:
            memory.refused.add(root)
            told.append(
                f"{there}: {ref} named {before[:12]} before and names {commit[:12]} now: the run {root[:12]} was "
                f"rewritten, and nothing more is taken from it"
            )
    return told


def _wanted(theirs: _Found, memory: Memory, mine: str, most: int) -> dict[str, tuple[str, int, str]]:
    """The newest elites that were not seen, of each run in turn."""
    by_run: dict[str, list[str]] = {}
    for ref, (root, _, _) in theirs.items():
        if root != mine and root not in memory.refused and ref not in memory.seen:
            by_run.setdefault(root, []).append(ref)
    queues = [sorted(refs, key=lambda ref: theirs[ref][1]) for _, refs in sorted(by_run.items())]
    chosen: list[str] = []
    while queues and len(chosen) < most:
        queues = [each for each in queues if each]
        chosen += [each.pop() for each in queues]
    return {ref: theirs[ref] for ref in chosen[:most]}


def _fetched(run: Path, remote: Remote, wanted: _Found, expected: Expected) -> tuple[list[Elite], list[str]]:
    """The elites, without their history, and a sentence on each that is refused. Raises RemoteError."""
    if not wanted:
        return [], []
    elites, poisoned = [], []
    with _staging(run) as folder, closing(Staging(Path(folder), head=BEST)) as staging:
        specs = [f"{ref}:{ref}" for ref in wanted]
        remote.fetch(staging.path, specs, depth=1, most_bytes=_MOST_FETCHED)
        for ref, (root, number, commit) in wanted.items():
            try:
                if staging.repository.ref(ref) != commit:
                    raise Poisoned("it changed while it was fetched")
                elites.append(
                    read_elite(
                        staging.repository, staging.path, root=root, number=number, commit=commit, expected=expected
                    )
                )
            except Poisoned as error:
                poisoned.append(f"{ref} ({commit[:12]}) is refused: {one_line(str(error), 300)}")
    return elites, poisoned


def _publish(run: Path, remote: Remote, root: str, mine: Mapping[int, str], refs: Mapping[str, str]) -> int:
    """Create the refs of our elites that are not there. Raises RemoteError."""
    ours = {f"{ISLANDS}/{root}/{number:06d}": commit for number, commit in mine.items()}
    fresh = {ref: commit for ref, commit in ours.items() if ref not in refs}
    if not fresh:
        return 0
    with _staging(run) as folder, closing(Staging(Path(folder), head=BEST, borrowed=run)) as staging:
        staging.hold(fresh)
        remote.push(staging.path, [f"{ref}:{ref}" for ref in sorted(fresh)])
    return len(fresh)


def _staging(run: Path) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="packsmith-islands-")


def remembered(run: Path, remotes: Sequence[str]) -> dict[str, Memory]:
    """What the run remembers of each remote; nothing of one that is new, or if the file is damaged."""
    try:
        tree: Any = json.loads((run / FILE).read_bytes())
        held = {str(name): Memory(seen=dict(each["seen"]), refused=set(each["refused"])) for name, each in tree.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        held = {}
    return {name: held.get(name, Memory()) for name in remotes}


def remember(run: Path, memories: Mapping[str, Memory]) -> None:
    """Replace the file. Raises OSError."""
    tree = {name: {"seen": each.seen, "refused": sorted(each.refused)} for name, each in memories.items()}
    new = run / f"{FILE}.new"
    new.write_text(json.dumps(tree))
    new.replace(run / FILE)
