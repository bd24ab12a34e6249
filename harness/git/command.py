"""Calls of the `git` command, in a controlled environment.

Owns: that environment, and the streamed reading of objects. Does not know: how objects and refs are written.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from harness.types import HarnessError

_PASSED_ON = ("PATH", "TMPDIR", "LD_LIBRARY_PATH")
_FIXED = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
_WINDOW = 256
"""Names sent to `cat-file` at once: they fit a pipe's buffer, so there is no deadlock."""
_KILLS = 4
"""After this many kills from outside, the object being read counts as damaged."""


class GitError(HarnessError):
    """Git is missing or refuses a repository; quotes git."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitObject:
    """An object that was read by name; with a `problem`, it could not be, and the rest is empty."""

    name: str
    id: str = ""
    kind: str = ""
    data: bytes = b""
    problem: str = ""


def said(stderr: bytes) -> str:
    """Git's own message on one line."""
    return " ".join(stderr.decode("utf-8", "replace").split()) or "git said nothing"


def run_git(*args: str, cwd: Path | None = None, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run `git args`, with `given` as standard input; returns any exit status. Raises GitError without git.

    With an explicit `--git-dir`, git checks neither who owns the repository nor whether it is bare.
    """
    try:
        return subprocess.run(
            ["git", *args], cwd=cwd, env=cleaned_environment(), input=given, capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise GitError("expected the command `git` on PATH, found none: install git and start again") from error


def git_process(*args: str, repository: Path, kept_open: int, options: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    """Start `git args` on a repository in the background, at low priority; its three streams are pipes.

    It inherits the descriptor `kept_open`, and so its lock, until it ends. It has its own session, so Ctrl-C does not
    reach it.
    """
    return subprocess.Popen(
        ["nice", "-n", "10", "git", f"--git-dir={repository}", *options, *args],
        env=cleaned_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(kept_open,),
        start_new_session=True,
    )


def python_process(code: str, *args: str) -> subprocess.Popen[bytes]:
    """Run our own Python code in the background, detached: low priority, no streams, its own session."""
    ours = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        ["nice", "-n", "10", sys.executable, "-P", "-s", "-c", code, *args],
        env=cleaned_environment() | {"PYTHONPATH": str(ours)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


class ObjectReader:
    """One `git cat-file --batch` process, restarted if a damaged object ends it. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._lock = threading.Lock()

    def read_all(self, names: Iterable[str]) -> Iterator[GitObject]:
        """One object per name, in order. A caller may stop early: no answer is left in the pipe."""
        remaining = iter(names)
        while window := list(islice(remaining, _WINDOW)):
            with self._lock:
                objects = self._window(window)
            yield from objects

    def close(self) -> None:
        with self._lock:
            self._end()

    def _window(self, names: list[str]) -> list[GitObject]:
        objects: list[GitObject] = []
        kills = 0
        while len(objects) < len(names):
            asked, fresh, before = names[len(objects) :], self._process is None, len(objects)
            try:
                self._ask(asked, objects)
            except (BrokenPipeError, EOFError):
                killed, words = self._killed(), self._end()
                kills += killed
                # An object is damaged if a new process dies of it. A process killed from outside proves nothing, unless
                # that repeats: the object may exhaust the memory.
                if fresh and len(objects) == before and (not killed or kills > _KILLS):
                    objects.append(GitObject(name=asked[0], problem=f"damaged ({words})"))
            except BaseException:
                self._end()
                raise
        return objects

    def _ask(self, names: list[str], objects: list[GitObject]) -> None:
        process = self._process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("".join(f"{name}\n" for name in names).encode())
        process.stdin.flush()
        for name in names:
            objects.append(_answer(process.stdout, name))

    def _start(self) -> subprocess.Popen[bytes]:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        # In its own session, so that Ctrl-C does not end it: the current attempt may still need it.
        return subprocess.Popen(
            ["git", f"--git-dir={self._path}", "cat-file", "--batch"],
            env=cleaned_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
        )

    def _killed(self) -> bool:
        """Whether the process, whose output is closed, was killed from outside."""
        assert self._process is not None
        try:
            return self._process.wait(1.0) in (-signal.SIGKILL, -signal.SIGTERM)
        except subprocess.TimeoutExpired:
            return False

    def _end(self) -> str:
        process, self._process = self._process, None
        stderr, self._stderr = self._stderr, None
        if process is None or stderr is None:
            return ""
        process.kill()
        process.communicate()
        with stderr:
            stderr.seek(0)
            return said(stderr.read())


def cleaned_environment() -> dict[str, str]:
    """An allow-list of variables: no GIT_* variable, no user's or system's config and no key gets through."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _FIXED


def _answer(pipe: IO[bytes], name: str) -> GitObject:
    header = pipe.readline()
    if not header.endswith(b"\n"):
        raise EOFError
    words = header.split()
    if len(words) != 3 or not words[2].isdigit():
        problem = "missing or torn" if words[-1:] == [b"missing"] else words[-1].decode("utf-8", "replace")
        return GitObject(name=name, problem=problem)
    size = int(words[2])
    data = pipe.read(size + 1)
    if len(data) != size + 1:
        raise EOFError
    return GitObject(name=name, id=words[0].decode("ascii"), kind=words[1].decode("ascii"), data=data[:-1])
