"""Receiving attempts from another repository: into a new run, or into one that others may be writing to.

Owns: the checks before a ref of the run names a received object, and the order of durability.
Does not know: which attempts are sound or best (callbacks say so), how another machine is reached.

Received objects are checked in a staging folder (`Staging`). A new run is that folder, renamed after all checks: a pull
that is killed leaves nothing that looks like a run. For an existing run, the objects are moved first, and then refs are
created as by any writer: under their locks, and never over an existing ref.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.archive.archive import Archive
from harness.archive.attempt_table import ATTEMPTS
from harness.archive.commits import ArchiveError
from harness.archive.index_file import FILE as INDEX
from harness.archive.notices import ADVICE
from harness.archive.opening import BEST, SEED, exists, repository_at, root_of
from harness.archive.split_notes import SplitNotes
from harness.exchange.holdings import (
    CARRIED,
    ExchangeError,
    Held,
    Pulled,
    advice_ref,
    attempt_ref,
    refuse_another,
    refuse_differing,
    refuse_no_run,
)
from harness.exchange.noted import Known, sifted
from harness.git import GitError, Repository
from harness.git.disk import sync
from harness.git.remote import Remote, RemoteError
from harness.git.staging import Staging, staged
from harness.text import decode, visible
from harness.types import Entry, OnSplit

_AT_ONCE = 256
"""Refs that are locked together: fewer than a process may have open files."""
_TAKEN_S = 2.0
_MOST_ADVICE = 16_384
"""Largest piece of advice accepted, in bytes: it is part of every later prompt."""
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The callbacks of a pull.

    `check(archive, numbers)`: the faults of those attempts, by number; a faulty one is left out.
    `fault(measured)`: what is wrong with a measurement on a split; "" where nothing is.
    `choose(archive)`: the best attempt and the elites. `say` receives what is being done.
    """

    check: Callable[[Archive, Collection[int]], Mapping[int, str]]
    fault: Callable[[OnSplit], str]
    choose: Callable[[Archive], tuple[Entry | None, Sequence[Entry]]]
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sifted:
    """The accepted part of what was received: refs of attempts, advice in order, the commits of notes by ref."""

    attempts: Mapping[str, str]
    advice: tuple[str, ...]
    notes: Mapping[str, str]
    left_out: tuple[str, ...]


def pull(run: Path, remote: Remote, hooks: Hooks) -> Pulled:
    """Fetch what the other side has and `run` lacks; `run` is created if it does not exist.

    Raises ExchangeError if the two are incompatible, RemoteError if the other side cannot be read: nothing is changed
    then.
    """
    if remote.folder is not None and not os.path.lexists(remote.folder):
        raise ExchangeError(f"{remote.shown} does not exist: check the spelling, or name a run, a bundle or an address")
    with writing_to(run, "nothing was changed"):
        return _pull_into(run, remote, hooks) if exists(run) else receive(run, remote, hooks)


def receive(run: Path, remote: Remote, hooks: Hooks) -> Pulled:
    """Create a run from what the other side has. Raises ExchangeError, RemoteError."""
    refuse_used(run)
    hooks.say(f"asking {remote.shown}")
    theirs = Held.of(remote.refs())
    refuse_no_run(theirs, remote.shown)
    whole = run.absolute()
    with staged(whole.parent, f".{whole.name}.pull-", head=BEST, lasting=True) as staging:
        _fetch(staging, remote, theirs, hooks)
        seed = Held.of(staging.repository.refs("refs")).seed
        sifted = _sift(staging, Held(), seed, remote.shown, hooks, lambda *_: {})
        refs = {SEED: seed, BEST: seed, **sifted.attempts, **Held().with_advice(sifted.advice)}
        staging.hold({**refs, **sifted.notes})
        with _told_of(staging, remote.shown), Archive.open(staging.path) as archive:
            archive.point(*hooks.choose(archive))
        size_bytes = staging.size_bytes
        staging.settle()
        try:
            staging.path.rename(run)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            raise ExchangeError(f"another process created {run}: nothing was changed, run it again") from error
        sync(whole.parent)
    return Pulled(
        attempts=len(sifted.attempts),
        total=len(sifted.attempts),
        advice=len(sifted.advice),
        notes=bool(sifted.notes),
        size_bytes=size_bytes,
        made=True,
        left_out=sifted.left_out,
    )


