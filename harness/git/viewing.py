"""What git draws and checks out: the graph of commits, and work trees of a bare repository.

Owns: these two calls of git, and that nothing a stranger's repository holds runs or steers them.
Does not know: what an attempt is, how objects and refs are written.

Neither hooks, filters nor monitors of the repository are run: it may be a stranger's.
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
    """A line of the graph: git's drawing, and the commit that stands there, "" where the line only joins others."""

    drawing: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A graph as git drew it, whose drawing takes `width` columns."""

    text: str
    width: int

    def lines(self) -> Iterator[GraphLine]:
        return map(_read, self.text.splitlines())


def graph(repository: Path, commits: Iterable[str], without: Iterable[str] = ()) -> Graph:
    """The commits and all that they were made of, newest first; `without` others, and what those were made of.

    Raises GitError.
    """
    asked = "".join([*(f"{one}\n" for one in commits), *(f"^{one}\n" for one in without)])
    done = run_git(
        *_QUIET, f"--git-dir={repository}", "rev-list", "--graph", "--date-order", "--stdin", given=asked.encode()
    )
    if done.returncode != 0:
        raise GitError(f"git cannot draw the graph of {repository}: {said(done.stderr)}")
    text = done.stdout.decode("ascii", "replace")
    return Graph(text=text, width=max((len(_read(line).drawing) for line in text.splitlines()), default=0))


def _read(line: str) -> GraphLine:
    found = _COMMIT.search(line)
    drawing = line if found is None else line[: found.start()]
    return GraphLine(drawing=drawing.rstrip(), commit=found[1] if found else "")


def plain_files(repository: Repository, commit: str) -> dict[str, bytes]:
    """The files of a commit by name: plain ones at its top, under names that say nothing to a shell or to git.

    Raises GitError where one cannot be read.
    """
    files: dict[str, bytes] = {}
    for row in repository.git("ls-tree", "-z", commit).split(b"\0")[:-1]:
        head, _, name = row.partition(b"\t")
        mode, _, object_id = head.decode("ascii").split()
        if mode in _PLAIN_MODES and _PLAIN_NAME.fullmatch(name):
            found = repository.read(object_id)
            if found.problem:
                raise GitError(f"{repository.path}: {name.decode()} of {commit[:12]} is {found.problem}")
            files[name.decode("ascii")] = found.data
    return files


def add_worktree(repository: Path, folder: Path, commit: str, files: Mapping[str, bytes]) -> None:
    """Make a work tree of a commit in a folder that is new or empty, its HEAD detached; there are `files` in it.

    The files are written by us and not by git, which would follow the attributes and make the links that a stranger's
    tree may hold. Where it cannot be made whole, what was there of it is removed. Raises GitError and OSError.
    """
    base = (*_QUIET, f"--git-dir={repository}", "worktree")
    # Forced, because a work tree that was there before and is deleted would be in the way.
    done = run_git(*base, "add", "--force", "--quiet", "--detach", "--no-checkout", "--", str(folder), commit)
    if done.returncode != 0:
        raise GitError(f"git cannot make a work tree of {repository} in {folder}: {said(done.stderr)}")
    try:
        for name, data in files.items():
            (folder / name).write_bytes(data)
        # The index, so that `git status` there knows what was checked out.
        read = run_git(*_QUIET, "read-tree", "HEAD", cwd=folder)
        if read.returncode != 0:
            raise GitError(f"git cannot read {commit[:12]} into {folder}: {said(read.stderr)}")
    except BaseException:
        run_git(*base, "remove", "--force", "--", str(folder))
        shutil.rmtree(folder, ignore_errors=True)
        raise
