"""Sending a run: to another repository, or into one file.

Owns: what is sent to a side that has some already. Does not know: how it is received (`receiving`), how another
machine is reached.

Only derived refs are ever overwritten on the other side, and only if it then has the same attempts as this one. The run
itself is not changed.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.archive.archive import Archive
from harness.archive.attempt_table import ATTEMPTS
from harness.archive.notices import ADVICE
from harness.archive.opening import BEST, SEED, repository_at
from harness.archive.writing import ELITES
from harness.exchange.holdings import (
    CARRIED,
    ExchangeError,
    Held,
    Sent,
    advice_ref,
    attempt_ref,
    refuse_another,
    refuse_differing,
)
from harness.exchange.receiving import Hooks, receive, refuse_used, writing_to
from harness.git.remote import Remote, RemoteError
from harness.git.staging import Staging
from harness.types import Entry

_SUFFIX = ".bundle"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outgoing:
    """A snapshot of a run: what is sent, how many tickets are not, and a sentence on each thing left out."""

    held: Held
    tickets: int
    left_out: tuple[str, ...]

    @property
    def refs(self) -> dict[str, str]:
        """All refs that are sent, name to id."""
        held = self.held
        numbered = {attempt_ref(number): id_ for number, id_ in held.attempts.items()}
        numbered |= {advice_ref(number): id_ for number, id_ in held.advice.items()}
        return {SEED: held.seed, **numbered, **held.derived, **held.notes}


def push(run: Path, remote: Remote, hooks: Hooks) -> Sent:
    """Send what the other side lacks; a local folder that is missing or empty becomes a run.

    Raises ExchangeError if the two are incompatible, RemoteError if the other side cannot be reached or refuses:
    nothing is changed there then.
    """
    hooks.say(f"reading {run}")
    outgoing = _outgoing(run)
    if remote.folder is not None and _is_free(remote.folder):
        return _push_new(run, outgoing, remote.folder, hooks)
    if remote.folder is not None and remote.folder.is_file():
        raise ExchangeError(f"expected a folder or an address, found the file {remote.shown}: `bundle` writes files")
    hooks.say(f"asking {remote.shown}")
    refs = remote.refs()
    theirs, mine = Held.of(refs), outgoing.held
    # An interrupted push may have left attempts without the root, which is sent last.
    if refs and not (not theirs.seed and refs.items() <= outgoing.refs.items()):
        refuse_another(str(run), mine.seed, theirs, remote.shown)
    advice = "push to a new place; pulling would not help, since both keep their numbers"
    refuse_differing(mine, theirs, here=str(run), there=remote.shown, what_to_do=advice)
    with _staging(run) as staging:
        return _push(outgoing, theirs, remote, staging, hooks)


def bundle(
    run: Path, file: Path | None, *, force: bool, progress: Callable[[str], None] | None, say: Callable[[str], None]
) -> tuple[Path, Sent]:
    """Write a run into one file, atomically; returns its path and what was sent. Raises ExchangeError, RemoteError."""
    target = Path(f"{run.absolute().resolve().name}{_SUFFIX}") if file is None else file
    if target.is_dir():
        raise ExchangeError(f"expected the name of a file, found the folder {target}: write {target}/NAME{_SUFFIX}")
    if os.path.lexists(target) and not force:
        raise ExchangeError(f"{target} is there already: name another file, or add --force to replace it")
    if not target.absolute().parent.is_dir():
        raise ExchangeError(f"{target}: the folder {target.parent} does not exist: create it, or name another file")
    say(f"reading {run}")
    outgoing = _outgoing(run)
    with _staging(run) as staging, writing_to(target, "no bundle was made"):
        staging.hold(outgoing.refs)
        say(f"writing {target}")
        staging.bundle(target, progress)
        size_bytes = target.stat().st_size
    return target, _sent(outgoing, outgoing.held, derived=True, size_bytes=size_bytes, made=True)


def _outgoing(run: Path) -> _Outgoing:
    """A snapshot of the run. An unreadable attempt is left out. Raises ArchiveError if there is no run."""
    with Archive.open(run) as archive, contextlib.closing(repository_at(run)) as repository:
        mine = Held.of(repository.refs("refs"))
        attempts = {entry.number: entry.id for entry in archive.entries}
        sent = {archive.root_id, *attempts.values()}
        held = Held(
            seed=archive.root_id,
            attempts=attempts,
            advice={number: id_ for number, id_ in mine.advice.items() if id_},
            notes=mine.notes,
            # Before an attempt is the best, the root is.
            derived={BEST: archive.root_id} | {name: id_ for name, id_ in mine.derived.items() if id_ in sent},
        )
        tickets = len(archive.pending())
        torn = tuple(f"{ref} is torn" for ref in mine.torn if not ref.startswith(f"{ATTEMPTS}/"))
        return _Outgoing(held=held, tickets=tickets, left_out=(*archive.damage, *torn))


def _push_new(run: Path, outgoing: _Outgoing, folder: Path, hooks: Hooks) -> Sent:
    """Create a new run from all of this one, atomically."""
    refuse_used(folder)
    best, elites = outgoing.held.derived[BEST], [id_ for name, id_ in outgoing.held.derived.items() if name != BEST]

    def choose(archive: Archive) -> tuple[Entry | None, Sequence[Entry]]:
        known = {entry.id: entry for entry in archive.entries}
        return known.get(best), [known[id_] for id_ in elites]

    with _staging(run) as staging, writing_to(folder, "nothing was made there"):
        staging.hold(outgoing.refs)
        ours = Remote(address=str(staging.path), shown=str(run), folder=staging.path, progress=None)
        pulled = receive(folder, ours, replace(hooks, check=lambda *_: {}, fault=lambda _: "", choose=choose))
    return _sent(outgoing, outgoing.held, derived=True, size_bytes=pulled.size_bytes, made=True)


def _push(outgoing: _Outgoing, theirs: Held, remote: Remote, staging: Staging, hooks: Hooks) -> Sent:
    mine = outgoing.held
    notes = _notes_to_send(mine, theirs, remote, staging)
    missing = theirs.lacking(mine)
    advice = theirs.with_advice(theirs.new_advice(mine))
    # If the other side has attempts of its own, it decides which is best.
    derived = {} if mine.lacking(theirs) else dict(mine.derived)
    fresh = {name: id_ for name, id_ in derived.items() if name not in theirs.derived}
    moved = {name: id_ for name, id_ in derived.items() if theirs.derived.get(name, id_) != id_}
    gone = sorted(theirs.derived.keys() - derived.keys()) if derived else []
    refs = {attempt_ref(number): id_ for number, id_ in missing.items()} | advice | fresh
    refs |= notes | ({} if theirs.seed else {SEED: mine.seed})
    staging.hold(refs | moved)
    if refs or moved or gone:
        hooks.say(f"sending to {remote.shown}")
    size_bytes, warnings = 0, list[str]()
    if refs:
        specs = [f"{prefix}/*:{prefix}/*" for prefix, some in ((ATTEMPTS, missing), (ADVICE, advice)) if some]
        specs += [f"{name}:{name}" for name in sorted(refs) if not name.startswith((f"{ATTEMPTS}/", f"{ADVICE}/"))]
        size_bytes = remote.push(staging.path, specs)
    if moved or gone:
        try:
            remote.push(staging.path, [*(f"+{name}:{name}" for name in sorted(moved)), *(f":{name}" for name in gone)])
        except RemoteError as error:  # nothing depends on them: every run derives them again
            warnings.append(f"{BEST} and {ELITES} could not be updated there: {error}")
    sent = replace(mine, attempts=missing, advice=dict(enumerate(advice.values())), notes=notes)
    return _sent(
        outgoing,
        sent,
        derived=bool(fresh or moved or gone),
        size_bytes=size_bytes,
        made=not theirs.seed,
        warnings=tuple(warnings),
    )


def _notes_to_send(mine: Held, theirs: Held, remote: Remote, staging: Staging) -> dict[str, str]:
    """The commits of the merged notes of both sides, by ref; without those of which the other side has all."""
    sent = dict[str, str]()
    for ref, ours in mine.notes.items():
        held = theirs.notes.get(ref)
        if held is None:
            sent[ref] = ours
        elif held != ours:
            remote.fetch(staging.path, [f"{ref}:{CARRIED[ref]}"])
            held = staging.repository.ref(CARRIED[ref]) or held
            merged = staging.merged_notes(ours, held)
            sent |= {} if merged == held else {ref: merged}
    return sent


def _sent(
    outgoing: _Outgoing, sent: Held, *, derived: bool, size_bytes: int, made: bool, warnings: tuple[str, ...] = ()
) -> Sent:
    return Sent(
        attempts=len(sent.attempts),
        total=len(outgoing.held.attempts),
        advice=len(sent.advice),
        notes=bool(sent.notes),
        derived=derived,
        size_bytes=size_bytes,
        made=made,
        tickets=outgoing.tickets,
        left_out=outgoing.left_out,
        warnings=warnings,
    )


@contextlib.contextmanager
def _staging(run: Path) -> Iterator[Staging]:
    """A staging repository in a temporary folder: the run may be read-only."""
    with (
        tempfile.TemporaryDirectory(prefix="packsmith-exchange-") as folder,
        contextlib.closing(Staging(Path(folder), head=BEST, borrowed=run)) as staging,
    ):
        yield staging


def _is_free(folder: Path) -> bool:
    return not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir()))
