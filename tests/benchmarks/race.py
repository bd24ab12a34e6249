"""What a race saves, and what it costs: the same attempts measured in full, and only until their fate is decided.

    python tests/benchmarks/race.py [--quick] [--json] [--folder DIR]

A search of `configs/eplb.yaml` with the shipped patches, crossovers and changed constants makes the attempts, each
measured in full. Then that run is replayed, again and again, under the policy `race`. `seconds_ratio`: the median
seconds that an attempt is judged for, in full over race. `same_champion`, `same_front`: the share of replays that end
with the same champion, and with a front of the same programs; programs whose full scores cannot be told apart count as
the same, since two full runs differ in those as well. `aa_false_share`: the share of races of the seed program against
itself whose score then claims the champion's place or lies below the floor.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator import TASKS, Judge, Scored
from harness.archive import Archive
from harness.fate import decided
from harness.select import Pareto, Standing, clearly_better, clearly_faster, standing
from harness.types import Entry
from tests.benchmarks.machine import describe

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "eplb.yaml"
SEED = Path(__file__).resolve().parents[2] / "programs" / "eplb" / "vectorised_greedy.py"
TARGETS = {
    "seconds_ratio": "at least 3",
    "same_champion": "at least 0.95",
    "same_front": "",
    "aa_false_share": "at most 0.02",
}


def search(run: Path, policy: str, attempts: int, *settings: str) -> list[Entry]:
    """The entries of a search under a policy."""
    options = [f"budget.attempts={attempts}", f"judge.timing.policy={policy}", "device=cpu", *settings]
    given = (part for option in options for part in ("-s", option))
    command = [sys.executable, "-m", "harness", "search", str(CONFIG), "--run", str(run), "--json", *given]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=CONFIG.parents[1])
    with Archive.open(run) as archive:
        entries = list(archive.entries)
        for entry in entries:
            if entry.scored is not None:
                list(entry.scored.score.cases)  # from the disk, before it is deleted
        return entries


def alike(first: Entry, second: Entry) -> bool:
    """Whether two entries are one program, or programs that full scores cannot tell apart."""
    if first.program_id == second.program_id:
        return True
    assert first.scored is not None and second.scored is not None
    mine, theirs = first.scored.score, second.scored.score
    better = clearly_better(mine, theirs) or clearly_better(theirs, mine)
    return not (better or clearly_faster(first, second) or clearly_faster(second, first))


def same(entries: Sequence[Entry], others: Sequence[Entry], full: Mapping[str, Entry]) -> bool:
    """Whether each of some entries is like one of the others, and the other way round, by their full scores."""
    mine, theirs = ([full[entry.program_id] for entry in each] for each in (entries, others))
    return all(any(alike(one, other) for other in theirs) for one in mine) and all(
        any(alike(one, other) for other in mine) for one in theirs
    )


def seconds(entries: Sequence[Entry]) -> float:
    """The median seconds that an attempt was judged for, duels included; twins and refused patches took none."""
    judged = [entry.seconds for entry in entries[1:] if entry.scored is not None and not entry.same_as]
    return median(judged)


def false_calls(runs: int) -> int:
    """How many races of the seed program against itself end in a claim, or below the floor."""
    task, source = TASKS["eplb"]({}), SEED.read_text()
    wrong = 0
    with Judge(task, reference=source, device="cpu") as judge:
        seed = judge.evaluate(source)
        assert isinstance(seed, Scored)
        where = Standing(objective=Pareto()).add(_entry(0, "seed", seed))
        for number in range(1, runs + 1):
            verdict = judge.race(source, partial(decided, where, where.seed))
            assert isinstance(verdict, Scored)
            claimed = where.claim(f"twin {number}", verdict) != "none"
            wrong += claimed or len(where.add(_entry(number, "patch", verdict)).valid) == 1
            print(f"\rA/A {number} of {runs}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return wrong


def _entry(number: int, kind: Any, verdict: Scored) -> Entry:
    return Entry(
        id=f"e{number}",
        program_id=f"program {number}",
        when_s=0,
        number=number,
        kind=kind,
        name="",
        description="",
        parents=(),
        inspirations=(),
        proposer="",
        model="",
        tiers=(),
        warnings=(),
        verdict=verdict,
        usd=0.0,
        tokens=0,
        seconds=0.0,
    )


def main() -> None:
    """Measure, print, and with --json print one object of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 attempts, one replay and few A/A races")
    parser.add_argument("--attempts", type=int, help="attempts of the search (default 44)")
    parser.add_argument("--replays", type=int, help="replays under the policy race (default 20)")
    parser.add_argument("--aa", type=int, help="races of a program against itself (default 100)")
    parser.add_argument("--folder", type=Path, help="keep the runs here, and go on with those that are there")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    options = parser.parse_args()
    few, many = (8, 1, 5), (44, 20, 100)
    chosen = zip((options.attempts, options.replays, options.aa), few if options.quick else many, strict=True)
    attempts, replays, aa = (default if given is None else given for given, default in chosen)
    with contextlib.ExitStack() as stack:
        runs = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="packsmith-race-")))
        made = runs / "full"
        full = search(made, "full", attempts, "proposer.kind=catalogue")
        by_program = {entry.program_id: entry for entry in reversed(full) if entry.scored is not None}
        end = standing(full, Pareto())
        raced, champions, fronts, cut = [], 0, 0, 0
        for number in range(replays):
            settings = ("proposer.kind=replay", f"proposer.from={made}")
            entries = search(runs / f"race-{number}", "race", attempts, *settings)
            raced.append(seconds(entries))
            cut += sum(entry.scored is not None and bool(entry.scored.score.decided) for entry in entries)
            now = standing(entries, Pareto())
            assert now.champion is not None and end.champion is not None
            champions += same([now.champion], [end.champion], by_program)
            fronts += same(now.front, end.front, by_program)
            print(f"\rreplay {number + 1} of {replays}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    figures = {
        "seconds_ratio": round(seconds(full) / median(raced), 2),
        "same_champion": champions / replays,
        "same_front": fronts / replays,
        "aa_false_share": false_calls(aa) / aa if aa else 0.0,
        "seconds_full": round(seconds(full), 2),
        "seconds_race": round(median(raced), 2),
        "attempts_scored": sum(entry.scored is not None and not entry.same_as for entry in full),
        "cut_per_replay": cut / replays,
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(describe())
    for key, value in figures.items():
        target = f"   target: {TARGETS[key]}" if TARGETS.get(key) else ""
        print(f"{key:<16} {value:>8g}{target}")


if __name__ == "__main__":
    main()
