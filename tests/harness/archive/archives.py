"""Small real archives for tests: attempts made by real patches of the toy program."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluator.types import Rejected, Verdict
from harness import patch
from harness.archive import Archive, ArchiveError
from harness.archive.records import Record, record_from_bytes, record_of, record_to_bytes
from harness.types import Attempt, Candidate, Edit, Entry, Kind, Patch, Proposal
from tests.harness.builders import PROGRAM, scored

CONFIG = {"task": "toy", "seed": 7, "budget": {"attempts": 40}, "models": [{"name": "größer"}]}


def new(path: Path) -> Archive:
    return Archive.create(path, seed_source=PROGRAM, config=CONFIG)


def open_or_create(path: Path) -> Archive:
    """The archive at `path`; created if it does not exist, unless another process makes it first."""
    try:
        return new(path)
    except ArchiveError:
        if not Archive.exists(path):
            raise
    return Archive.open(path)


def seed_attempt(archive: Archive) -> Attempt:
    proposal = Proposal(kind="seed", parents=(archive.root_id,), reply="", proposer="packsmith")
    candidate = Candidate(name="seed", description="", source=archive.source(archive.root_id))
    return Attempt(number=0, proposal=proposal, candidate=candidate, verdict=scored(0.5, 1.0), seconds=0.25)


def changing(
    archive: Archive,
    number: int,
    parents: Sequence[str],
    search: str,
    replace: str,
    *,
    kind: Kind = "patch",
    name: str = "",
    description: str = "A change.",
    verdict: Verdict | None = None,
) -> Attempt:
    """An attempt that replaces a line of its first parent's program, by a rendered patch."""
    edits = (Edit(search=search, replace=replace),)
    reply = patch.render(Patch(name=name or f"change {number}", description=description, edits=edits))
    proposal = Proposal(
        kind=kind, parents=tuple(parents), reply=reply, proposer="test", model="toy-1", usd=0.01, tokens=5
    )
    candidate = patch.apply_reply(reply, archive.source(parents[0]))
    return Attempt(
        number=number, proposal=proposal, candidate=candidate, verdict=verdict or scored(0.6, 2.0), seconds=0.5
    )


def refused(archive: Archive, number: int, parent: str, reply: str = "no patch in here") -> Attempt:
    """An attempt whose reply is refused for its real reason."""
    try:
        patch.apply_reply(reply, archive.source(parent))
    except patch.PatchError as error:
        verdict = Rejected(stage="patch", reason=error.reason, detail=error.detail)
        proposal = Proposal(kind="patch", parents=(parent,), reply=reply, proposer="test")
        return Attempt(number=number, proposal=proposal, candidate=None, verdict=verdict)
    raise AssertionError("expected a reply that is refused")


def raw(
    number: int,
    parent: str,
    *,
    name: str = "raw",
    description: str = "",
    reply: str = "",
    source: str = "x\n",
    ticket: int = 0,
) -> Attempt:
    """An attempt of any texts at all; its reply need not give its program."""
    proposal = Proposal(kind="patch", parents=(parent,), reply=reply, proposer="test")
    candidate = Candidate(name=name, description=description, source=source)
    return Attempt(number=number, proposal=proposal, candidate=candidate, verdict=scored(0.6, 2.0), ticket=ticket)


def family(archive: Archive) -> list[Entry]:
    """The seed, two children, a crossover of them, and a refused reply."""
    seed = archive.append(seed_attempt(archive))
    one = archive.append(changing(archive, 1, [seed.id], "ROUNDS = 4", "ROUNDS = 6"))
    two = archive.append(changing(archive, 2, [seed.id], "SLACK = 0.5", "SLACK = 0.25"))
    both = changing(archive, 3, [one.id, two.id], "SLACK = 0.5", "SLACK = 0.25", kind="crossover", name="both")
    return [seed, one, two, archive.append(both), archive.append(refused(archive, 4, one.id))]


def stored_verdict(verdict: Verdict) -> Any:
    """A verdict as `attempt.json` holds it. Raises ValueError on NaN and infinities."""
    return json.loads(record_to_bytes(_record(verdict)))["verdict"]


def read_verdict(stored: object) -> Verdict:
    """The verdict of an `attempt.json` that holds these JSON values. Raises RecordError."""
    values = json.loads(record_to_bytes(_record(scored(0.5, 1.0))))
    return record_from_bytes(json.dumps(values | {"verdict": stored}).encode()).verdict


def _record(verdict: Verdict) -> Record:
    proposal = Proposal(kind="patch", parents=("a" * 40,), reply="", proposer="test")
    return record_of(
        Attempt(number=1, proposal=proposal, candidate=None, verdict=verdict), number=1, config="", ticket=""
    )


def git(path: Path, *args: str, check: bool = True) -> str:
    """What a user's plain git says, without the user's own settings."""
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C",
    }
    done = subprocess.run(["git", *args], cwd=path, env=environment, capture_output=True, check=False)
    assert not check or done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8", "replace")


def fsck(path: Path) -> str:
    """The output of a strict check, which must pass; dangling objects are nothing wrong."""
    return git(path, "fsck", "--strict", "--full", "--no-dangling")
