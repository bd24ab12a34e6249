"""Other repositories, through the git command: listing refs, fetching and pushing.

Owns: the environment of such calls, the allowed addresses and transports, git's progress and its error messages.
Does not know: what an archive is, which refs are exchanged.

Other calls of git see none of the user's settings. To reach another machine, git needs their keys, proxies and
credential helpers: so these calls alone get HOME, the agents and helpers that ask for passwords, the proxies, and
the user's and the system's git config. What in a config would change a transfer is set by us: no hooks, no tags, no
pruning, no maintenance, every object checked as it comes in, and no transport but those in `_TRANSPORTS`. Git asks for
a password only where there is a terminal.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.git.command import GitError
from harness.text import one_line, visible

_PASSED_ON = frozenset(
    {
        *("PATH", "TMPDIR", "LD_LIBRARY_PATH", "HOME", "USER", "LOGNAME", "TERM"),
        *("XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),  # where the config is
        *("SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT"),
        *("GIT_ASKPASS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"),  # who asks for a password
        *("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "KRB5CCNAME"),  # where one is kept
        *("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"),
        *("GIT_PROXY_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    }
)
_TRANSPORTS = ("file", "git", "ssh", "http", "https")
_SETTINGS = (
    *("core.hooksPath=/dev/null", "core.alternateRefsCommand=true", "core.logAllRefUpdates=false", "color.ui=false"),
    *("core.fsync=pack,pack-metadata", "gc.auto=0", "maintenance.auto=false", "fetch.writeCommitGraph=false"),
    *("transfer.fsckObjects=true", "fetch.fsckObjects=true", "transfer.unpackLimit=1", "fetch.unpackLimit=1"),
    *("fetch.prune=false", "fetch.pruneTags=false", "fetch.recurseSubmodules=false", "push.recurseSubmodules=no"),
    *("http.lowSpeedLimit=100", "http.lowSpeedTime=120"),
)
_SILENCE_S = 600.0
"""Longest silence of git, in seconds: it reports progress about once a second, but checks received objects silently."""
_ENDING_S = 5.0
_KEPT, _TOLD = 1 << 16, 1000
_PROGRESS = re.compile(
    r"(remote: )?(Enumerating|Counting|Compressing|Delta|Total|Receiving|Resolving|Writing|Unpacking|Checking|"
    r"Updating|Auto packing|From |To )"
)
_DONE = re.compile(r" [*=+-] ")
"""A line per transferred ref: a run may have 100,000."""
_WRITTEN = re.compile(r"Writing objects: 100% .*?, ([\d.]+) (bytes|KiB|MiB|GiB)")
_UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_ADVICE = (
    (
        r"no space left|disk full|quota|file (too large|size limit)",
        "free some space there and run the same command again",
    ),
    (
        r"permission denied \(|could not read (username|password)|authentication|terminal prompts disabled|publickey",
        "see that plain git gets in (`git ls-remote`): an ssh key in your agent, or a credential helper",
    ),
    (
        r"could not resolve|(failed|unable) to connect|connection (refused|timed out|reset)|no route|is unreachable",
        "check the address and the network, and run the same command again",
    ),
    (r"dubious ownership", "that folder is another user's: say that you trust it as git says, and run it again"),
    (
        r"permission denied|read-only file system|unable to create temporary|insufficient permission",
        "see that you may write there, or choose another place",
    ),
    (
        r"not appear to be a git repository|no such repository|not found|does not exist|no such file",
        "see that the address is right, and that there is a repository (packsmith makes one only in a local folder)",
    ),
    (r"transport '.*' not allowed", f"use one of {', '.join(_TRANSPORTS)}"),
    (r"fsck error|index-pack|unpack|corrupt|bad object|missing", "what is there is damaged: run `git fsck` there"),
    (r"rejected|cannot lock ref|failed to push", "the other side refuses, or changed meanwhile: run it again"),
)


class RemoteError(GitError):
    """Another repository cannot be reached, read or written; quotes git on one line, and says what to do."""


class TooLarge(RemoteError):
    """More came from another repository than is accepted."""


class TooLate(RemoteError):
    """A call of git was not done in time, and was ended."""


@dataclass(frozen=True, slots=True)
class Guard:
    """How much may come: in the files of a folder, or else as output."""

    most_bytes: int
    folder: Path | None = None

    def watch(self, output: int) -> None:
        """Raises TooLarge, given the bytes of output so far."""
        came = output
        if self.folder is not None:
            came = 0
            for path in self.folder.iterdir():
                with contextlib.suppress(FileNotFoundError):  # renamed meanwhile
                    came += path.stat().st_size
        if came > self.most_bytes:
            raise TooLarge(f"expected at most {self.most_bytes:,} bytes, and {came:,} came already")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Another repository. `progress` receives git's progress, about once a second, and "" when git starts and may ask
    for a password. `terminal`: git may ask on the terminal.
    """

    address: str
    """For git."""
    shown: str
    """For users: without a password."""
    folder: Path | None
    """The path, if it is on this machine, whether or not it exists."""
    progress: Callable[[str], None] | None = None
    terminal: bool = False
    until_s: float | None = None
    """When calls are given up, by `time.monotonic`; None is never."""

    def refs(self, *patterns: str, most_bytes: int | None = None) -> dict[str, str]:
        """Name to id of all its refs, or of those that match a pattern. Raises RemoteError, also where the list is
        larger than `most_bytes`.
        """
        guard = None if most_bytes is None else Guard(most_bytes)
        out, _ = self._git("ls-remote", "--refs", "--quiet", "--", self.address, *patterns, guard=guard)
        rows = (line.split("\t", 1) for line in out.decode("utf-8", "replace").splitlines())
        refs = {row[1]: row[0] for row in rows if len(row) == 2}
        if any(re.fullmatch(r"[0-9a-f]{40}", id_) is None for id_ in refs.values()):
            raise RemoteError(f"expected a repository of sha1 objects at {self.shown}, found other ids: choose another")
        return refs

    def fetch(
        self, into: Path, refspecs: Sequence[str], *, depth: int | None = None, most_bytes: int | None = None
    ) -> None:
        """Fetch refs and their objects into the repository at `into`, atomically: all history, or this many commits of
        it. Raises RemoteError, also where more than `most_bytes` come.
        """
        options = ["--atomic", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--progress"]
        options += [] if depth is None else [f"--depth={depth}"]
        guard = None if most_bytes is None else Guard(most_bytes, into / "objects" / "pack")
        self._git(f"--git-dir={into}", "fetch", *options, "--", self.address, *refspecs, guard=guard)

    def push(self, source: Path, refspecs: Sequence[str]) -> int:
        """Push refs and their objects from the repository at `source`, atomically. Returns the bytes sent, as git says.

        Raises RemoteError, also if the other side has another object under one of the names.
        """
        options = ("--atomic", "--porcelain", "--progress", "--no-verify", "--no-follow-tags", "--no-signed")
        _, words = self._git(f"--git-dir={source}", "push", *options, "--", self.address, *refspecs)
        written = _WRITTEN.search(words)
        return int(float(written[1]) * _UNITS[written[2]]) if written else 0

    def _git(self, *args: str, guard: Guard | None = None) -> tuple[bytes, str]:
        """Standard output, and the messages on standard error. Raises RemoteError."""
        if self.progress is not None and self.folder is None:
            self.progress("")
        settings = (word for setting in _SETTINGS for word in ("-c", setting))
        environment = _environment(terminal=self.terminal)
        try:
            code, out, words = run_watched(
                *settings,
                *args,
                environment=environment,
                progress=self.progress,
                guard=guard,
                until_s=self.until_s,
            )
        except TooLarge as error:
            raise RemoteError(f"{self.shown}: {error}. Nothing of it was kept") from None
        except TooLate as error:
            raise RemoteError(f"{self.shown}: {error}") from None
        if code == 0:
            return out, words
        refused = [line[2:] for line in out.decode("utf-8", "replace").splitlines() if line.startswith("!\t")]
        told = told_by(words, refused[:3]).replace(self.address, self.shown)
        raise RemoteError(f"{self.shown}: git says: {told}. What to do: {what_to_do(told)}")


def remote(
    text: str, *, progress: Callable[[str], None] | None = None, terminal: bool = False, base: Path | None = None
) -> Remote:
    """A path or an address as a person gives it; a relative path stands in `base`. Raises RemoteError where it could
    be taken for an option, or names a program to be run.
    """
    shown = re.sub(r"//[^/@]*@", "//", visible(text))
    if not text or text.startswith("-") or not text.isprintable():
        raise RemoteError(f"expected a path or an address, found `{shown}`: write ./{shown} for a path of that name")
    if re.match(r"[A-Za-z0-9+.-]*::", text):
        raise RemoteError(
            f"expected a path or an address of {', '.join(_TRANSPORTS)}, found `{shown}`: such an address runs a "
            f"program and is never used"
        )
    folder = (base or Path()) / text
    # As git tells them apart: what has a colon before any slash is an address, unless there is such a path.
    if not os.path.lexists(folder) and re.match(r"[^/]+:", text):
        return Remote(address=text, shown=shown, folder=None, progress=progress, terminal=terminal)
    # An absolute path is neither an option, nor an address, nor the name of a remote in somebody's config.
    path = folder.absolute()
    return Remote(address=str(path), shown=shown, folder=path, progress=progress, terminal=terminal)


def run_watched(
    *args: str,
    environment: dict[str, str],
    progress: Callable[[str], None] | None,
    guard: Guard | None = None,
    until_s: float | None = None,
) -> tuple[int, bytes, str]:
    """`git args` with an eye on it: exit code, standard output, and the lines of standard error, the last ones.

    Where it is interrupted, git is asked to end first, so that it clears up. Raises RemoteError where there is no git,
    or nothing moves, TooLarge where the `guard` says so, and TooLate after `until_s`.
    """
    with tempfile.TemporaryFile() as out:
        try:
            process = subprocess.Popen(
                ["git", *args], env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE
            )
        except FileNotFoundError as error:
            raise RemoteError("expected the command `git`, found none on PATH: install git and start again") from error
        try:
            watch = None if guard is None else lambda: guard.watch(os.fstat(out.fileno()).st_size)
            words = _listen(process, progress, watch, until_s)
        except BaseException:
            _end(process)
            raise
        finally:
            if process.stderr is not None:
                process.stderr.close()
        out.seek(0)
        code = process.wait()
        ended = f"\ngit was ended by signal {-code} ({signal.strsignal(-code)})" if code < 0 else ""
        return code, out.read(), words + ended


def told_by(words: str, refused: Sequence[str] = ()) -> str:
    """The part of git's output that explains the failure, on one line that is safe for a terminal."""
    lines = [line for line in words.splitlines() if line.strip() and not _PROGRESS.match(line)]
    text = " ".join([*refused, *lines]) or "nothing"
    return one_line(text, _TOLD).rstrip(".")


def what_to_do(told: str) -> str:
    """Advice for a message of git's."""
    default = "see that plain git gets there (`git ls-remote`), and run the same command again"
    return next((advice for pattern, advice in _ADVICE if re.search(pattern, told, re.IGNORECASE)), default)


def _environment(*, terminal: bool) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in _PASSED_ON} | {
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": ":".join(_TRANSPORTS),
        "GIT_TERMINAL_PROMPT": "1" if terminal else "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }


def _listen(
    process: subprocess.Popen[bytes],
    progress: Callable[[str], None] | None,
    watch: Callable[[], None] | None = None,
    until_s: float | None = None,
) -> str:
    """All whole lines of standard error, the last ones; what comes between is progress.

    A helper that git leaves behind may keep the pipe open: git's own end is the end.
    """
    assert process.stderr is not None
    pipe, kept, rest, heard_s = process.stderr.fileno(), "", b"", time.monotonic()
    poll = select.poll()  # unlike `select.select` it takes a pipe of any number
    poll.register(pipe, select.POLLIN)
    while True:
        if watch is not None:
            watch()
        if until_s is not None and time.monotonic() > until_s:
            raise TooLate("it did not answer in time")
        if poll.poll(100):
            chunk = os.read(pipe, 1 << 16)
            if not chunk:
                break
            heard_s = time.monotonic()
            *whole, rest = re.split(rb"(?<=[\r\n])", rest + chunk)
            lines = [line.decode("utf-8", "replace") for line in whole]
            whole_lines = "".join(line for line in lines if line.endswith("\n") and not _DONE.match(line))
            kept, rest = (kept + whole_lines)[-_KEPT:], rest[-_KEPT:]
            shown = [line for line in lines if _PROGRESS.match(line)]
            if progress is not None and shown:
                progress(one_line(shown[-1], _TOLD))
        elif process.poll() is not None:
            break
        elif time.monotonic() - heard_s > _SILENCE_S:
            raise RemoteError(
                f"git heard nothing from the other side for {_SILENCE_S:.0f} s: see that it can be reached, and run "
                f"the same command again"
            )
    if watch is not None:
        watch()
    return kept + rest.decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
