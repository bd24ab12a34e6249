"""A small search whose outcome does not hang on the machine's mood, and the command as a user runs it.

The solver is the shipped `vectorised_greedy.py` with four knobs: pauses set its run time, and its balance follows from
how many spare replicas go to the busiest experts. So a program, a careful child and a hasty child all stand on the
front. Neither patch applies to the other's child (each makes the other's SEARCH text ambiguous), so that only a
crossover can bring the two together.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from evaluator import shipped

PATIENCE_S = 180.0
SIZES = "layers=48,experts=16,replicas=24,groups=1,nodes=1,gpus=8"

KNOBS = {
    "import torch\n": "import time\n\nimport torch\n\nPAUSE_S = 0.003\nWASTED = 0\n",
    "        busiest = replica_load.argmax(axis=1)\n": (
        "        well = replica - num_experts < PLACED_WELL - WASTED\n"
        "        busiest = replica_load.argmax(axis=1) if well else replica_load.argmin(axis=1)\n"
    ),
    "    return phy2log, log2phy": "    time.sleep(PAUSE_S + EXTRA_S)\n    return phy2log, log2phy",
    "# EVOLVE-BLOCK-END": "PLACED_WELL = 4\nEXTRA_S = 0.0\n# EVOLVE-BLOCK-END",
}


def solver() -> str:
    """The source of the solver."""
    source = shipped("programs/eplb/vectorised_greedy.py").read_text()
    for place, knob in KNOBS.items():
        assert source.count(place) == 1, place
        source = source.replace(place, knob)
    return source


HASTY_LINES = "PAUSE_S = 0.003\nWASTED = 0\n"
CAREFUL_LINES = "PLACED_WELL = 4\nEXTRA_S = 0.0\n"


def patch(name: str, description: str, search: str, replace: str) -> str:
    """A reply as a model would send it."""
    return (
        f"<NAME>\n{name}\n</NAME>\n<DESCRIPTION>\n{description}\n</DESCRIPTION>\n<DIFF>\n"
        f"<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n</DIFF>\n"
    )


PATCHES = {
    "careful.patch": patch(
        "careful",
        "All spare replicas to the heaviest experts, taking longer.",
        CAREFUL_LINES,
        f'PLACED_WELL = 8\nEXTRA_S = 0.004\nBEFORE = """\n{HASTY_LINES}"""\n',
    ),
    "hasty.patch": patch(
        "hasty",
        "No pause, two replicas wasted.",
        HASTY_LINES,
        f'PAUSE_S = 0.0\nWASTED = 2\nAFTER = """\n{CAREFUL_LINES}"""\n',
    ),
    "broken.patch": patch(
        "broken", "Forgets an expert.", "    time.sleep(PAUSE_S + EXTRA_S)\n", "    phy2log[phy2log == 0] = 1\n"
    ),
}

CONFIG = f"""
task:
  name: eplb
  cases: [{{name: tiny, {SIZES.replace("=", ": ").replace(",", ", ")}}}]
program: solver.py
device: cpu
seed: 5
proposer: {{kind: catalogue, patches: [careful.patch, hasty.patch, broken.patch]}}
budget: {{attempts: 7}}
search: {{rule: front}}
objective: {{kind: pareto, epsilon: 0.9}}
judge: {{reference: solver.py, held_out: false, timing: {{budget_s: 0.05, min_pairs: 7, duel_s: 0.5}}}}
"""


LOOKED_AT_LATE = frozenset({"STUB_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"})
"""Variables that a command looks at only when it is about to call a model."""

QUICK = ("judge.timing.min_pairs=3", "judge.timing.budget_s=0.01", "judge.timing.duel_s=0.05")
QUICKLY = tuple(part for key in QUICK for part in ("-s", key))
"""Options of a search that is not run for its figures: as few pairs as are allowed."""


def write_workshop(folder: Path) -> Path:
    """The files of the small search in a folder, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.yaml").write_text(CONFIG)
    (folder / "solver.py").write_text(solver())
    for name, text in PATCHES.items():
        (folder / name).write_text(text)
    return folder


def command() -> str:
    """The installed console script."""
    beside = Path(sys.executable).with_name("packsmith")
    found = str(beside) if beside.exists() else shutil.which("packsmith")
    assert found, "the console script is not installed: pip install -e '.[test]'"
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a finished command left."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """The JSON lines of standard output."""
        return [json.loads(line) for line in self.out.splitlines()]


_STARTING = Lock()


def _forks() -> socket.socket:
    """A socket to the process that forks commands, the same for all threads."""
    with _STARTING:
        return _started()[0]


@cache
def _started() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """That socket, and the process, which ends when this one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("forks.py")), str(theirs.fileno()), command()],
            env=environment(OPENBLAS_NUM_THREADS="1"),  # a process that forks is to have one thread
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
        )
    return ours, process


