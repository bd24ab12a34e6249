"""The speed of the search loop, with a model that answers at once, and with an endpoint that takes 2 s.

    python tests/benchmarks/loop.py [--quick] [--json]

`attempts_per_s_at_N`: attempts a second round attempt N, with a scripted model without latency and a judge that only
reads a number out of the program. Prompts are rendered, replies parsed and applied, everything is durable in the
archive before it counts. Also printed: how many successive `fsync` calls a second this disk allows.

`ideal_share_K`: K calls in flight, 2 s latency, the real client over real sockets to a stub in another process, the
same judge. The ideal is K attempts every 2 s; the share is taken between the first K and the last K attempts.
`memory_mb` is the most memory that process held. Each part runs in a fresh process.

`command_share_16` is the same share of the command itself, `packsmith search configs/eplb.yaml` with a key and a
model's name, whose replies are prose: they are refused before they are judged, as no judge keeps up with eight a
second. `command_memory_mb` is the most memory the command's process held. Not with --quick.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator import TASKS, Duel, Rejected, Verdict
from evaluator import Progress as Judging
from harness.archive import Archive
from harness.cli import build
from harness.llm import Model, Models
from harness.llm.ledger import Bound, OverBudget
from harness.llm.model import Price
from harness.patch import apply_reply
from harness.prompt import read_templates
from harness.proposers import PROPOSERS, Proposer, ProposerOptions
from harness.proposers.base import Contender
from harness.search import SearchSetup, search
from harness.search.budget import Budget
from harness.search.calls import Again, Done
from harness.select import Pareto, pick_front
from harness.turns import with_turn
from harness.types import Attempt, Candidate, Entry, Proposal, Request, Turn, Usage
from tests.benchmarks import machine
from tests.cli.runs import SIZES, command
from tests.harness.builders import duel, scored
from tests.stub import spawned

TARGETS: Mapping[str, str] = {
    "attempts_per_s_at_100": ">= 2.2 times 569cd2e (turns.py); best peers, not durable: 202, 192, 145",
    "attempts_per_s_at_10000": ">= 2.7 times 569cd2e (turns.py); best peers, not durable: 18, 192, 36",
    "ideal_share_16": ">= 0.95",
    "ideal_share_256": ">= 0.90",
    "memory_mb": "< 150",
    "command_share_16": ">= 0.95",
    "command_memory_mb": "< 150",
}
LATENCY_S = 2.0
WINDOW = 200
"""The number of attempts that a rate is taken over, such as attempts 100 to 300."""
LONG = 10_000
FLYING = 16
"""Calls in flight if the model has no latency."""
MODEL = "scripted-1"
PROGRAM = """\
# EVOLVE-BLOCK-START
import torch

STEPS = [
    0,
    # next step
]


def rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus):
    return sum(STEPS)


# EVOLVE-BLOCK-END
"""


def reply(number: int) -> str:
    """A patch that applies to every program of the benchmark, and makes a different program for each number."""
    return (
        f"<NAME>\nstep_{number}\n</NAME>\n<DESCRIPTION>\nOne more step, {number}, after those that are there.\n"
        f"</DESCRIPTION>\n<DIFF>\n<<<<<<< SEARCH\n    # next step\n=======\n    {number},\n    # next step\n"
        ">>>>>>> REPLACE\n</DIFF>\n"
    )


class NumberJudge:
    """Scores a program by its last number, through a fixed pseudo-random map; all are equally fast. So program n is the
    best of the first n, and becomes a parent, about as often as in a search: with probability 1/n.
    """

    def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict:
        number = int(re.findall(r"^    (\d+),$", source, re.MULTILINE)[-1])
        return scored(0.5 + (number * 2_654_435_761 % 2**32) / 2**34 * (number > 0), 1.0)

    def compare(
        self,
        source: str,
        other: str,
        *,
        level: float,
        other_name: str = "",
        progress: Callable[[Judging], None] | None = None,
        **_: object,
    ) -> Duel | Rejected:
        return duel(1.0, level=level)


class ScriptedModels:
    """Answers every request at once, from a thread of its own, with the next patch."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._asked: queue.SimpleQueue[tuple[int, Done] | None]
        self._asked = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._answer, name="scripted models")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._asked.put(None)
        self._thread.join()

    def bound(self, request: Request) -> Bound:
        return Bound()

    def refusal(self, bound: Bound) -> OverBudget | None:
        return None

    def submit(self, ticket: int, request: Request, done: Done, again: Again) -> None:
        self._asked.put((ticket, done))

    def _answer(self) -> None:
        while (asked := self._asked.get()) is not None:
            ticket, done = asked
            self._next += 1
            done(ticket, Turn(text=reply(self._next), model=MODEL, usage=Usage(input_tokens=1000, output_tokens=60)))


def proposer() -> Proposer:
    """The real one, with the shipped prompts."""
    task = TASKS["eplb"]({"cases": [{"name": "tiny", **{k: int(v) for k, v in _sizes()}}]})
    options = ProposerOptions(models=(Contender(name=MODEL),), templates=read_templates(), task=task)
    return PROPOSERS["llm"](options)


