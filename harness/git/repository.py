"""A bare repository: opening and creating it, its refs, and who may write.

Owns: how refs are read and written, and the lock that all writers share. Does not know: what an attempt is.

Rules. A ref is written as git does it: `<ref>.lock` is created with O_EXCL, synced and renamed. A create-only ref is
checked under its lock, among loose and packed refs. Every writer holds a shared lock on `packsmith.lock` while it
lives. A process that gets the lock exclusively knows that all temporary objects and ref locks were left by dead
writers, and removes them.
"""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from gitdb.db import LooseObjectDB

from harness.git.command import GitError, GitObject, ObjectReader, run_git, said
from harness.git.disk import sync, write_file
from harness.git.locks import RefLock, Sheet, break_lock, lock_state
from harness.git.refs import PackedRefs
from harness.git.rounds import sweep_passing
from harness.git.store import TEMPORARY, Batch, Passing, is_id

WRITERS_LOCK = "packsmith.lock"
PENDING = "refs/pending"
"""Where refs name passing objects."""
_OUR_REFS = ("refs/heads", "refs/attempts", "refs/elites", PENDING, "refs/advice", "refs/notes")
_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
[gc]
\tauto = 0
\tpruneExpire = never
[maintenance]
\tauto = false
[receive]
\tautogc = false
\tfsckObjects = true
\tunpackLimit = 1
"""
_DEAD_S, _LIVING_S = 5.0, 120.0
"""Age at which a ref's lock is broken: of a dead or unknown writer, and the limit for a living one on a slow disk."""


