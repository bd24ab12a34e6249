"""Git's graph of commits, and work trees of a bare repository.

Owns: these two calls of git, and that nothing in an untrusted repository runs in or controls them.
Does not know: what an attempt is, how objects and refs are written.

Hooks, filters and monitors of the repository are never run: it may be untrusted.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.git.command import GitError, run_git, said
from harness.git.repository import Repository

_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "color.ui=false")
_PLAIN_MODES = ("100644", "100755")
_PLAIN_NAME = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_COMMIT = re.compile(r"([0-9a-f]{40})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphLine:
    """A line of the graph: git's drawing, and the commit on it, "" if the line only joins others."""

    drawing: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A graph as git drew it; the drawing is `width` columns wide."""

    text: str
    width: int

    def lines(self) -> Iterator[GraphLine]:
        return map(_read, self.text.splitlines())


def graph(repository: Path, commits: Iterable[str], without: Iterable[str] = ()) -> Graph:
    """The commits and their ancestors, newest first, `without` others and their ancestors.

    Raises GitError.
    """
    asked = "".join([*(f"{commit}\n" for commit in commits), *(f"^{commit}\n" for commit in without)])
    done = run_git(
        *_QUIET, f"--git-dir={repository}", "rev-list", "--graph", "--date-order", "--stdin", given=asked.encode()
    )
    if done.returncode != 0:
        raise GitError(f"git cannot draw the graph of {repository}: {said(done.stderr)}")
    text = done.stdout.decode("ascii", "replace")
    return Graph(text=text, width=max((len(_read(line).drawing) for line in text.splitlines()), default=0))


def _read(line: str) -> GraphLine:
    match = _COMMIT.search(line)
    drawing = line if match is None else line[: match.start()]
    return GraphLine(drawing=drawing.rstrip(), commit=match[1] if match else "")


def plain_files(repository: Repository, commit: str) -> dict[str, bytes]:
    """The plain files at the top of a commit, by name; names that are special to a shell or to git are left out.

    Raises GitError if one cannot be read.
    """
    files: dict[str, bytes] = {}
    for row in repository.git("ls-tree", "-z", commit).split(b"\0")[:-1]:
        head, _, name = row.partition(b"\t")
        mode, _, object_id = head.decode("ascii").split()
        if mode in _PLAIN_MODES and _PLAIN_NAME.fullmatch(name):
            blob = repository.read(object_id)
            if blob.problem:
                raise GitError(f"{repository.path}: {name.decode()} of {commit[:12]} is {blob.problem}")
            files[name.decode("ascii")] = blob.data
    return files


def add_worktree(repository: Path, folder: Path, commit: str, files: Mapping[str, bytes]) -> None:
    """Make a work tree of a commit, with a detached HEAD and these `files`, in a folder that is new or empty.

    We write the files ourselves: git would obey attributes and create links of an untrusted tree. A work tree that
    cannot be completed is removed. Raises GitError and OSError.
    """
    base = (*_QUIET, f"--git-dir={repository}", "worktree")
    # Forced, because git may still know a deleted work tree of that name.
    done = run_git(*base, "add", "--force", "--quiet", "--detach", "--no-checkout", "--", str(folder), commit)
    if done.returncode != 0:
        raise GitError(f"git cannot make a work tree of {repository} in {folder}: {said(done.stderr)}")
    try:
        for name, data in files.items():
            (folder / name).write_bytes(data)
        # Fill the index, so that `git status` there is clean.
        read = run_git(*_QUIET, "read-tree", "HEAD", cwd=folder)
        if read.returncode != 0:
            raise GitError(f"git cannot read {commit[:12]} into {folder}: {said(read.stderr)}")
    except BaseException:
        run_git(*base, "remove", "--force", "--", str(folder))
        shutil.rmtree(folder, ignore_errors=True)
        raise