def _sizes() -> Iterator[tuple[str, str]]:
    for part in SIZES.split(","):
        key, _, value = part.partition("=")
        yield key, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """When the attempts of a search were archived, in seconds from its start, and the most memory the process held."""

    numbers: tuple[int, ...]
    at_s: tuple[float, ...]
    memory_mb: float

    def rate(self, first: int, count: int) -> float:
        """Attempts a second from number `first` on."""
        at = self.numbers.index(first)
        return count / (self.at_s[at + count] - self.at_s[at])


def searched(archive: Archive, models: Any, *, attempts: int, in_flight: int) -> Iterator[Entry]:
    """Search until this many attempts are archived."""
    setup = SearchSetup(
        judges=[NumberJudge()],
        proposer=proposer(),
        selector=pick_front,
        objective=Pareto(),
        budget=Budget(attempts=attempts),
        seed=0,
        models=models,
        in_flight=in_flight,
    )
    return search(archive, setup)


def timed_search(archive: Archive, models: Any, *, attempts: int, in_flight: int) -> Timed:
    """The same, timed."""
    numbers, at_s = [], []
    begin = time.monotonic()
    for entry in searched(archive, models, attempts=attempts, in_flight=in_flight):
        numbers.append(entry.number)
        at_s.append(time.monotonic() - begin)
    return Timed(numbers=tuple(numbers), at_s=tuple(at_s), memory_mb=memory_mb())


def memory_mb() -> float:
    """The most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def create(folder: Path) -> Archive:
    return Archive.create(folder, seed_source=PROGRAM, config={"task": "benchmark"})


def without_latency(folder: Path, attempts: int) -> Timed:
    """Part one, in this process: extend the archive at `folder` to this many attempts."""
    archive = Archive.open(folder) if Archive.exists(folder) else create(folder)
    with archive, ScriptedModels(first=archive.next_number) as models:
        return timed_search(archive, models, attempts=attempts, in_flight=FLYING)


def endless(folder: Path) -> Iterator[Entry]:
    """The same as `without_latency`, in an archive that is there, for ever."""
    with Archive.open(folder) as archive, ScriptedModels(first=archive.next_number) as models:
        yield from searched(archive, models, attempts=10**9, in_flight=FLYING)


def command_share(folder: Path, in_flight: int, waves: int) -> dict[str, float]:
    """The share reached by the command itself: see the module's docstring."""
    text = folder / "prose"
    text.write_text("I would rather not change anything.\n")
    options = ["task.cases=[hier-ep32]", "judge.timing.budget_s=0.1", "device=cpu", "proposer.repairs=0"]
    options += [
        "budget.patience=null",
        f"models[0].name={MODEL}",
        f"search.in_flight={in_flight}",
        f"budget.attempts={waves * in_flight}",
    ]
    at_s: list[float] = []
    with spawned(latency_s=LATENCY_S, replies=[text]) as stub:
        process = subprocess.Popen(
            [
                *(command(), "search", "configs/eplb.yaml", "--run", str(folder / "command"), "--json"),
                *(part for option in options for part in ("-s", option)),
            ],
            env={**os.environ, "OPENAI_API_KEY": "sk-of-the-benchmark", "OPENAI_BASE_URL": stub.base_url},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for number in range(waves * in_flight + 1):
            process.stdout.readline()
            at_s.append(time.monotonic())
            if number == waves * in_flight - in_flight:  # calls are still in flight, so the process still exists
                status = Path(f"/proc/{process.pid}/status").read_text()
        process.stdout.read()
        process.wait()
    count = (waves - 2) * in_flight
    return {
        f"command_share_{in_flight}": count / (at_s[in_flight + count] - at_s[in_flight]) * LATENCY_S / in_flight,
        "command_memory_mb": int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024,
    }


def with_latency(folder: Path, base_url: str, in_flight: int, waves: int) -> Timed:
    """Part two, in this process: this many replies for each call in flight, from a stub."""
    build()  # loads what the command's process loads
    model = Model(name=MODEL, base_url=base_url, price=Price(input=1, output=4), max_output_tokens=1000)
    budget = Budget(attempts=waves * in_flight, usd=1e6)
    with create(folder) as archive, Models([model], budget.ledger()) as models:
        return timed_search(archive, models, attempts=waves * in_flight, in_flight=in_flight)


def fsyncs_per_s(folder: Path, count: int = 200) -> float:
    """How many small files a second this disk takes, each synced, one after another: what durability costs."""
    begin = time.monotonic()
    for number in range(count):
        with (folder / f"sync-{number}").open("wb") as stream:
            stream.write(b"x" * 500)
            stream.flush()
            os.fsync(stream.fileno())
    return count / (time.monotonic() - begin)


def child(folder: Path, *arguments: object) -> dict[str, Any]:
    """Run a part in a fresh process."""
    command = [sys.executable, __file__, "--folder", str(folder), *map(str, arguments)]
    return dict(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout))