@contextlib.contextmanager
def _forked(
    cwd: Path, words: list[str], env: Mapping[str, str], streams: tuple[int, int, int]
) -> Iterator[Callable[[], int]]:
    """Run a command in a fork of the process that has imported it, with these three streams; yields what waits for its
    end and gives its exit code.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        request = {"arguments": words, "folder": str(cwd), "environment": dict(env)}
        with theirs:
            socket.send_fds(_forks(), [json.dumps(request).encode()], [*streams, theirs.fileno()])
        ours.settimeout(PATIENCE_S)
        pid = int(ours.recv(100))

        def end() -> int:
            try:
                said = ours.recv(100)
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
            assert said, "the process that forks commands is gone"
            return int(said)

        yield end


def environment(**changes: str | None) -> dict[str, str]:
    """This process's environment without what changes the output, and with changes; None removes a variable."""
    unwanted = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TERM")
    kept: dict[str, str | None] = {key: value for key, value in os.environ.items() if key not in unwanted}
    return {key: value for key, value in {**kept, **changes}.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cli:
    """The command, run in a folder."""

    cwd: Path

    def __call__(
        self,
        *args: object,
        stdin: str | bytes = "",
        env: dict[str, str] | None = None,
        afresh: bool = False,
        out: int | None = None,
    ) -> Done:
        """Run a command to its end: `afresh` as its console script, or forked from a process that has imported it.

        A command is always started afresh with another environment, which its import may look at. A search whose
        choices are compared with those of another is to be started afresh, with a hash seed of its own on which no
        choice may hang. `out`: a descriptor that a forked command is to write its results to.
        """
        data = stdin.encode() if isinstance(stdin, str) else stdin
        words = [str(arg) for arg in args]
        usual = environment()
        env = usual if env is None else env
        other = {name for name in usual | env if usual.get(name) != env.get(name)}
        if not afresh and other <= LOOKED_AT_LATE:
            return self._forked(words, data, env, out)
        done = subprocess.run(
            [command(), *words],
            cwd=self.cwd,
            env=env,
            input=data,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Done(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    def _forked(self, words: list[str], data: bytes, env: Mapping[str, str], out: int | None) -> Done:
        with contextlib.ExitStack() as stack:
            given, written, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
            given.write(data)
            given.seek(0)
            streams = given.fileno(), written.fileno() if out is None else out, err.fileno()
            code = stack.enter_context(_forked(self.cwd, words, env, streams))()
            written.seek(0)
            err.seek(0)
            return Done(code=code, out=written.read().decode(), err=err.read().decode())

    def refused(self, *args: object, code: int = 1, **options: Any) -> str:
        """Run a command that has to fail with one clear error, which is returned."""
        done = self(*args, **options)
        assert done.code == code, (done.code, done.out, done.err)
        assert done.out == ""
        assert "Traceback" not in done.err and "bug" not in done.err
        assert done.err.startswith("usage: " if code == 2 else "error: "), done.err
        return done.err


def git(run: Path, *args: str, stdin: str = "") -> str:
    """What a user's git says of a run; it has to succeed."""
    done = subprocess.run(["git", *args], cwd=run, input=stdin.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def on_terminal(cwd: Path, columns: int, *args: object) -> tuple[int, str]:
    """Run the command on a terminal of this many columns: its exit code, and all that appeared there."""
    terminal, other = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with _forked(cwd, [str(arg) for arg in args], environment(TERM="xterm"), (other, other, other)) as end:
        os.close(other)
        seen = b""
        while True:
            try:
                some = os.read(terminal, 1 << 16)
            except OSError:  # how a terminal says that the last one who had it open is gone
                some = b""
            if not some:
                break
            seen += some
        os.close(terminal)
        return end(), seen.decode()


def without_escapes(text: str) -> str:
    """A terminal's text without colours and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def check_width(text: str, columns: int) -> None:
    """No line of what appeared on a terminal is wider, and no figure is cut."""
    lines = [line.rstrip() for line in without_escapes(text).replace("\r", "\n").split("\n")]
    assert max(map(len, lines)) <= columns, max(lines, key=len)
    for cut in ("…]", "[…", "…x"):
        assert cut not in text
