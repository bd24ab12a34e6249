"""What it costs to tell a model of a search's ideas, as the search grows.

    python tests/benchmarks/knowledge.py [--attempts 100000] [--quick] [--json]

Attempts with random names of one to three words out of 2,000, with numbers and endings, each made from one of the
latest hundred. `first_s_at_N` is how long the first prompt of a process takes, which reads the whole run;
`prompt_ms_at_N` is the median time of telling of 12 ideas after one more attempt. `bytes_at_N` is the memory of the
ideas an attempt, beside the entries. `ideas_at_N` is how many ideas the attempts are.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import tracemalloc
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dataclasses import replace

from harness.knowledge import Ideas, told
from harness.proposers.history import History
from harness.types import Entry
from tests.harness.builders import REJECTED, entry, scored

ENDINGS = ("", "s", "ed", "ing", "_v2", "_16", "_1e3")
WORDS = 2_000
PROMPTS = 200


def attempts(count: int, rng: random.Random) -> list[Entry]:
    """A seed program and attempts that descend from each other."""
    letters = "bcdfghklmnprtvwx"
    vocabulary = ["".join(rng.choices(letters, k=6)) for _ in range(WORDS)]
    verdicts = [scored(0.8, speed, gain=0.1, gain_noise=0.01) for speed in (0.5, 0.9, 1.0, 1.1, 2.0)]
    made = [entry(0, verdicts[2])]
    for number in range(1, count + 1):
        name = "_".join(rng.choices(vocabulary, k=rng.randint(1, 3))) + rng.choice(ENDINGS)
        verdict = REJECTED if rng.random() < 0.2 else rng.choice(verdicts)
        parent = made[rng.randrange(max(0, number - 100), number)].id
        made.append(replace(entry(number, verdict, parents=(parent,)), name=name, description=f"Change {name}."))
    return made


def measured(count: int) -> dict[str, float]:
    """The figures of a run with this number of attempts."""
    entries = attempts(count, random.Random(count))
    ideas, history = Ideas(), History()

    def prompt(upto: int) -> float:
        known, parent = entries[:upto], entries[upto - 1]
        history.follow(known)
        began = time.perf_counter()
        ideas.follow(known)
        told(ideas, above=history.lineage(parent), children=history.children(parent, 32), most=12, quality="quality")
        return time.perf_counter() - began

    first = prompt(count - PROMPTS)
    later = [prompt(upto) for upto in range(count - PROMPTS + 1, count + 1)]
    tracemalloc.start()
    again = Ideas()
    again.follow(entries)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {
        f"first_s_at_{count}": round(first, 3),
        f"prompt_ms_at_{count}": round(1000 * median(later), 3),
        f"bytes_at_{count}": round(size / count),
        f"ideas_at_{count}": sum(ideas.counts().values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, nargs="*", default=[1_000, 100_000])
    parser.add_argument("--quick", action="store_true", help="runs of 1,000 and 5,000 attempts")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    for count in [1_000, 5_000] if options.quick else options.attempts:
        figures |= measured(count)
    if options.json:
        print(json.dumps(figures))
        return
    for key, value in figures.items():
        print(f"{key:<24} {value:>10}")


if __name__ == "__main__":
    main()