class Repository:
    """A bare repository. Reading needs no write permission; the first write joins the writers. One thread may write."""

    def __init__(self, path: Path) -> None:
        """Raises GitError where `path` holds no bare repository, or git cannot use it."""
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 (without `..`, but with links as they are)
        if not _is_bare(self.path):
            raise GitError(f"expected a bare git repository at {path}, found one with a work tree")
        self._objects = LooseObjectDB(str(self.path / "objects"))
        self._folder = str(self.path)
        self._reader = ObjectReader(self.path)
        self._writers = -1
        self._packed = PackedRefs(self.path)
        self._in_packs: dict[str, None] = {}
        self._sheet = Sheet(f"{self._folder}/packsmith.{os.getpid():x}_{time.monotonic_ns():x}.sheet")
        """For locks that are only released."""
        self.git("rev-parse", "--is-bare-repository")

    @classmethod
    def create(cls, path: Path, *, head: str) -> Repository:
        """Create a bare repository at `path`, or finish an interrupted creation, as its exclusive writer.

        Other writers wait until `share`. Raises GitError, OSError.
        """
        path.mkdir(parents=True, exist_ok=True)
        writers = os.open(path / WRITERS_LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(writers, fcntl.LOCK_EX)
            for folder in ("objects/info", "objects/pack", "refs/heads"):
                (path / folder).mkdir(parents=True, exist_ok=True)
            for number in range(256):  # so that the first objects need no new folder
                (path / f"objects/{number:02x}").mkdir(exist_ok=True)
            for name, text in (("config", _CONFIG), ("HEAD", f"ref: {head}\n")):
                write_file(path / name, text.encode())
            for folder in ("objects", "refs"):
                sync(path / folder)
            sync(path.absolute().parent)
            repository = cls(path)
            repository._sweep()
        except BaseException:
            os.close(writers)
            raise
        repository._writers = writers
        return repository

    def begin_writing(self) -> None:
        """Join the writers, once; if there is no other, remove what dead writers left behind."""
        if self._writers >= 0:
            return
        writers = os.open(self.path / WRITERS_LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(writers, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sweep()
        except BlockingIOError:
            pass
        except OSError:
            os.close(writers)
            raise
        self._writers = writers
        self.share()

    def share(self) -> None:
        """Let other writers in; waits while another one cleans up."""
        fcntl.flock(self._writers, fcntl.LOCK_SH)

    def close(self) -> None:
        self._reader.close()
        with contextlib.suppress(OSError):
            self._sheet.close()
        if self._writers >= 0:
            os.close(self._writers)
            self._writers = -1

    def git(self, *args: str) -> bytes:
        """The output of `git args` in this repository. Raises GitError with git's own message."""
        done = run_git(f"--git-dir={self.path}", *args)
        if done.returncode != 0:
            raise GitError(f"git {' '.join(args)} failed in {self.path}: {said(done.stderr)}")
        return done.stdout

    def fsck(self) -> tuple[str, ...]:
        """The findings of `git fsck --strict`, line by line; () for a sound repository."""
        done = run_git(f"--git-dir={self.path}", "fsck", "--strict", "--full", "--no-dangling", "--no-progress")
        lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
        findings = tuple(line for line in lines if line and not line.startswith("notice:"))
        return findings or ((f"git fsck ended with status {done.returncode}",) if done.returncode else ())

    @contextlib.contextmanager
    def batch(self) -> Iterator[Batch]:
        """A batch of objects and refs, durable when the block ends. If it raises, unreferenced objects may remain."""
        self.begin_writing()
        batch = Batch(self._objects, self._in_packs)
        try:
            yield batch
            batch.flush()
        except BaseException:
            batch.discard()
            raise

    def read(self, name: str) -> GitObject:
        """The object with this name (an id, or `id:file`)."""
        return next(self.read_all([name]))

    def read_all(self, names: Iterable[str]) -> Iterator[GitObject]:
        """One object per name, in order, in one streamed pass; damaged and missing ones have a `problem`."""
        return self._reader.read_all(names)

    def refs(self, prefix: str) -> dict[str, str]:
        """Name to id of the refs in the folder `prefix`; the id is "" if a ref's file is torn."""
        loose, packed = self.split_refs(prefix)
        return dict(packed) | loose

    def split_refs(self, prefix: str) -> tuple[dict[str, str], Iterator[tuple[str, str]]]:
        """The same in two parts: the loose refs, which are the newest, and those in `packed-refs`, sorted.

        A ref may be in both; the loose one is then valid.
        """
        loose = self._loose(prefix)
        # Loose refs are read first: a ref that is being packed meanwhile is then in at least one part.
        return loose, self._packed.under(prefix)

    def packed_refs(self, prefix: str, since: str) -> Iterator[tuple[str, str]]:
        """Name and id of the refs of a folder that are in `packed-refs`, sorted, from the name `since` on."""
        return self._packed.under(prefix, since)

    def ref(self, name: str) -> str | None:
        """The id of a ref, "" if its file is torn, None if it does not exist."""
        loose = _ref_content(f"{self._folder}/{name}")
        return loose if loose is not None else self._packed.get(name)

    def is_locked(self, name: str) -> bool:
        """Whether a ref is locked, by a living or a dead writer."""
        return os.path.exists(f"{self._folder}/{name}.lock")  # noqa: PTH110 (asked often: see `store`)

    def lock_ref(self, name: str, sheet: Sheet | None = None) -> RefLock | None:
        """The lock of a ref, or None if another writer holds it."""
        self.begin_writing()
        path = f"{self._folder}/{name}"
        while True:
            try:
                return RefLock(path, sheet)
            except FileExistsError:
                return None
            except FileNotFoundError:  # no folder yet, or `git pack-refs` removed an empty one
                folder = Path(path).parent
                folder.mkdir(exist_ok=True)
                sync(folder.parent)

    def reserve(self, name: str, sheet: Sheet | None = None) -> RefLock | None:
        """The lock of a ref that does not exist yet; None if it exists or another writer is creating it."""
        if self.ref(name) is not None:
            return None
        lock = self.lock_ref(name, sheet)
        if lock is not None and self.ref(name) is not None:
            lock.release()
            return None
        return lock

    def set_ref(self, name: str, object_id: str) -> None:
        """Set a ref; durable when this returns. Raises GitError, OSError."""
        with self.wait_for(name) as lock:
            lock.write(object_id)

    def delete_ref(self, name: str) -> None:
        """Delete a ref. Not synced: a ref that reappears after a power cut or by being packed must be harmless."""
        with self.wait_for(name, self._sheet) as lock, contextlib.suppress(FileNotFoundError):
            os.unlink(lock.path)  # noqa: PTH108 (as in `store`)
        if self._packed.get(name) is not None:
            self.git("update-ref", "-d", name)

    def forget(self, passing: Passing, ref: str) -> None:
        """Note that a ref needs its passing objects no more, and remove them if that was the last one.

        They stay if refs were being packed meanwhile, since the ref may reappear; the next exclusive writer removes
        them.
        """
        if passing.leave(stay=self._packed.locked or self._packed.get(ref) == passing.id):
            for path in passing.paths:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)  # noqa: PTH108 (as in `store`)

    def forget_object(self, object_id: str, ref: str) -> None:
        """Remove a loose object that only `ref` named, stored by another process; no other object may be equal to it.

        The object stays while refs are being packed, since the ref may reappear.
        """
        if not self._packed.locked and self._packed.get(ref) != object_id:
            (self.path / "objects" / object_id[:2] / object_id[2:]).unlink(missing_ok=True)

    def _sweep(self) -> None:
        for path in (self.path / "objects").glob(f"{TEMPORARY}*"):
            path.unlink(missing_ok=True)
        for path in self.path.glob("packsmith.*.sheet"):
            path.unlink(missing_ok=True)
        for prefix in _OUR_REFS:
            for folder, _, files in os.walk(f"{self._folder}/{prefix}"):  # git may remove a folder meanwhile
                for name in files:
                    if name.endswith(".lock"):
                        Path(folder, name).unlink(missing_ok=True)
        with contextlib.suppress(GitError):  # a torn `packed-refs` is reported by whoever reads it
            sweep_passing(self.path / "objects/pack", set(self.refs(PENDING).values()))

    def wait_for(self, name: str, sheet: Sheet | None = None) -> RefLock:
        """The lock of a ref; waits until its holder is done or dead. Raises GitError if that takes too long."""
        path, state, since_s = f"{self._folder}/{name}", (-1, -1), 0.0
        while (lock := self.lock_ref(name, sheet)) is None:
            if (current := lock_state(path)) != state:
                state, since_s = current, time.monotonic()
            waited_s = time.monotonic() - since_s
            if waited_s > _DEAD_S and not break_lock(path, state) and waited_s > _LIVING_S:
                raise GitError(
                    f"{self.path / name}.lock has been there for over {_LIVING_S:.0f} s: another process is writing "
                    f"this ref and makes no progress. End or resume that process, and start again"
                )
            time.sleep(0.005)
        return lock

    def _loose(self, prefix: str) -> dict[str, str]:
        refs: dict[str, str] = {}
        for folder, _, files in os.walk(f"{self._folder}/{prefix}"):
            under = folder[len(self._folder) + 1 :]
            for name in files:
                if not name.endswith(".lock") and (content := _ref_content(f"{folder}/{name}")) is not None:
                    refs[f"{under}/{name}"] = content
        return refs


def _is_bare(path: Path) -> bool:
    """Whether the repository at `path` is bare, by its layout and its own config. Raises GitError if none is there.

    GitPython's `Repo` would answer too, but it obeys GIT_DIR, GIT_OBJECT_DIRECTORY and others, as a git hook sets them.
    """
    from git.config import GitConfigParser  # here, because GitPython runs the git command when it is imported

    if (path / ".git").exists():
        return False
    if not ((path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()):
        raise GitError(f"expected a git repository at {path}, found none")
    own = path / "config"
    try:
        with GitConfigParser(str(own), read_only=True, merge_includes=False) as config:
            return own.is_file() and bool(config.getboolean("core", "bare"))
    except (configparser.NoSectionError, configparser.NoOptionError):
        return False
    except (configparser.Error, ValueError, OSError) as error:
        raise GitError(f"expected a git config at {own}, found a file that cannot be read: {error}") from error


def _ref_content(path: Path | str) -> str | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (asked often: see `store`)
            text = file.read(41).decode("ascii", "replace").strip()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    return text if is_id(text) else ""
