"""Notes on commits, as `git notes` stores them: under a ref, a tree of texts named by the ids of their commits.

Owns: reading that tree and adding to it. Does not know: what the notes say.

Git spreads the names over folders, deeper for more notes (`abcd...`, `ab/cd...`, `ab/cd/ef...`), and reads any mixture:
a commit's texts in several places are one note. So does this module. It adds a new note as `ab/cd...`, where 100,000
notes make folders of a few hundred, and keeps other files in the tree.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.git.command import GitError, GitObject
from harness.git.repository import Repository
from harness.git.store import Batch

_FOLDER, _FILE = b"40000", b"100644"
_ID = 40


class NotesError(GitError):
    """Notes cannot be read; says which, what is intact and what to do."""


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry of a tree: its mode and object id."""

    mode: bytes
    id: str


_Rows = dict[str, _Row]


class Notes:
    """The notes under a ref, `refs/notes/...`. Several processes may add to them at once."""

    def __init__(self, repository: Repository, ref: str) -> None:
        self._repository, self._ref = repository, ref

    def add_line(self, commit: str, line: bytes, message: str) -> None:
        """Add a line to the note on a commit; durable when this returns. Raises NotesError, and OSError."""
        with self._repository.batch() as batch:
            # Locked before the notes are read until they are written, so that no update is lost.
            lock = batch.keep(self._repository.wait_for(self._ref))
            tip = self._tip()
            tree = self._grown(batch, f"{tip}^{{tree}}" if tip else "", commit, line)
            batch.put(lock, batch.commit(tree, [tip] if tip else [], message, int(time.time())))

    def on(self, commit: str) -> tuple[GitObject, ...]:
        """The texts of the note on a commit; a damaged one has a `problem`. Raises NotesError."""
        tip = self._tip()
        return tuple(self._repository.read_all(self._texts(f"{tip}^{{tree}}", commit))) if tip else ()

    def all(self) -> Iterator[tuple[str, tuple[GitObject, ...]]]:
        """Every commit that has a note, by id, with its texts, in one pass. Raises NotesError."""
        names: dict[str, list[str]] = {}
        for commit, text in self._walk():
            names.setdefault(commit, []).append(text)
        objects = self._repository.read_all(text for commit in sorted(names) for text in names[commit])
        for commit in sorted(names):
            yield commit, tuple(next(objects) for _ in names[commit])

    def _tip(self) -> str:
        """The newest commit of the notes, "" before the first."""
        tip = self._repository.ref(self._ref)
        if tip == "":
            raise NotesError(
                f"{self._repository.path / self._ref} is torn: it holds no commit id. The attempts and the notes are "
                f"intact: put the id of their newest commit in it (`git fsck --dangling` lists it), or delete "
                f"it to start over"
            )
        return tip or ""

    def _rows(self, tree: GitObject) -> _Rows:
        if tree.problem or tree.kind != "tree":
            raise NotesError(
                f"{self._repository.path}: a folder of {self._ref} is {tree.problem or f'a {tree.kind}'}. The "
                f"attempts are intact: fetch the notes from a copy of this repository, or start over with "
                f"`git update-ref -d {self._ref}`"
            )
        rows: _Rows = {}
        data = tree.data
        while data:
            head, _, rest = data.partition(b"\0")
            mode, _, name = head.partition(b" ")
            rows[name.decode("utf-8", "surrogateescape")] = _Row(mode, rest[:20].hex())
            data = rest[20:]
        return rows

    def _texts(self, tree: str, name: str) -> Iterator[str]:
        """The ids of the texts with this name in a tree, in folders or not."""
        rows = self._rows(self._repository.read(tree))
        if name in rows and rows[name].mode != _FOLDER:
            yield rows[name].id
        if (folder := _folder_of(name, rows)) is not None:
            yield from self._texts(folder.id, name[2:])

    def _walk(self) -> Iterator[tuple[str, str]]:
        """Commit id and blob id of every text, breadth first."""
        tip = self._tip()
        level: dict[str, str] = {"": f"{tip}^{{tree}}"} if tip else {}
        while level:
            below: dict[str, str] = {}
            for prefix, tree in zip(level, self._repository.read_all(list(level.values())), strict=True):
                for name, row in self._rows(tree).items():
                    whole = prefix + name
                    if set(name) - set("0123456789abcdef"):
                        continue
                    if row.mode == _FOLDER and len(name) == 2 and len(whole) < _ID:
                        below[whole] = row.id
                    elif row.mode != _FOLDER and len(whole) == _ID:
                        yield whole, row.id
            level = below

    def _grown(self, batch: Batch, tree: str, name: str, line: bytes) -> str:
        """The id of a new tree with one more line under a name."""
        rows = self._rows(self._repository.read(tree)) if tree else {}
        here, folder = rows.get(name), _folder_of(name, rows)
        if (here is None and folder is not None) or (len(name) == _ID and here is None and name[:2] not in rows):
            below = self._grown(batch, folder.id if folder else "", name[2:], line)
            rows[name[:2]] = _Row(_FOLDER, below)
        else:
            rows[name] = _Row(_FILE, batch.add("blob", self._text(here) + line))
        return batch.add("tree", _tree(rows))

    def _text(self, row: _Row | None) -> bytes:
        """The note so far, with a newline at its end."""
        if row is None:
            return b""
        blob = self._repository.read(row.id)
        if blob.problem:
            raise NotesError(
                f"{self._repository.path}: the note to add to is {blob.problem} ({row.id}). Everything else is "
                f"intact: fetch the notes from a copy of this repository, or delete this one with "
                f"`git notes --ref={self._ref.removeprefix('refs/notes/')} remove COMMIT`"
            )
        return blob.data if not blob.data or blob.data.endswith(b"\n") else blob.data + b"\n"


def _folder_of(name: str, rows: Mapping[str, _Row]) -> _Row | None:
    """The folder that would hold a note of this name; None without one."""
    row = rows.get(name[:2])
    return row if row is not None and row.mode == _FOLDER and len(name) > 2 else None


def _tree(rows: Mapping[str, _Row]) -> bytes:
    """Git sorts folders as if their names ended in a slash."""
    named = [(name.encode("utf-8", "surrogateescape"), row) for name, row in rows.items()]
    named.sort(key=lambda item: item[0] + b"/" if item[1].mode == _FOLDER else item[0])
    return b"".join(b"%s %s\0%s" % (row.mode, name, bytes.fromhex(row.id)) for name, row in named)
