"""The commits of an archive: their files, and entries made from them.

Owns: the trees of the root and of attempts, and the object under a ticket: written to a batch, read in one pass.
Does not know: refs, which numbers are taken, who writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from harness.archive.message import attempt_message, root_message
from harness.archive.records import (
    Record,
    RecordError,
    entry_of,
    pending_from_bytes,
    pending_to_bytes,
    proposal_from_bytes,
    record_from_bytes,
)
from harness.git import Batch, GitObject, Group, Read, RefLock, Repository
from harness.text import decode, encode
from harness.types import Entry, HarnessError, Pending

FORMAT, FORMAT_OF_IMPORTS, FORMAT_WITH_GATES, FORMAT_OF_BOTH = 2, 3, 4, 5
"""In format 1, attempts have neither `meaning` nor `same_as`. Only a run that was imported has format 3 or 5: its
attempts may be of kind `import`, and unjudged. Only a run with held-out loads has format 4 or 5: its attempts have
`gates`.
"""
PROGRAM = "program.py"
REPLY = "reply.md"
ATTEMPT = "attempt.json"
_CONFIG = "config.yaml"
_ARCHIVE = "archive.json"
_PROPOSAL = "proposal.json"


class ArchiveError(HarnessError):
    """The archive cannot be created, read or written; says what is safe and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The start of a run: commit id, blob id of the seed program, resolved config, and the config's blob id. It is
    `imported` if an import made it.
    """

    id: str
    program_id: str
    config: Mapping[str, Any]
    config_id: str
    imported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """An attempt as read: its entry, its git parents, and the object id of its ticket ("" for none)."""

    entry: Entry
    git_parents: tuple[str, ...]
    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """The ref of an attempt that cannot be read, and why."""

    ref: str
    problem: str


def is_gated(config: Mapping[str, Any]) -> bool:
    """Whether a run of this resolved config measures would-be best programs on held-out loads."""
    task = config.get("task")
    return isinstance(task, Mapping) and task.get("held_out") is not None


def write_root(
    batch: Batch,
    *,
    seed_source: str,
    config: Mapping[str, Any],
    files: Mapping[str, str],
    when_s: int,
    imported: bool = False,
) -> str:
    """Add the root's objects; `files` are further texts by name. Returns the commit id."""
    plain, of_imports = (FORMAT_WITH_GATES, FORMAT_OF_BOTH) if is_gated(config) else (FORMAT, FORMAT_OF_IMPORTS)
    number = of_imports if imported else plain
    text = yaml.safe_dump(_plain(config), sort_keys=True, allow_unicode=True, width=120)
    tree = {name: encode(content) for name, content in files.items()} | {
        PROGRAM: encode(seed_source),
        _CONFIG: encode(text),
        _ARCHIVE: json.dumps({"format": number}).encode("ascii") + b"\n",
    }
    return batch.commit(batch.tree(tree), (), root_message(number), when_s)


def write_attempt(
    batch: Batch, record: Record, stored: bytes, *, program: bytes, reply: bytes, when_s: int
) -> Archived:
    """Add an attempt's objects. `stored` is `record_to_bytes(record)`; git's parents are the record's, each once."""
    program_id = batch.add("blob", program)
    files = {PROGRAM: program, REPLY: reply, ATTEMPT: stored}
    parents = tuple(dict.fromkeys(record.parents))
    commit = batch.commit(batch.tree(files), parents, attempt_message(record), when_s)
    entry = entry_of(record, commit=commit, program_id=program_id, when_s=when_s)
    return Archived(entry=entry, git_parents=parents, ticket=record.ticket)


def write_pending(batch: Batch, lock: RefLock, pending: Pending) -> str:
    """Add the object under a ticket, whose ref is locked; returns its id. It contains number and owner, so no two are
    equal.
    """
    return batch.hold(lock, pending_to_bytes(pending))


def held_id(repository: Repository, ticket: int, named: str) -> str:
    """The id of a ticket's own object, given what its ref names: the object, or a tree of several tickets' objects."""
    tree = repository.read(named)
    return _tree_files(tree.data).get(f"{ticket:06d}", named) if tree.kind == "tree" else named


