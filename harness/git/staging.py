"""The staging repository of an exchange: a temporary bare one that borrows the objects of another.

Owns: creating it, its refs, merging notes, writing a bundle, and moving its objects to another repository.
Does not know: what an archive is, how another machine is reached (`remote`).

Nothing is sent from, or fetched into, a run's own repository. So its config and hooks, which may be untrusted, and its
private refs have no part in an exchange; what is sent is a snapshot while others write to the run; and what comes in is
checked before the run changes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from harness.git.command import GitError, cleaned_environment, run_git, said
from harness.git.disk import settle
from harness.git.remote import RemoteError, run_watched, told_by, what_to_do
from harness.git.repository import WRITERS_LOCK, Repository
from harness.git.store import IDENTITY

_OURS, _THEIRS, _SIFTED = "refs/notes/merge-ours", "refs/notes/merge-theirs", "refs/notes/sifted"
_IDENTITY = ("-c", "user.name=packsmith", "-c", "user.email=packsmith@localhost")
_STRAY_S = 3600.0


class Staging:
    """A bare repository that holds exactly the refs it was given."""

    def __init__(self, path: Path, *, head: str, borrowed: Path | None = None, lasting: bool = False) -> None:
        """Create it in a new or empty folder. It may use the objects of the repository `borrowed`. With `lasting`, it
        is durable and can become a run.
        """
        self.path = path.absolute()
        if lasting:
            self.repository = Repository.create(self.path, head=head)
            self.repository.share()
        else:
            self.repository = _make(self.path, head)
        if borrowed is not None:
            # Quoted for git, so that a path may contain any byte.
            objects = os.fsencode(borrowed.absolute() / "objects")
            quoted = b"".join(b"\\%03o" % byte if byte in b'"\\\n' else bytes([byte]) for byte in objects)
            (self.path / "objects/info/alternates").write_bytes(b'"%s"\n' % quoted)

    def close(self) -> None:
        self.repository.close()

    def hold(self, refs: Mapping[str, str]) -> None:
        """Set the refs to these and no others, in one packed file."""
        rows = sorted((name.encode(), id_.encode()) for name, id_ in refs.items())
        lines = b"".join(b"%s %s\n" % (id_, name) for name, id_ in rows)
        new = self.path / "packed-refs.new"
        new.write_bytes(b"# pack-refs with: peeled fully-peeled sorted \n" + lines)
        new.replace(self.path / "packed-refs")
        shutil.rmtree(self.path / "refs")
        (self.path / "refs/heads").mkdir(parents=True)

    def shed(self, refs: Mapping[str, str]) -> None:
        """Set the refs to these and no others, and drop received objects that they do not reach. Raises GitError."""
        self.hold(refs)
        done = run_git(f"--git-dir={self.path}", "repack", "-a", "-d", "-l", "-q", "--no-write-bitmap-index")
        if done.returncode != 0:
            raise GitError(f"git cannot pack what was received: {said(done.stderr)}")

    def merged_notes(self, ours: str, theirs: str) -> str:
        """The commit of notes with the lines of both sides, each once; `theirs` if it has all of ours already.

        Raises GitError.
        """
        self.repository.set_ref(_OURS, ours)
        self.repository.set_ref(_THEIRS, theirs)
        merge = ("merge", "-q", "-s", "cat_sort_uniq", _THEIRS)
        done = run_git(*_IDENTITY, f"--git-dir={self.path}", "notes", f"--ref={_OURS}", *merge)
        merged = self.repository.ref(_OURS)
        if done.returncode != 0 or not merged:
            raise GitError(f"git cannot merge the notes of both sides: {said(done.stderr)}")
        for ref in (_OURS, _THEIRS):
            self.repository.delete_ref(ref)
        return merged

    def notes_of(self, texts: Mapping[str, bytes]) -> str:
        """The commit of notes with exactly these texts by commit, the same for the same texts. Raises GitError."""
        parts = [f"commit {_SIFTED}\ncommitter {IDENTITY} 0 +0000\ndata 5\nNotes\n".encode()]
        for commit, text in sorted(texts.items()):
            parts.append(b"N inline %s\ndata %d\n%s\n" % (commit.encode(), len(text), text))
        done = run_git(f"--git-dir={self.path}", "fast-import", "--quiet", given=b"".join(parts))
        made = self.repository.ref(_SIFTED)
        if done.returncode != 0 or not made:
            raise GitError(f"git cannot write the notes that were accepted: {said(done.stderr)}")
        self.repository.delete_ref(_SIFTED)
        return made

    def check(self) -> None:
        """Check every received object with `git index-pack --strict`: git does not do so for bundles.

        Raises GitError.
        """
        for pack in sorted((self.path / "objects/pack").glob("pack-*.pack")):
            done = run_git(
                f"--git-dir={self.path}", "index-pack", "--strict", "-o", f"{self.path}/checked.idx", str(pack)
            )
            if done.returncode != 0:
                raise GitError(f"git finds bad objects in it: {told_by(said(done.stderr))}")

    @property
    def size_bytes(self) -> int:
        """The size of the received packs, in bytes."""
        return sum(path.stat().st_size for path in (self.path / "objects/pack").glob("pack-*.pack"))

    def hand_over(self, objects: Path) -> None:
        """Move all objects into another repository on the same disk; durable when this returns."""
        moved: list[str] = []
        packs = self.path / "objects/pack"
        for suffix in ("pack", "rev", "idx"):  # the index last: git finds packs by it
            for path in sorted(packs.glob(f"pack-*.{suffix}")):
                path.rename(objects / "pack" / path.name)
                moved.append(str(objects / "pack" / path.name))
        folders = {str(objects), str(objects / "pack")}
        for path in sorted(self.path.glob("objects/[0-9a-f][0-9a-f]/*")):
            _rename(path, objects / path.parent.name / path.name)
            moved.append(str(objects / path.parent.name / path.name))
            folders.add(str(objects / path.parent.name))
        settle([*moved, *folders], str(objects))

    def settle(self) -> None:
        """Sync the whole repository to disk."""
        paths = [path for path in self.path.rglob("*") if path.is_dir() or path.stat().st_size]
        settle([str(self.path), *map(str, paths)], str(self.path))

    def bundle(self, file: Path, progress: Callable[[str], None] | None) -> None:
        """Write all refs and their objects into one file, whole or not at all. Raises RemoteError."""
        part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        try:
            code, _, words = run_watched(
                f"--git-dir={self.path}",
                "bundle",
                "create",
                "--progress",
                str(part),
                "--all",
                environment=cleaned_environment(),
                progress=progress,
            )
            if code != 0:
                told = told_by(words)
                raise RemoteError(f"{file}: git says: {told}. What to do: {what_to_do(told)}")
            settle([str(part)], str(file.parent))
            part.replace(file)
            settle([str(file.parent)], str(file.parent))
        finally:
            part.unlink(missing_ok=True)
            part.with_name(f"{part.name}.lock").unlink(missing_ok=True)


def _make(path: Path, head: str) -> Repository:
    """A repository that need not outlive this process: created without syncing."""
    lock = os.open(path / WRITERS_LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)  # others see by it that we live
        for folder in ("objects/info", "objects/pack", "refs/heads"):
            (path / folder).mkdir(parents=True)
        (path / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
        (path / "HEAD").write_text(f"ref: {head}\n")
        repository = Repository(path)
        repository.begin_writing()
        return repository
    finally:
        os.close(lock)


@contextlib.contextmanager
def staged(
    parent: Path, stem: str, *, head: str, borrowed: Path | None = None, lasting: bool = False
) -> Iterator[Staging]:
    """A staging repository in a folder of `parent` whose name begins with `stem`; deleted afterwards, unless moved.

    Such folders of dead processes are deleted first.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for path in parent.iterdir():
        if path.name.startswith(stem):
            _remove_if_dead(path)
    path = parent / f"{stem}{secrets.token_hex(4)}"
    path.mkdir()
    try:
        staging = Staging(path, head=head, borrowed=borrowed, lasting=lasting)
        try:
            yield staging
        finally:
            staging.close()
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _remove_if_dead(path: Path) -> None:
    """Delete a staging folder whose creator is dead. The creator holds a lock on a file in it; without that file, its
    creation just began, or a git process wrote there after the folder was deleted.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, BlockingIOError, PermissionError):
        if not (path / WRITERS_LOCK).exists():
            if time.time() - path.stat().st_mtime > _STRAY_S:
                shutil.rmtree(path, ignore_errors=True)
            return
        descriptor = os.open(path / WRITERS_LOCK, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)


def _rename(path: Path, target: Path) -> None:
    """Move an object; `git prune-packed` may remove the target's folder meanwhile."""
    while True:
        try:
            path.rename(target)
            return
        except FileNotFoundError:
            if not path.exists():
                raise
            target.parent.mkdir(exist_ok=True)
