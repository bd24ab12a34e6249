"""Kills a search at random instants and checks that no attempt it printed and no reply it received is lost.

    python tests/benchmarks/kills.py --kills 50 [--offline]

Each round starts the same command, lets it print attempts as JSON lines, and sends SIGKILL to its whole process group
after a random time from its start, or from the first call of a model. After each kill no process of the search may be
alive, `git fsck` must be clean, and every attempt printed so far must be in the archive under its id. At the end the
search continues and `verify` must pass. The target is 0 lost attempts.

The model is a stub, so that each kill finds calls in flight. It records the requests, its replies and
their cost: every reply that was durable at a kill must be in exactly one attempt at the end, every call must be booked
(one that was repeated would not be), and neither the bill nor the bookings may exceed the budget. With --offline the
catalogue proposes instead.
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator.environment import cores, cpu_name
from tests.cli.asking import asking, change, prose, with_key
from tests.cli.runs import PATIENCE_S, Cli, command, git, write_workshop
from tests.stub import Asked, Reply, Stub

LONGEST_S = 3.0
"""A search killed this late has printed some attempts; one killed at once has not even begun."""
LONGEST_ASKING_S, AWAITED = 2.5, 0.7
"""`AWAITED`: the share of rounds that wait for the first call; on a busy machine few others would reach it."""
GRACE_S = 2.0
SEARCH = ("search", "tiny.yaml", "--run", "run", "--json")
ENDLESS = ("-s", "budget.attempts=100000", "-s", "search.rule=random")
"""Parents are any valid programs: the front alone would leave nothing to propose after some dozens of attempts."""
IN_FLIGHT = 8
PRICE = (0.25, 1.0)
"""Dollars per million tokens: a call may cost up to half a cent, and costs an eighth of one."""
LAST_USD = 0.03
"""The budget left for the search after the last kill."""


@dataclass(kw_only=True)
class Tally:
    """What the kills did. `lost`, `unclean`, `survivors`, `failures` and `unbooked` must stay empty.

    `reached`: replies that were durable but not yet archived at a kill; `cut_off`: calls in progress at a kill.
    """

    kills: int = 0
    printed: int = 0
    attempts: int = 0
    lost: list[str] = field(default_factory=list)
    unclean: list[str] = field(default_factory=list)
    survivors: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    slowest_end_s: float = 0.0
    folders_left: int = 0
    reached: int = 0
    cut_off: int = 0
    asked: int = 0
    unbooked: list[str] = field(default_factory=list)
    verified: bool = False

    @property
    def sound(self) -> bool:
        return self.verified and not (self.lost or self.unclean or self.survivors or self.failures or self.unbooked)


class Killer:
    """One run that is killed: the command, its folder for temporary files (which marks its processes), its output."""

    def __init__(self, folder: Path, rng: random.Random, options: Sequence[str] = ENDLESS) -> None:
        self._options = options
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
                [command(), *SEARCH, *self._options],
                cwd=self._cli.cwd,
                env=with_key(TMPDIR=str(self._temporary)),
                stdout=stream,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self._await_moment(process)
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

    def _await_moment(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until it is time to kill."""
        time.sleep(self._rng.uniform(0.05, LONGEST_S))

    def _last(self) -> Sequence[str]:
        """Options of the final search, which runs to its end."""
        return ("-s", f"budget.attempts={max(self.archived(), default=0) + 2}")

    def _alive(self) -> list[str]:
        """Processes of the search: those whose command line names its folder for temporary files."""
        alive = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    line = (process / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self._temporary).encode() in line:
                    alive.append(f"{process.name} {line[-80:]!r}")
        return alive

    def _await_end(self) -> None:
        begin = time.monotonic()
        while (alive := self._alive()) and time.monotonic() - begin < GRACE_S:
            time.sleep(0.01)
        self.tally.slowest_end_s = max(self.tally.slowest_end_s, time.monotonic() - begin)
        self.tally.survivors += alive

    def archived(self) -> dict[int, str]:
        """The attempts in the archive, listed by git only."""
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
        """Let the search continue to its budget, and verify everything."""
        done = self._cli(*SEARCH, *self._options, *self._last(), env=with_key())
        if done.code or self._cli("status", "run", "--json").records[0]["open"]:
            self.tally.failures.append(f"going on to the end: exit code {done.code} {done.err}")
        self.check()
        verified = self._cli("verify", "run")
        self.tally.verified = verified.code == 0
        if verified.code:
            self.tally.failures.append(verified.out + verified.err)
        self.tally.folders_left = sum(entry.is_dir() for entry in self._temporary.iterdir())


