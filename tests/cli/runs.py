"""A small search whose outcome does not hang on the machine's mood, and the command as a user runs it.

The toy solver's run time is set by pauses and its balance by how many replicas go to heavy experts: a program, a
careful child and a hasty child all stand on the front. Neither patch applies to the other's child (each makes the
other's SEARCH text ambiguous), so that only a crossover can bring the two together.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIZES = "layers=4,experts=16,replicas=24,groups=1,nodes=1,gpus=8"

SOLVER = '''"""A placement whose balance and run time are set by four constants."""

# EVOLVE-BLOCK-START
import time

import torch

PAUSE_S = 0.01
WASTED = 0


def plan_layer(load, slots, gpus, well):
    """So many spare replicas go where a replica's load is largest, the rest to the lightest expert."""
    share, chosen = load.tolist(), list(range(load.shape[0]))
    for spare in range(slots - len(chosen)):
        at = (max if spare < well else min)(range(load.shape[0]), key=share.__getitem__)
        chosen.append(at)
        share[at] = load[at].item() / chosen.count(at)
    share = [share[expert] for expert in chosen]
    order = sorted(range(slots), key=lambda slot: -share[slot])
    rows = [order[at : at + gpus] for at in range(0, slots, gpus)]
    dealt = [row if turn % 2 == 0 else row[::-1] for turn, row in enumerate(rows)]
    return [chosen[dealt[turn][gpu]] for gpu in range(gpus) for turn in range(len(rows))]


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    layers, experts = weight.shape
    well = PLACED_WELL - WASTED
    plan = torch.tensor([plan_layer(load, num_replicas, num_gpus, well) for load in weight])
    time.sleep(PAUSE_S + EXTRA_S)
    count = torch.zeros(layers, experts, dtype=torch.int64)
    slots = torch.full((layers, experts, num_replicas), -1)
    for layer in range(layers):
        for slot in range(num_replicas):
            expert = int(plan[layer, slot])
            slots[layer, expert, count[layer, expert]] = slot
            count[layer, expert] += 1
    return plan, slots[:, :, : int(count.max())], count


PLACED_WELL = 4
EXTRA_S = 0.0
# EVOLVE-BLOCK-END
'''

HASTY_LINES = "PAUSE_S = 0.01\nWASTED = 0\n"
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
        f'PLACED_WELL = 8\nEXTRA_S = 0.012\nBEFORE = """\n{HASTY_LINES}"""\n',
    ),
    "hasty.patch": patch(
        "hasty",
        "No pause, two replicas wasted.",
        HASTY_LINES,
        f'PAUSE_S = 0.0\nWASTED = 2\nAFTER = """\n{CAREFUL_LINES}"""\n',
    ),
    "broken.patch": patch(
        "broken", "Forgets an expert.", "    time.sleep(PAUSE_S + EXTRA_S)\n", "    plan[plan == 3] = 2\n"
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
objective: {{kind: pareto, epsilon: 0.9}}
judge: {{reference: solver.py, timing: {{budget_s: 0.05, min_pairs: 9}}}}
"""


def write_workshop(folder: Path) -> Path:
    """The files of the small search in a folder, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.yaml").write_text(CONFIG)
    (folder / "solver.py").write_text(SOLVER)
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


def environment(**changes: str | None) -> dict[str, str]:
    """This process's environment without what changes the output, and with changes; None removes a variable."""
    unwanted = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TERM")
    kept: dict[str, str | None] = {key: value for key, value in os.environ.items() if key not in unwanted}
    return {key: value for key, value in {**kept, **changes}.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cli:
    """The command, run in a folder."""

    cwd: Path

    def __call__(self, *args: object, stdin: str | bytes = "", env: dict[str, str] | None = None) -> Done:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [command(), *map(str, args)],
            cwd=self.cwd,
            env=environment() if env is None else env,
            input=data,
            capture_output=True,
            timeout=180,
            check=False,
        )
        return Done(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

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
    """Run the command on a terminal of so many columns: its exit code, and all that appeared there."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execve(command(), [command(), *map(str, args)], environment(TERM="xterm"))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
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
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


def without_escapes(text: str) -> str:
    """A terminal's text without colours and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
