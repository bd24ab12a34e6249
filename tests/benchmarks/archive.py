"""The speed, size and memory use of an archive as it grows to 100,000 attempts.

    python tests/benchmarks/archive.py [--quick] [--json]

Attempts of realistic size are appended one at a time, each durable before the next begins: a program of about 10 KB
with a few lines changed, a reply of 2 to 3 KB with the patch that changes them, six cases of 100 pairs of raw samples
and 15 metrics each; one in four is rejected. Prose is drawn from the words of this project, run times are drawn from a
log-normal distribution. Generating them is part of the time. Each figure is taken at 1,000, 10,000 and 100,000
attempts (--quick: not the last), all but the first of them after 2,000 further attempts:

`attempts_per_s`     the next 2,000 attempts, while the upkeep of earlier ones runs
`bytes_per_attempt`  all files of the folder after upkeep
`open_s`             opening the archive as a search does, in a fresh process
`next_attempt_ms`    the median of 20 attempts after that
`memory_mb`          the most memory that the writing or the opening process held

Also printed: `whole_attempts_per_s`, all attempts since the previous size; `rebuild_s`, opening it without its index;
`upkeep_mb`, the most memory that a process of the last upkeep held; and `fsyncs_per_s`, how many small files a second
this disk takes, each synced, before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator.types import (
    CaseQuality,
    CaseScore,
    Environment,
    Interval,
    Quality,
    Rejected,
    Samples,
    Score,
    Scored,
    Verdict,
)
from harness import patch
from harness.archive import Archive
from harness.types import Attempt, Candidate, Edit, Patch, Proposal, Turn, Usage
from tests.benchmarks import machine

TARGETS: Mapping[str, str] = {
    "attempts_per_s": ">= 200, flat within 20 %",
    "bytes_per_attempt": "<= 8192",
    "open_s": "< 1 at 10,000, < 8 at 100,000",
    "next_attempt_ms": "flat",
    "memory_mb": "< 300 at 100,000",
}
SIZES = (1_000, 10_000, 100_000)
ROOT = Path(__file__).resolve().parents[2]
CASES = ("hier-ep32", "global-ep32", "global-ep72", "global-ep144", "hier-ep32-tight", "global-ep32-tight")
REFERENCE = 0.9042
"""Balance of the reference."""
METRICS = (
    *("do_nothing_balance", "do_nothing_duplicate_gpus_per_layer", "do_nothing_expert_balance"),
    *("do_nothing_mean_layer_balance", "do_nothing_same_window_balance", "do_nothing_worst_layer_balance"),
    *("duplicate_gpus_per_layer", "expert_balance", "gap", "mean_layer_balance", "moved_across_nodes_share"),
    *("moved_share", "same_window_balance", "same_window_ceiling", "worst_layer_balance"),
)
PAIRS, ROUND = 100, 10
WINDOW = 2000
MACHINE = Environment(
    device="cpu",
    hardware=machine.cpu_name(),
    cores=2,
    threads=1,
    python="3.11.7",
    torch="2.13.0",
    kernel="6.1.0",
    sandbox="L2",
    task="eplb/2",
    reference="vectorised_greedy.py dadfd108757a",
    empty_call_us=62,
)
REJECTIONS = (
    ("run", "exception", "RuntimeError: The size of tensor a (32) must match the size of tensor b (36) at dimension 1"),
    ("validate", "replica_missing", "layer 17: expected every expert at least once, found none of expert 203"),
    ("run", "timeout", "case global-ep144, call 3: no answer within 10 s"),
)


class Author:
    """Generates attempts: each changes one of the last 200 programs."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._numbers = np.random.default_rng(rng.getrandbits(64))
        text = "".join((ROOT / name).read_text() for name in ("README.md", "programs/README.md"))
        self._words = sorted(set(re.findall(r"[A-Za-z][a-z-]{2,12}", text)))
        self._recent: deque[tuple[str, list[str]]] = deque(maxlen=200)

    def add(self, commit: str, source: str) -> None:
        """Let later attempts change this program."""
        self._recent.append((commit, source.splitlines()))

    def attempt(self, number: int) -> Attempt:
        rng = self._rng
        parent, lines = rng.choice(self._recent)
        edits, source = self._edits(lines)
        name = "_".join(self._rng.sample(self._words, 3)).lower()
        description = self._prose(45)
        text = f"{self._prose(120)}\n\n" + patch.render(Patch(name=name, description=description, edits=edits))
        usage = Usage(input_tokens=rng.randint(4000, 9000), cached_tokens=2048, output_tokens=rng.randint(500, 2500))
        usd = rng.uniform(0.001, 0.03)
        proposal = Proposal(
            kind="patch",
            parents=(parent,),
            reply=text,
            proposer="llm",
            inspirations=tuple(commit for commit, _ in rng.sample(self._recent, min(2, len(self._recent)))),
            model="some/model-large",
            usd=usd,
            tokens=usage.input_tokens + usage.output_tokens,
            turns=(Turn(text=text, model="some/model-large", usage=usage, usd=usd, seconds=rng.uniform(5, 60)),),
        )
        candidate = Candidate(name=name, description=description, source=source, tiers=("exact",) * len(edits))
        return Attempt(
            number=number,
            proposal=proposal,
            candidate=candidate,
            verdict=self._verdict(),
            seconds=rng.uniform(2, 20),
            syntax_hash=f"{rng.getrandbits(160):040x}",
        )

    def _edits(self, lines: list[str]) -> tuple[tuple[Edit, ...], str]:
        """Two places of a program rewritten; its length stays about the same."""
        rng, edits, after = self._rng, [], list(lines)
        half = len(lines) // 2
        for first, last in ((half + 2, len(lines) - 8), (2, half - 8)):
            at, size = rng.randrange(first, last), rng.randint(2, 6)
            indent = " " * (len(lines[at]) - len(lines[at].lstrip()))
            fresh = [f"{indent}{self._code()}" for _ in range(size if len(lines) < 260 else size - 1)]
            before, behind = lines[at - 2 : at], lines[at + size : at + size + 2]
            search, replace = (
                "\n".join([*before, *lines[at : at + size], *behind]),
                "\n".join([*before, *fresh, *behind]),
            )
            edits.append(Edit(search=search, replace=replace))
            after[at : at + size] = fresh
        return tuple(edits), "\n".join(after) + "\n"

    def _code(self) -> str:
        one, two, three = (word.lower().replace("-", "_") for word in self._rng.sample(self._words, 3))
        return f"{one} = torch.{two}({three}, dim={self._rng.randrange(4)}) * {self._rng.random():.4f}"

    def _prose(self, words: int) -> str:
        return " ".join(self._rng.choices(self._words, k=words)).capitalize() + "."

    def _verdict(self) -> Verdict:
        rng = self._rng
        if rng.random() < 0.25:
            stage, reason, detail = rng.choice(REJECTIONS)
            return Rejected(stage=stage, reason=reason, detail=detail)  # type: ignore[arg-type]
        cases = tuple(self._case(name) for name in CASES)
        gain = self._gain()
        score = Score(
            quality=Quality(name="balance_next", value=REFERENCE + gain.median, ceiling=0.9347),
            runtime_ms=statistics.geometric_mean(case.runtime_ms for case in cases),
            speedup=self._interval(),
            cases=cases,
            metrics={"same_window_balance": rng.random()},
            load_s=rng.uniform(0.01, 0.1),
            gain=gain,
            pass_quality=statistics.fmean(case.quality.value for case in cases),
            secret=rng.randbytes(16).hex(),
        )
        return Scored(score=score, environment=MACHINE)

    def _case(self, name: str) -> CaseScore:
        rng = self._rng
        center_us = rng.uniform(1000, 10_000)
        times = (center_us * np.exp(self._numbers.normal(0, 0.03, 2 * PAIRS))).astype(int).tolist()
        qualities = self._numbers.normal(REFERENCE, 0.01, 2 * PAIRS).round(7).tolist()
        samples = Samples(
            candidate_us=tuple(times[:PAIRS]),
            reference_us=tuple(times[PAIRS:]),
            rounds=(ROUND,) * (PAIRS // ROUND),
            candidate_quality=tuple(qualities[:PAIRS]),
            reference_quality=tuple(qualities[PAIRS:]),
            calls=tuple(range(PAIRS)),
        )
        metrics = {metric: rng.random() for metric in METRICS}
        quality = CaseQuality(case=name, value=rng.uniform(0.84, 0.97), ceiling=0.97, metrics=metrics)
        return CaseScore(
            quality=quality,
            runtime_ms=center_us / 1000,
            reference_ms=center_us / 1000,
            speedup=self._interval(),
            samples=samples,
            gain=self._gain(),
            reference_quality=REFERENCE,
        )

    def _gain(self) -> Interval:
        gain = self._rng.uniform(-0.05, 0.03)
        return Interval(median=gain, low=gain - 0.0005, high=gain + 0.0005)

    def _interval(self) -> Interval:
        median = self._rng.uniform(0.2, 1.5)
        return Interval(median=median, low=median * 0.97, high=median * 1.04)


def begin(folder: Path) -> None:
    """A new archive with its seed program judged."""
    source = (ROOT / "programs/eplb/lpt_swap.py").read_text()
    with Archive.create(folder, seed_source=source, config={"task": {"name": "eplb"}}) as archive:
        proposal = Proposal(kind="seed", parents=(archive.root_id,), reply="", proposer="packsmith")
        candidate = Candidate(name="seed", description="", source=source)
        verdict = Author(random.Random(0))._verdict()
        archive.append(Attempt(number=0, proposal=proposal, candidate=candidate, verdict=verdict))


def write(folder: Path, upto: int) -> dict[str, float]:
    """Append attempts up to number `upto`, and then 2,000 more."""
    with Archive.open(folder) as archive:
        author = Author(random.Random(f"write {archive.next_number}"))
        for entry in archive.entries[-200:]:
            author.add(entry.id, archive.source(entry.id))
        first, begun_s = archive.next_number, time.monotonic()
        reached_s = begun_s
        for number in range(first, upto + WINDOW):
            if number == upto:
                reached_s = time.monotonic()
            attempt = author.attempt(number)
            entry = archive.append(attempt)
            assert attempt.candidate is not None
            author.add(entry.id, attempt.candidate.source)
            if number % 1000 == 0:
                print(f"{number} attempts, {memory_mb():.0f} MB", file=sys.stderr)
        ended_s = time.monotonic()
    return {
        "attempts_per_s": WINDOW / (ended_s - reached_s),
        "whole_attempts_per_s": (upto + WINDOW - first) / (ended_s - begun_s),
        "memory_mb": memory_mb(),
    }


def upkeep(folder: Path) -> dict[str, float]:
    """Run all upkeep, and wait for it."""
    with Archive.open(folder) as archive:
        archive.maintain()
    return {"upkeep_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def opened(folder: Path) -> dict[str, float]:
    """Open the archive, and append to it."""
    begun = time.monotonic()
    archive = Archive.open(folder)
    open_s = time.monotonic() - begun
    with archive:
        author = Author(random.Random(f"open {archive.next_number}"))
        for entry in archive.entries[-200:]:
            author.add(entry.id, archive.source(entry.id))
        times_s = []
        for number in range(archive.next_number, archive.next_number + 20):
            attempt = author.attempt(number)
            begun = time.monotonic()
            archive.append(attempt)
            times_s.append(time.monotonic() - begun)
    return {"open_s": open_s, "next_attempt_ms": 1000 * statistics.median(times_s), "memory_mb": memory_mb()}


def rebuilt(folder: Path) -> dict[str, float]:
    """Open the archive without its index."""
    (folder / "packsmith.index").unlink()
    begun = time.monotonic()
    with Archive.open(folder):
        return {"rebuild_s": time.monotonic() - begun, "memory_mb": memory_mb()}


PARTS = {"write": write, "upkeep": upkeep, "open": opened, "rebuild": rebuilt}


def memory_mb() -> float:
    """The most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def folder_bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def fsyncs_per_s(folder: Path, count: int = 200) -> float:
    """How many small files a second this disk takes, each synced, one after another: what durability costs."""
    begun = time.monotonic()
    for number in range(count):
        with (folder / f"sync-{number}").open("wb") as stream:
            stream.write(b"x" * 500)
            stream.flush()
            os.fsync(stream.fileno())
    return count / (time.monotonic() - begun)


def child(part: str, folder: Path, *arguments: object) -> dict[str, float]:
    """Run a part in a fresh process."""
    command = [sys.executable, __file__, "--part", part, "--folder", str(folder), *map(str, arguments)]
    return dict(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout))


def measure(folder: Path, sizes: tuple[int, ...]) -> Iterator[tuple[int, dict[str, float]]]:
    """The figures at each size, one archive growing through them."""
    begin(folder)
    for size in sizes:
        figures = child("write", folder, "--upto", size)
        maintained = child("upkeep", folder)
        figures["bytes_per_attempt"] = folder_bytes(folder) / (size + WINDOW)
        reopened, without_index = child("open", folder), child("rebuild", folder)
        memory = max(part["memory_mb"] for part in (figures, reopened, without_index))
        yield size, {**without_index, **reopened, **maintained, **figures, "memory_mb": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to 10,000 attempts only")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    parser.add_argument("--in", dest="place", type=Path, help="a folder on the disk to measure (default: temporary)")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--upto", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        more = (options.upto,) if options.part == "write" else ()
        print(json.dumps(PARTS[options.part](options.folder, *more)))  # type: ignore[operator]
        return
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="packsmith-archive-", dir=options.place) as place:
        before = fsyncs_per_s(Path(place))
        for size, values in measure(Path(place) / "run", SIZES[:2] if options.quick else SIZES):
            for name, value in values.items():
                figures.setdefault(name, {})[str(size)] = round(value, 3)
        figures["fsyncs_per_s"] = [round(before), round(fsyncs_per_s(Path(place)))]
    figures["machine"] = machine.describe()
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        shown = ", ".join(f"{size}: {number:g}" for size, number in value.items()) if isinstance(value, dict) else value
        print(f"{name:<18} {shown}  {TARGETS.get(name, '')}")


if __name__ == "__main__":
    main()