class PaidKiller(Killer):
    """The same with a paid model."""

    def __init__(self, folder: Path, rng: random.Random, stub: Stub) -> None:
        prices = (f"models[0].price.input={PRICE[0]}", f"models[0].price.output={PRICE[1]}")
        super().__init__(folder, rng, asking(stub.base_url, *prices, in_flight=IN_FLIGHT, attempts=100_000, repairs=1))
        self._stub = stub
        self._reached: dict[str, str] = {}
        self._budget_usd = 0.0

    def round(self) -> None:
        super().round()
        for ticket, held in self._tickets():
            for turn in held["proposal"]["turns"]:
                self.tally.reached += turn["text"] not in self._reached
                self._reached[turn["text"]] = ticket
            self.tally.cut_off += not held["answered"]

    def _await_moment(self, process: subprocess.Popen[bytes]) -> None:
        before, end = len(self._stub.asked), time.monotonic() + PATIENCE_S
        if self._rng.random() < AWAITED:
            while len(self._stub.asked) == before and process.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
        time.sleep(self._rng.uniform(0.05, LONGEST_ASKING_S))

    def _tickets(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The content of each ticket, read by git only."""
        if self.archived():
            rows = git(self._run, "for-each-ref", "--format=%(refname) %(objectname)", "refs/pending").splitlines()
            for ref, held in map(str.split, rows):
                several = git(self._run, "cat-file", "-t", held).strip() == "tree"
                name = f"{held}:{ref.rpartition('/')[2]}" if several else held
                yield ref, json.loads(git(self._run, "cat-file", "blob", name))

    def _last(self) -> Sequence[str]:
        [status] = self._cli("status", "run", "--json").records
        self._budget_usd = status["booked"]["usd"] + LAST_USD
        return ("-s", f"budget.usd={self._budget_usd!r}")

    def finish(self) -> None:
        super().finish()
        records = [record for record in self._cli("log", "run", "--json").records if record["ticket"]]
        replies = [git(self._run, "show", f"{record['id']}:reply.md") for record in records]
        for text, ticket in self._reached.items():
            copies = sum(reply.count(text) for reply in replies)
            if copies != 1:
                self.tally.lost.append(f"{ticket}: its reply {text[-60:]!r} is archived {copies} times")
        self.tally.asked = len(self._stub.asked)
        self._check_money(records)

    def _check_money(self, records: Sequence[dict[str, Any]]) -> None:
        calls = sum(turn["tries"] for record in records for turn in record["turns"])
        if self.tally.asked > calls:
            self.tally.unbooked.append(f"{self.tally.asked} calls were made and {calls} are booked")
        booked = sum(record["usd"] for record in records)
        bill = self._stub.bill(input_usd_per_million=PRICE[0], output_usd_per_million=PRICE[1])
        if not bill <= booked * (1 + 1e-9) <= self._budget_usd * (1 + 1e-9):
            self.tally.unbooked.append(f"billed {bill}, booked {booked}, of a budget of {self._budget_usd}")


def replies(seed: int) -> Callable[[Asked], Reply]:
    """A different reply to every request, each with its own latency; a third of them are patches."""

    def reply(asked: Asked) -> Reply:
        latency_s = random.Random(f"{seed}/{asked.number}").uniform(0.0, 1.5)
        return Reply(text=(prose if asked.number % 3 else change)(asked.number), latency_s=latency_s)

    return reply


def kill(folder: Path, kills: int, seed: int, *, offline: bool = False) -> Tally:
    """Kill a search `kills` times at random instants; see the module's docstring."""
    with Stub(replies(seed)) as stub:
        rng = random.Random(seed)
        killer = Killer(folder, rng) if offline else PaidKiller(folder, rng, stub)
        for _ in range(kills):
            killer.round()
        killer.finish()
    return killer.tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--offline", action="store_true", help="the catalogue proposes; no model is called")
    parser.add_argument("--quick", action="store_true", help="10 kills")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    options = parser.parse_args()
    kills = 10 if options.quick else options.kills
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="packsmith-kills-") as folder:
        tally = kill(Path(folder), kills, options.seed, offline=options.offline)
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
        print(
            f"reference      {tally.kills} kills, {tally.printed} attempts printed, {tally.reached} replies reached: "
            f"0 of them may be lost, and none of {tally.asked} calls may be unbooked"
        )
    sys.exit(0 if tally.sound else 1)


if __name__ == "__main__":
    main()
