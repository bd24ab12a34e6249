"""Kills one of several writers of an archive again and again, and checks that the archive stays intact.

    python tests/benchmarks/writers.py --writers 4 --kills 300

The writers append, hold tickets and point to the best programs as fast as they can; their upkeep packs every few
attempts, git processes of it are killed too, and another process runs plain `git gc`, `git repack -ad` and `git
pack-refs --all` meanwhile. After every few kills all of them die at once: then every attempt that was printed must be
there under its id, and `git fsck --strict --full` must be clean. At the end one writer opens the archive alone: it must
verify, be the same with and without its index, and hold no stray file. The target is 0 problems.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evaluator.environment import cores, cpu_name
from harness.git import repository, upkeep
from tests.harness.archive.fire import Fire, Tally


def burn(folder: Path, rng: random.Random, *, writers: int, kills: int, longest_s: float, every: int) -> Tally:
    """Kill `kills` writers at random instants; see the module's docstring."""
    fire = Fire(folder / "run", rng, writers=writers)
    with fire:
        for kill in range(1, kills + 1):
            fire.round(longest_s=longest_s)
            if kill % every == 0:
                fire.pause()
    upkeep._STRAY_S = upkeep._LOCKED_S = 0.0  # the age of a file tells leftovers of dead writers from files in use
    return fire.finish()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=0.5, help="seconds between two kills, at most")
    parser.add_argument("--every", type=int, default=12, help="kills between two checks")
    parser.add_argument("--portion", type=int, default=16, help="attempts that upkeep packs at once")
    parser.add_argument("--quick", action="store_true", help="48 kills")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    options = parser.parse_args()
    upkeep.PORTION, upkeep._LOCKED_S = options.portion, 1.0
    repository._DEAD_S = 1.0
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="packsmith-writers-") as folder:
        tally = burn(
            Path(folder),
            random.Random(options.seed),
            writers=options.writers,
            kills=48 if options.quick else options.kills,
            longest_s=options.longest,
            every=options.every,
        )
    figures = {
        **asdict(tally),
        "seconds": round(time.monotonic() - begin, 1),
        "machine": f"{cpu_name()}, {cores()} cores, Linux {platform.release()}",
    }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<14} {value}")
    sys.exit(1 if tally.problems else 0)


if __name__ == "__main__":
    main()