def read_root(repository: Repository, root_id: str) -> Root:
    """The root of a run. Raises ArchiveError if it is damaged, of another tool, or of a newer format."""
    names = [f"{root_id}^{{tree}}", *(f"{root_id}:{name}" for name in (_ARCHIVE, _CONFIG, PROGRAM))]
    tree, archive, config, program = repository.read_all(names)
    if not tree.problem and _ARCHIVE not in _tree_files(tree.data):
        raise ArchiveError(f"expected a run of packsmith at {repository.path}, found another git repository")
    for part in (tree, archive, config, program):
        if part.problem:
            raise ArchiveError(
                f"{repository.path}: {part.name} of the root commit is {part.problem}. The attempts may be intact: "
                f"`git fsck` lists the damage, and a copy or a bundle of this repository may have what is missing"
            )
    try:
        number, settings = json.loads(archive.data)["format"], yaml.safe_load(decode(config.data))
    except (ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise ArchiveError(
            f"{repository.path}: the root commit {root_id} was not written by packsmith: {error}"
        ) from error
    if number not in range(1, FORMAT_OF_BOTH + 1):
        raise ArchiveError(
            f"expected a run of format 1 to {FORMAT_OF_BOTH}, found format {number} at {repository.path}: "
            f"this run was written by a newer packsmith; open it with that version"
        )
    imported = number in (FORMAT_OF_IMPORTS, FORMAT_OF_BOTH)
    return Root(id=root_id, program_id=program.id, config=settings, config_id=config.id, imported=imported)


def read_attempts(
    repository: Repository, refs: Mapping[str, str], *, samples: bool = True
) -> Iterator[Archived | Damaged]:
    """One result for each attempt's ref, in order; a damaged one does not hide the others.

    Without `samples`, the raw samples of cases are not parsed.
    """
    whole = {ref: commit for ref, commit in refs.items() if commit}
    for ref in sorted(refs.keys() - whole.keys()):
        yield Damaged(ref=ref, problem="the ref's file holds no commit id")
    names = (name for commit in whole.values() for name in (commit, f"{commit}^{{tree}}", f"{commit}:{ATTEMPT}"))
    objects = repository.read_all(names)
    for ref, commit, tree, attempt in zip(whole, objects, objects, objects, strict=True):
        try:
            archived = _read_attempt(commit, tree, attempt, samples)
        except ValueError as error:
            yield Damaged(ref=ref, problem=f"commit {commit.name[:12]}: {error}")
            continue
        number = ref.rpartition("/")[2]
        if number == f"{archived.entry.number:06d}":
            yield archived
        else:
            yield Damaged(ref=ref, problem=f"commit {commit.name[:12]} is attempt {archived.entry.number}")


def attempt_objects(read: Read, commit: str) -> Group:
    """The objects of an attempt, for packing; its program is a delta of its parent's program."""
    loose = read(commit)
    tree = _header(loose.data, b"tree")[:1] if loose else []
    files = _loose_files(read, tree)
    parents = _header(loose.data, b"parent")[:1] if loose else []
    origin = ""
    if parents:
        parent = read(parents[0])
        before = _loose_files(read, _header(parent.data, b"tree")[:1]) if parent else {}
        origin = before.get(PROGRAM, parents[0])
    others = [commit, *tree, *(files[name] for name in sorted(files) if name != PROGRAM)]
    return Group(version=files.get(PROGRAM, ""), origin=origin, others=others)


def _loose_files(read: Read, trees: list[str]) -> dict[str, str]:
    tree = read(trees[0]) if trees else None
    return _tree_files(tree.data) if tree else {}


def _header(data: bytes, name: bytes) -> list[str]:
    """The ids in the lines of a commit's header that begin with `name`."""
    rows = data.partition(b"\n\n")[0].split(b"\n")
    return [row[len(name) + 1 :].decode("ascii", "replace") for row in rows if row.startswith(name + b" ")]


def read_pending(repository: Repository, ticket: int, object_id: str) -> Pending:
    """A ticket from its object. Raises RecordError."""
    blob = repository.read(object_id)
    if blob.kind == "tree":
        return _read_held(repository, ticket, object_id)
    if blob.problem:
        raise RecordError(f"{blob.name} is {blob.problem}")
    pending = pending_from_bytes(blob.data)
    if pending.ticket != ticket:
        raise RecordError(f"{blob.name} is ticket {pending.ticket}")
    return pending


def _read_held(repository: Repository, ticket: int, tree: str) -> Pending:
    """A ticket as earlier versions stored it: a tree of the proposal and the reply. Raises RecordError."""
    proposal, reply = repository.read_all([f"{tree}:{_PROPOSAL}", f"{tree}:{REPLY}"])
    for blob in (proposal, reply):
        if blob.problem:
            raise RecordError(f"{blob.name} is {blob.problem}")
    return Pending(ticket=ticket, proposal=proposal_from_bytes(proposal.data, decode(reply.data)), answered=True)


def _read_attempt(commit: GitObject, tree: GitObject, attempt: GitObject, samples: bool) -> Archived:
    """Raises ValueError (RecordError among them)."""
    for part, what in ((commit, "the commit"), (tree, "its tree"), (attempt, ATTEMPT)):
        if part.problem:
            raise ValueError(f"{what} is {part.problem}")
    header = commit.data.partition(b"\n\n")[0]
    when = re.search(rb"^committer .*> (\d+) [+-]\d{4}$", header, re.MULTILINE)
    if when is None:
        raise ValueError("expected a commit, found another object")
    program_id = _tree_files(tree.data).get(PROGRAM)
    if program_id is None:
        raise ValueError(f"expected {PROGRAM} in its tree, found none")
    record = record_from_bytes(attempt.data, samples=samples)
    return Archived(
        entry=entry_of(record, commit=commit.id, program_id=program_id, when_s=int(when[1])),
        git_parents=tuple(re.findall(r"^parent ([0-9a-f]{40})$", header.decode("utf-8", "replace"), re.MULTILINE)),
        ticket=record.ticket,
    )


def _tree_files(data: bytes) -> dict[str, str]:
    """Name to id of a tree object's rows `<mode> <name>\\0<20 bytes>`."""
    files: dict[str, str] = {}
    while data:
        head, _, rest = data.partition(b"\0")
        files[head.partition(b" ")[2].decode("utf-8", "replace")] = rest[:20].hex()
        data = rest[20:]
    return files


def _plain(value: Any) -> Any:
    """Mappings and sequences as dict and list, for YAML."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