def run_part(options: argparse.Namespace) -> dict[str, Any]:
    """Run a part in this process."""
    if options.part == "fill":
        fill(options.folder, options.attempts)
        return {}
    if options.part == "rate":
        timed = without_latency(options.folder, options.attempts + WINDOW)
        return {"rates": {n: timed.rate(n, WINDOW) for n in options.at}, "memory_mb": timed.memory_mb}
    k, waves = options.in_flight, options.waves
    timed = with_latency(options.folder, options.base_url, k, waves)
    return {
        "share": timed.rate(k, (waves - 2) * k) * LATENCY_S / k,
        "whole_share": waves * LATENCY_S / timed.at_s[-1],
        "memory_mb": timed.memory_mb,
    }


def fill(folder: Path, attempts: int) -> None:
    """An archive of this many attempts, in large batches: for a quick look at a long run."""
    judge = NumberJudge()
    with create(folder) as archive:
        root = archive.root_id
        source = archive.source(root)
        seed = archive.append(
            Attempt(
                number=0,
                proposal=Proposal(kind="seed", parents=(root,), reply="", proposer="packsmith"),
                candidate=Candidate(name="seed", description="", source=source),
                verdict=judge.evaluate(source),
            )
        )
        for first in range(1, attempts + 1, 250):
            with archive.writing() as writing:
                for number in range(first, min(first + 250, attempts + 1)):
                    text = reply(number)
                    candidate = apply_reply(text, source)
                    turn = Turn(text=text, model=MODEL, usage=Usage(input_tokens=1000, output_tokens=60))
                    bare = Proposal(kind="patch", parents=(seed.id,), reply="", proposer="llm", model=MODEL)
                    verdict = judge.evaluate(candidate.source)
                    writing.append(
                        Attempt(number=number, proposal=with_turn(bare, turn), candidate=candidate, verdict=verdict)
                    )


def rates(folder: Path, *, quick: bool) -> dict[str, float]:
    """Attempts a second round attempt 100 and 10,000; quick: the latter in an archive that was filled in batches."""
    if not quick:
        figures = child(folder / "long", "--part", "rate", "--attempts", LONG, "--at", 100, LONG)
        return {
            "attempts_per_s_at_100": figures["rates"]["100"],
            "attempts_per_s_at_10000": figures["rates"][str(LONG)],
        }
    short = child(folder / "short", "--part", "rate", "--attempts", 100, "--at", 100)
    child(folder / "filled", "--part", "fill", "--attempts", LONG - 100)
    long = child(folder / "filled", "--part", "rate", "--attempts", LONG, "--at", LONG)
    return {
        "attempts_per_s_at_100": short["rates"]["100"],
        "attempts_per_s_at_10000": long["rates"][str(LONG)],
    }


def shares(folder: Path, *, quick: bool) -> dict[str, float]:
    """How near the loop comes to the ideal rate, and the memory it takes."""
    figures: dict[str, float] = {}
    texts = []
    for number in range(997):
        texts.append(folder / f"reply-{number}")
        texts[-1].write_text(reply(number + 1))
    for in_flight, waves in ((16, 5 if quick else 12), (256, 6 if quick else 12)):
        with spawned(latency_s=LATENCY_S, replies=texts) as stub:
            part = child(
                folder / f"flying-{in_flight}",
                *("--part", "share", "--base-url", stub.base_url, "--in-flight", in_flight, "--waves", waves),
            )
            facts = stub.stats()
        figures[f"ideal_share_{in_flight}"] = part["share"]
        figures[f"whole_share_{in_flight}"] = part["whole_share"]
        figures[f"most_in_flight_{in_flight}"] = facts["most_in_flight"]
        figures["memory_mb"] = max(figures.get("memory_mb", 0.0), part["memory_mb"])
    return figures if quick else {**figures, **command_share(folder, 16, 12)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    parser.add_argument(
        "--folder", type=Path, help="where to create archives (default: the folder for temporary files)"
    )
    inner = parser.add_argument_group("for the parts, which it starts itself")
    inner.add_argument("--part", choices=("fill", "rate", "share"), help=argparse.SUPPRESS)
    inner.add_argument("--attempts", type=int, help=argparse.SUPPRESS)
    inner.add_argument("--at", type=int, nargs="*", help=argparse.SUPPRESS)
    inner.add_argument("--base-url", help=argparse.SUPPRESS)
    inner.add_argument("--in-flight", type=int, help=argparse.SUPPRESS)
    inner.add_argument("--waves", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(run_part(options)))
        return
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="packsmith-loop-", dir=options.folder) as name:
        folder = Path(name)
        figures = {
            **rates(folder, quick=options.quick),
            **shares(folder, quick=options.quick),
            "fsyncs_per_s": fsyncs_per_s(folder),
            "seconds": time.monotonic() - begin,
        }
    figures = {key: round(value, 3) for key, value in figures.items()}
    if options.json:
        print(json.dumps({**figures, "machine": machine.describe()}))
        return
    for key, value in figures.items():
        print(f"{key:<24} {value:>9}   {TARGETS.get(key, '')}".rstrip())
    print(machine.describe())


if __name__ == "__main__":
    main()
