"""Several real writers on one archive, killed at random instants, with upkeep at work and somebody at it with git."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from harness.archive import Archive, ArchiveError
from harness.archive.keeper import _CODE as UPKEEP
from harness.readings.verify import verify
from harness.types import Attempt, Entry, Proposal
from tests.harness.archive.archives import changing, git, new, refused, seed_attempt
from tests.harness.processes import Report, child

STRAY = "what no ref leads to\n"
USER = (
    # Later versions would put strays into a pack of their own, which `repack -ad` then drops.
    ("-c", "gc.cruftPacks=false", "gc", "-q"),
    ("repack", "-adq"),
    ("pack-refs", "--all"),
)
"""What somebody may do to a run in use. (`gc --prune=now` is not among it: it drops what a writer is about to name.)"""
_HELPERS = (UPKEEP, "index-pack", "pack-objects", "cat-file")


@dataclass(kw_only=True)
class Tally:
    """What the fire did. `problems` is to stay empty."""

    kills: int = 0
    helpers_killed: int = 0
    printed: int = 0
    attempts: int = 0
    gaps: int = 0
    packed: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class _Writer:
    process: int
    reading: int
    stack: contextlib.ExitStack


class Fire:
    """Writers under fire, as long as the block lasts; then `finish`."""

    def __init__(self, path: Path, rng: random.Random, *, writers: int) -> None:
        self._path, self._rng, self._count = path, rng, writers
        self._writers: list[_Writer] = []
        self._started = 0
        self._user = contextlib.ExitStack()
        self._printed: dict[int, str] = {}
        self.tally = Tally()
        with new(path) as archive:
            archive.append(seed_attempt(archive))
            note = path.with_name("stray")
            note.write_text(STRAY)
            self._stray = git(path, "hash-object", "-w", str(note)).strip()

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def round(self, *, longest_s: float) -> None:
        """After a random time kill one writer, which another follows; now and then a git process of one, too."""
        time.sleep(self._rng.uniform(0.0, longest_s))
        if self._rng.random() < 0.3:
            self._kill_helper()
        at = self._rng.randrange(self._count)
        self._kill(self._writers.pop(at))
        self._writers.insert(at, self._writer())

    def pause(self) -> None:
        """Kill all at once, as a power cut does, have git check what is there, and go on."""
        self._end()
        self._check()
        self._begin()

    def finish(self) -> Tally:
        """What has become of it all, once one writer was alone again."""
        self._check()
        with Archive.open(self._path) as archive:
            try:
                for pending in archive.adopt():
                    archive.drop(pending.ticket)
                archive.append(refused(archive, archive.next_number, archive.root_id))
                archive.maintain()
            except ArchiveError as error:
                self._problem(f"going on: {error}")
        for path in self._path.rglob("*"):
            if path.name.startswith("tmp_") or (path.suffix == ".lock" and path.name != "packsmith.lock"):
                self._problem(f"left behind: {path}")
        self._check()
        with Archive.open(self._path, cached=False) as truth, Archive.open(self._path) as cached:
            self._compare(truth, cached)
            for mismatch in verify(truth).mismatches:
                self._problem(f"verify: {mismatch}")
        return self.tally

    def _begin(self) -> None:
        self._writers = [self._writer() for _ in range(self._count)]
        self._user.enter_context(child(_use_git(self._path, self._rng.randrange(1 << 30))))

    def _end(self) -> None:
        while self._writers:
            self._kill(self._writers.pop())
        self._user.close()
        deadline_s = time.monotonic() + 60
        while self._helpers() and time.monotonic() < deadline_s:
            time.sleep(0.01)

    def _writer(self) -> _Writer:
        self._started += 1
        stack = contextlib.ExitStack()
        process, reading = stack.enter_context(child(_write(self._path, self._started)))
        return _Writer(process=process, reading=reading, stack=stack)

    def _kill(self, writer: _Writer) -> None:
        """Kill a writer and take down what it printed."""
        os.kill(writer.process, signal.SIGKILL)
        _, status = os.waitpid(writer.process, 0)
        if not os.WIFSIGNALED(status):
            self._problem(f"a writer ended by itself with status {os.waitstatus_to_exitcode(status)}")
        self.tally.kills += 1
        data = b""
        while chunk := os.read(writer.reading, 65536):
            data += chunk
        writer.stack.close()
        for line in data.split(b"\n")[:-1]:
            number, commit = divmod(int(line), 1 << 160)
            if number in self._printed:
                self._problem(f"number {number} was printed twice")
            self._printed[number] = f"{commit:040x}"
        self.tally.printed = len(self._printed)

    def _kill_helper(self) -> None:
        helpers = [process for process, name in self._helpers() if name in _HELPERS]
        if helpers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._rng.choice(helpers), signal.SIGKILL)
                self.tally.helpers_killed += 1

    def _helpers(self) -> list[tuple[int, str]]:
        """The processes at work on the repository beside the writers, ours and the user's, and what each does."""
        found: list[tuple[int, str]] = []
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_text(errors="replace").split("\0") if process.name.isdigit() else []
                if f"--git-dir={self._path}" in words or str(self._path) in words:
                    found.append((int(process.name), next((one for one in words if one in _HELPERS), "")))
        return found

    def _check(self) -> None:
        """Everything that was printed is there under its id, and git finds nothing wrong."""
        rows = git(self._path, "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/attempts").split()
        held = {int(number): commit for number, commit in zip(rows[::2], rows[1::2], strict=True)}
        self.tally.attempts = len(held)
        self.tally.gaps = max(held) + 1 - len(held)
        if self.tally.gaps > self.tally.kills:
            self._problem(f"{self.tally.gaps} gaps, more than writers were killed")
        for number, commit in self._printed.items():
            if held.get(number) != commit:
                self._problem(f"attempt {number} {commit} was printed and is {held.get(number)}")
        packed = self._path / "packed-refs"
        self.tally.packed = packed.read_text().count(" refs/attempts/") if packed.exists() else 0
        found = git(self._path, "fsck", "--strict", "--full", "--no-dangling", check=False)
        if found:
            self._problem(f"fsck: {found}")
        if git(self._path, "cat-file", "-p", self._stray, check=False) != STRAY:
            self._problem("an object that no ref leads to is gone")

    def _compare(self, truth: Archive, cached: Archive) -> None:
        for name, of in (
            ("entries", lambda one: tuple(one.entries)),
            ("parents", lambda one: [found.git_parents for found in one.archived]),
            ("damage", lambda one: one.damage),
            ("next number", lambda one: one.next_number),
            ("tickets", lambda one: one.pending()),
        ):
            if of(truth) != of(cached):
                self._problem(f"with its index the archive has other {name} than without")
        if truth.damage or truth.pending():
            self._problem(f"damage {truth.damage}, tickets {truth.pending()}")

    def _problem(self, text: str) -> None:
        if text not in self.tally.problems:
            self.tally.problems.append(text)