def refuse_used(run: Path) -> None:
    """Raises ExchangeError if a folder is not free for a new run."""
    if not os.path.lexists(run):
        return
    if not run.is_dir():
        raise ExchangeError(f"expected a run or a free name at {run}, found a file: name another folder")
    if any(run.iterdir()):
        raise ExchangeError(f"expected a run or a free folder at {run}, found other files in it: name another folder")


@contextlib.contextmanager
def writing_to(place: Path, safe: str) -> Iterator[None]:
    """Turns an OSError within the block into an ExchangeError that says what is safe and what to do."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise ExchangeError(
            f"could not write to {place}: {why} ({error.filename}); {safe}. What to do: check the free space and "
            f"the permissions there, and run the same command again"
        ) from error


def _pull_into(run: Path, remote: Remote, hooks: Hooks) -> Pulled:
    with contextlib.closing(repository_at(run)) as repository:
        root, mine = root_of(repository), Held.of(repository.refs("refs"))
        hooks.say(f"asking {remote.shown}")
        theirs = Held.of(remote.refs())
        refuse_another(str(run), root.id, theirs, remote.shown)
        advice = f"to have both, pull into a new folder: packsmith pull NEWRUN {remote.shown}"
        refuse_differing(mine, theirs, here=str(run), there=remote.shown, what_to_do=advice)
        torn = tuple(f"{ref} is torn here: delete that file and pull again" for ref in mine.torn)
        # The newest of torn notes may still be found: they must not be replaced.
        theirs = replace(theirs, notes={ref: id_ for ref, id_ in theirs.notes.items() if ref not in mine.torn})
        if not (mine.lacking(theirs) or mine.new_advice(theirs) or mine.lacks_notes(theirs)):
            total = len(mine.attempts)
            left_out = (*torn, *_foreign(theirs, remote.shown))
            return Pulled(attempts=0, total=total, advice=0, notes=False, size_bytes=0, made=False, left_out=left_out)
        repository.begin_writing()
        with _incoming(repository.path) as staging:
            known = {attempt_ref(nr): id_ for nr, id_ in mine.attempts.items() if id_ == theirs.attempts.get(nr)}
            staging.hold({SEED: root.id, **known})
            _fetch(staging, remote, theirs, hooks)
            own = SplitNotes(repository).on
            sifted = _sift(staging, mine, root.id, remote.shown, hooks, own)
            size_bytes = staging.size_bytes
            staging.hand_over(repository.path / "objects")
            _create(repository, sifted.attempts, run)
            told = _add_advice(repository, sifted.advice)
            noted = [_merge_notes(repository, staging, ref, id_) for ref, id_ in sifted.notes.items()]
    with Archive.open(run) as archive:
        if sifted.attempts:
            archive.point(*hooks.choose(archive))
        total = len(archive.entries)
    return Pulled(
        attempts=len(sifted.attempts),
        total=total,
        advice=told,
        notes=any(noted),
        size_bytes=size_bytes,
        made=False,
        left_out=(*torn, *sifted.left_out),
    )


@contextlib.contextmanager
def _incoming(run: Path) -> Iterator[Staging]:
    """A staging folder within a run, on the same disk, so that objects can be moved."""
    folder = run / "incoming"
    try:
        with staged(folder, "pull-", head=BEST, borrowed=run) as staging:
            with contextlib.suppress(FileNotFoundError):  # saves reading known attempts again
                shutil.copyfile(run / INDEX, staging.path / INDEX)
            yield staging
    finally:
        with contextlib.suppress(OSError):  # another pull may be using it
            folder.rmdir()


def _fetch(staging: Staging, remote: Remote, theirs: Held, hooks: Hooks) -> None:
    """Fetch what is exchanged, and nothing else, with every object checked."""
    hooks.say(f"fetching from {remote.shown}")
    specs = [f"{SEED}:{SEED}"]
    specs += [
        f"{prefix}/*:{prefix}/*" for prefix, some in ((ATTEMPTS, theirs.attempts), (ADVICE, theirs.advice)) if some
    ]
    specs += [f"{ref}:{CARRIED[ref]}" for ref in theirs.notes]
    remote.fetch(staging.path, specs)
    if remote.address.startswith("file:") or (remote.folder is not None and remote.folder.is_file()):
        hooks.say(f"checking the objects of {remote.shown}")
        try:
            staging.check()
        except GitError as error:
            raise RemoteError(f"{remote.shown}: {error}. Nothing was changed. What to do: create it again") from error


_Own = Callable[[str, str], Mapping[str, OnSplit]]
"""What a run has measured itself, of an attempt against another, by split."""


def _sift(staging: Staging, mine: Held, root_id: str, there: str, hooks: Hooks, own: _Own) -> _Sifted:
    """Check what was received into `staging`, which then holds the root and all attempts with a number."""
    repository = staging.repository
    refs = repository.refs("refs")
    came = Held.of(refs)
    noted = {ref: refs[kept] for ref, kept in CARRIED.items() if kept in refs}
    wanted = mine.lacking(came)
    staging.hold({SEED: root_id} | {attempt_ref(number): id_ for number, id_ in came.attempts.items()})
    hooks.say(f"checking {len(wanted)} attempts")
    with _told_of(staging, there), Archive.open(staging.path) as archive:
        wrong = _wrong(archive, wanted, hooks)
        entries = [entry for entry in archive.entries if entry.number not in wrong]
        seed = next((entry.id for entry in entries if entry.kind == "seed"), "")
    # Faulty attempts come first, then those made from them.
    left_out = [f"attempt {number}: {why}" for number, why in wrong.items()]
    advice, problems = _advice(repository, mine, came)
    numbers = {id_: number for number, id_ in mine.attempts.items()} | {entry.id: entry.number for entry in entries}
    known = Known(attempts=numbers, seed=seed, own=lambda commit: own(commit, seed))
    notes, doubts = sifted(staging, noted, known, hooks.fault)
    taken = {attempt_ref(number): id_ for number, id_ in wanted.items() if number not in wrong}
    if left_out or problems or notes != noted:
        held = {attempt_ref(nr): id_ for nr, id_ in came.attempts.items() if nr not in wanted}
        told = {advice_ref(nr): id_ for nr, id_ in enumerate(advice)}
        staging.shed({SEED: root_id} | held | taken | told | {CARRIED[ref]: id_ for ref, id_ in notes.items()})
    why = (*left_out, *doubts, *problems, *_foreign(came, there))
    return _Sifted(attempts=taken, advice=advice, notes=notes, left_out=why)


def _wrong(archive: Archive, wanted: Collection[int], hooks: Hooks) -> dict[int, str]:
    """The fault of each attempt to leave out, including those made from a faulty one."""
    faults = dict(sorted(hooks.check(archive, wanted).items()))
    damage = {line.partition(": ")[0]: line.partition(": ")[2] for line in archive.damage}
    faults |= {number: damage[attempt_ref(number)] for number in wanted if attempt_ref(number) in damage}
    known = {archive.root_id} | {entry.id for entry in archive.entries if entry.number not in wanted}
    for entry in archive.entries:  # parents have lower numbers, so they come first
        if entry.number not in wanted or entry.number in faults:
            continue
        needed = (*entry.parents, *entry.inspirations, *filter(None, [entry.same_as]))
        absent = [commit for commit in needed if commit not in known]
        if absent:
            faults[entry.number] = f"it was made from {absent[0][:12]}, which is left out"
        else:
            known.add(entry.id)
    return faults


def _advice(repository: Repository, mine: Held, came: Held) -> tuple[tuple[str, ...], list[str]]:
    """The advice to accept, and a sentence on each rejected piece."""
    taken: list[str] = []
    problems: list[str] = []
    new = mine.new_advice(came)
    for id_, blob in zip(new, repository.read_all(new), strict=True):
        problem = blob.problem or ("" if blob.kind == "blob" else f"expected a text, found a {blob.kind}")
        if not problem and len(blob.data) > _MOST_ADVICE:
            problem = f"expected at most {_MOST_ADVICE:,} bytes, found {len(blob.data):,}"
        try:
            decode(blob.data)
        except UnicodeDecodeError:
            problem = problem or "expected UTF-8"
        if problem:
            problems.append(f"the advice {id_[:12]}: {problem}")
        else:
            taken.append(id_)
    return tuple(taken), problems


def _create(repository: Repository, refs: Mapping[str, str], run: Path) -> None:
    """Create the refs of attempts, lower numbers first, so that parents always exist."""
    names = sorted(refs)
    for first in range(0, len(names), _AT_ONCE):
        with repository.batch() as batch:
            for name in names[first : first + _AT_ONCE]:
                deadline_s = time.monotonic() + _TAKEN_S
                while (lock := repository.reserve(name)) is None:
                    if repository.ref(name) is not None or time.monotonic() > deadline_s:
                        break
                    time.sleep(0.01)
                if lock is not None:
                    batch.put(batch.keep(lock), refs[name])
                elif repository.ref(name) != refs[name]:
                    raise ExchangeError(
                        f"{name} was taken in {run} by another process while this one was pulling: the two runs have "
                        f"diverged. {first} attempts before it were pulled, and are safe. What to do: to have all "
                        f"of the other run, pull into a new folder"
                    )


def _add_advice(repository: Repository, advice: Iterable[str]) -> int:
    """Add advice under the next free numbers; returns the number of pieces."""
    added = 0
    with repository.batch() as batch:
        number = max(Held.of(repository.refs(ADVICE)).advice, default=0) + 1
        for id_ in advice:
            while (lock := repository.reserve(advice_ref(number))) is None:
                number += 1
            batch.put(batch.keep(lock), id_)
            number += 1
            added += 1
    return added


def _merge_notes(repository: Repository, staging: Staging, ref: str, theirs: str) -> bool:
    """Merge the notes of both sides under a ref; returns whether that changed it."""
    with repository.batch() as batch:
        # Locked before the notes are read until they are written, so that no update is lost.
        lock = batch.keep(repository.wait_for(ref))
        ours = repository.ref(ref)
        merged = staging.merged_notes(ours, theirs) if ours else theirs
        if merged != ours:
            staging.hand_over(repository.path / "objects")
            batch.put(lock, merged)
    return merged != ours


def _foreign(theirs: Held, there: str) -> tuple[str, ...]:
    """A sentence if refs look like attempts or advice but have no valid number; else none."""
    odd = [name for name in theirs.other if name.startswith((f"{ATTEMPTS}/", f"{ADVICE}/"))]
    if not odd:
        return ()
    named = ", ".join(visible(name[:80]) for name in odd[:_NAMED])
    return (f"{len(odd)} refs of {there} that have no number: {named}",)


@contextlib.contextmanager
def _told_of(staging: Staging, there: str) -> Iterator[None]:
    """Name the other side instead of our copy of it in errors."""
    try:
        yield
    except ArchiveError as error:
        told = str(error).replace(str(staging.path), there)
        raise ExchangeError(f"{told}. Nothing was changed") from error
