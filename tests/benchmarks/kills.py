"""Kills a search at random instants and checks that nothing it ever printed is lost.

    python tests/benchmarks/kills.py --kills 50

Each round starts the same command, lets it print attempts as JSON lines, and sends SIGKILL to its whole process group
after a random time. After each kill no process of the search may be alive, `git fsck` has to be clean, and every
attempt printed so far has to stand in the archive under its id; at the end the search goes on and `verify` passes.
The archive is the only reference: a search that keeps everything loses 0 attempts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator.environment import cores, cpu_name
from tests.cli.runs import Cli, command, environment, git, write_workshop

LONGEST_S = 3.0
"""A search killed this late has printed some attempts; one killed at once has not even begun."""
GRACE_S = 2.0
ENDLESS = ["search", "tiny.yaml", "--run", "run", "--json", "-s", "budget.attempts=100000", "-s", "search.rule=random"]
"""Parents from everywhere: those of the front alone would leave nothing to propose after some dozens of attempts."""


@dataclass(kw_only=True)
class Tally:
    """What the kills did. `lost`, `unclean`, `survivors` and `failures` are to stay empty."""

    kills: int = 0
    printed: int = 0
    attempts: int = 0
    lost: list[str] = field(default_factory=list)
    unclean: list[str] = field(default_factory=list)
    survivors: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    slowest_end_s: float = 0.0
    folders_left: int = 0
    verified: bool = False

    @property
    def sound(self) -> bool:
        return self.verified and not (self.lost or self.unclean or self.survivors or self.failures)


class Killer:
    """One run under fire: the command, its folder for temporary files (which marks its processes), what it printed."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._cli = Cli(cwd=write_workshop(folder / "workshop"))
        self._run = self._cli.cwd / "run"
        self._temporary = folder / "temporary"
        self._temporary.mkdir()
        self._rng = rng
        self._printed: dict[int, str] = {}
        self.tally = Tally()

    def round(self) -> None:
        """Start the search, kill it, check."""
        out = self._temporary.with_name("out")
        with out.open("wb") as stream:
            process = subprocess.Popen(
                [command(), *ENDLESS],
                cwd=self._cli.cwd,
                env=environment(TMPDIR=str(self._temporary)),
                stdout=stream,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            time.sleep(self._rng.uniform(0.05, LONGEST_S))
            if process.poll() is not None:
                assert process.stderr is not None
                self.tally.failures.append(f"ended by itself: {process.stderr.read().decode()}")
            else:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.tally.kills += 1
        self._await_end()
        whole = [line for line in out.read_text().splitlines(keepends=True) if line.endswith("\n")]
        self._printed |= {record["number"]: record["id"] for record in map(json.loads, whole) if "number" in record}
        self.check()

    def _alive(self) -> list[str]:
        """Processes of the search: those that know its folder for temporary files."""
        found = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    line = (process / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self._temporary).encode() in line:
                    found.append(f"{process.name} {line[-80:]!r}")
        return found

    def _await_end(self) -> None:
        begin = time.monotonic()
        while (alive := self._alive()) and time.monotonic() - begin < GRACE_S:
            time.sleep(0.01)
        self.tally.slowest_end_s = max(self.tally.slowest_end_s, time.monotonic() - begin)
        self.tally.survivors += alive

    def archived(self) -> dict[int, str]:
        """The attempts in the archive as git alone lists them."""
        if not (self._run / "refs" / "heads" / "seed").exists():
            return {}
        rows = git(self._run, "for-each-ref", "--format=%(refname) %(objectname)", "refs/attempts").splitlines()
        return {int(ref.rpartition("/")[2]): commit for ref, commit in map(str.split, rows)}

    def check(self) -> None:
        """Compare what was printed with what is archived, and have git check the repository."""
        held = self.archived()
        self.tally.attempts, self.tally.printed = len(held), len(self._printed)
        lost = {f"attempt {number} {commit}" for number, commit in self._printed.items() if held.get(number) != commit}
        self.tally.lost += sorted(lost - set(self.tally.lost))
        if held:
            done = subprocess.run(
                ["git", "fsck", "--strict", "--full", "--no-dangling"], cwd=self._run, capture_output=True, check=False
            )
            if done.returncode or done.stdout or done.stderr:
                self.tally.unclean.append((done.stdout + done.stderr).decode())

    def finish(self) -> None:
        """The search goes on to a budget, and everything verifies."""
        budget = max(self.archived(), default=0) + 2
        done = self._cli("search", "tiny.yaml", "--run", "run", "-s", f"budget.attempts={budget}", "--json")
        if done.code or budget not in self.archived():
            self.tally.failures.append(f"going on to {budget} attempts: exit code {done.code} {done.err}")
        self.check()
        verified = self._cli("verify", "run")
        self.tally.verified = verified.code == 0
        if verified.code:
            self.tally.failures.append(verified.out + verified.err)
        self.tally.folders_left = sum(entry.is_dir() for entry in self._temporary.iterdir())


def kill(folder: Path, kills: int, seed: int) -> Tally:
    """Kill a search so often at random instants; see the module's text."""
    killer = Killer(folder, random.Random(seed))
    for _ in range(kills):
        killer.round()
    killer.finish()
    return killer.tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="10 kills")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    options = parser.parse_args()
    kills = 10 if options.quick else options.kills
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="packsmith-kills-") as folder:
        tally = kill(Path(folder), kills, options.seed)
    figures = {
        **asdict(tally),
        "sound": tally.sound,
        "seconds": round(time.monotonic() - begin, 1),
        "machine": f"{cpu_name()}, {cores()} cores, Linux {platform.release()}",
    }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<14} {value}")
        print(f"reference      {tally.kills} kills, {tally.printed} attempts printed: 0 of them may be lost")
    sys.exit(0 if tally.sound else 1)


if __name__ == "__main__":
    main()
