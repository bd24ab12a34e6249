"""The rate of the search loop beside that of another checkout, by turns on one machine.

    python tests/benchmarks/turns.py OTHER [--turns 3] [--at 100 10000] [--json]

OTHER is a folder with another version of this repository, such as `git worktree add ../other 569cd2e`. A rate depends
on the disk and on what else the machine does, so only rates taken side by side compare. In each turn both versions
extend an archive of their own by 300 attempts, as `loop.py` does, the other version first; the 200 attempts from `--at`
on count. `ratio_at_N` is the median of the turns' ratios; `ours_at_N` and `theirs_at_N` are medians of attempts a
second.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

OURS = Path(__file__).resolve().parents[2]
TARGETS = {"ratio_at_100": ">= 2.2 over 569cd2e", "ratio_at_10000": ">= 2.7 over 569cd2e"}
FEW = 1000
"""From this number of attempts on, an archive is filled in batches first."""


def part(tree: Path, folder: Path, *arguments: object) -> dict[str, dict[str, float]]:
    """Run a part of a version's `loop.py`."""
    command = [sys.executable, str(tree / "tests/benchmarks/loop.py"), "--folder", str(folder), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return dict(json.loads(done.stdout))


def rate(tree: Path, folder: Path, at: int) -> float:
    """Attempts a second of a version from number `at` on, in a new archive."""
    if at >= FEW:
        part(tree, folder, "--part", "fill", "--attempts", at - 100)
    return part(tree, folder, "--part", "rate", "--attempts", at, "--at", at)["rates"][str(at)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="a folder with the other version")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--at", type=int, nargs="*", default=[100, 10_000])
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    options = parser.parse_args()
    other = options.other.resolve()
    figures: dict[str, float] = {}
    for at in options.at:
        pairs = []
        for _ in range(options.turns):
            with tempfile.TemporaryDirectory(prefix="packsmith-turns-", ignore_cleanup_errors=True) as name:
                theirs = rate(other, Path(name) / "theirs", at)
                pairs.append((rate(OURS, Path(name) / "ours", at), theirs))
        figures[f"ours_at_{at}"] = median(ours for ours, _ in pairs)
        figures[f"theirs_at_{at}"] = median(theirs for _, theirs in pairs)
        figures[f"ratio_at_{at}"] = median(ours / theirs for ours, theirs in pairs)
    figures = {key: round(value, 2) for key, value in figures.items()}
    if options.json:
        print(json.dumps(figures))
        return
    for key, value in figures.items():
        print(f"{key:<24} {value:>9}   {TARGETS.get(key, '')}".rstrip())


if __name__ == "__main__":
    main()