def _write(path: Path, salt: int) -> Callable[[Report], None]:
    """Append for ever, in every way a search does, and report number and id of each attempt once it is durable."""

    def work(report: Report) -> None:
        rng = random.Random(salt)
        archive = Archive.open(path)
        for pending in archive.adopt():
            _report(report, archive.append(_attempt(archive, rng, salt, pending.ticket)))
        while True:
            way = rng.randrange(5)
            if way == 0:
                archive.drop(archive.hold(archive.next_number, _proposal(archive, rng)))
            if way == 1:
                with archive.writing() as writing:
                    made = [writing.append(_attempt(archive, rng, salt)) for _ in range(3)]
                for entry in made:
                    _report(report, entry)
            ticket = archive.hold(archive.next_number, _proposal(archive, rng)) if way == 2 else 0
            if way == 2 and rng.random() < 0.5:
                archive.hold(ticket, _proposal(archive, rng))
            entry = archive.append(_attempt(archive, rng, salt, ticket))
            _report(report, entry)
            archive.catch_up()
            archive.point(entry, rng.sample(list(archive.entries[-8:]), 2))

    return work


def _report(report: Report, entry: Entry) -> None:
    report(entry.number << 160 | int(entry.id, 16))


def _proposal(archive: Archive, rng: random.Random) -> Proposal:
    return Proposal(kind="patch", parents=(archive.root_id,), reply=f"{rng.random()}", proposer="test")


def _attempt(archive: Archive, rng: random.Random, salt: int, ticket: int = 0) -> Attempt:
    """A real patch of one of the last programs; every fifth reply is refused."""
    parent = rng.choice(archive.entries[-8:])
    if rng.random() < 0.2:
        attempt = refused(archive, archive.next_number, parent.id, reply=f"nothing {rng.random()}")
    else:
        rounds = next(line for line in archive.source(parent.id).splitlines() if line.startswith("ROUNDS"))
        changed = f"ROUNDS = {salt}{rng.randrange(1 << 40)}"
        attempt = changing(archive, archive.next_number, [parent.id], rounds, changed)
    return dataclasses.replace(attempt, ticket=ticket)


def _use_git(path: Path, seed: int) -> Callable[[Report], None]:
    def work(_: Report) -> None:
        rng = random.Random(seed)
        while True:
            # One that gives way to another, or finds a pack gone that was merged, is tried again later, as people do.
            git(path, f"--git-dir={path}", *rng.choice(USER), check=False)
            time.sleep(rng.uniform(0.0, 0.3))

    return work
