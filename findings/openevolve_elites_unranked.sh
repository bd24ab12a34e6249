#!/usr/bin/env bash
# Software  OpenEvolve 0.4.1 (its program database), Python 3.11 or newer
# Guess     `exploitation_ratio: 0.7` says that seven parents of ten are elites, so the best programs of an island are
#           parents much more often than the worst; and a program that does not win its cell of the map is gone.
# Seen      In the first 100 programs at the default settings all programs left are parents about equally often. The
#           archive of elites takes the first `archive_size` programs (100) whatever their score, picks from it are
#           uniform, and the few that are "weighted" by score weigh all negative scores alike. The map removes a
#           program that is beaten in its cell, but one that comes later and does not win the cell stays: two of three
#           own none.
# Output    (100 programs on one island; shares of the parents in per cent)
#           settings                programs left   of them own a cell   best ten   worst ten   ten at random
#           score -bins             76              26                   13.4       12.2        13.2
#           score in [0.9, 1]       76              26                   13.4       12.2        13.2
#           weighted, -bins         76              26                   13.9       13.7        13.2
#           weighted, 2201 - bins   76              26                   25.3       2.8         13.2
#           archive_size: 10        76              26                   74.5       4.2         13.2
# Matters   Searches of heuristics are often as short as 100 programs, or compared at such budgets. There OpenEvolve's
#           defaults draw parents at random (only the examples in the prompt go by score), and a comparison says
#           little about its islands and its map. Set `archive_size` to a tenth of the budget, and give scores that
#           are positive and far apart.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check --only-binary :all: \
  numpy==2.4.6 openai==3.57.0 httpx2==2.16.2 dacite==1.9.2 PyYAML==6.0.4
venv/bin/pip install -q --disable-pip-version-check --only-binary :all: --no-deps openevolve==0.4.1

cat > probe.py <<'PY'
import logging
import random
from collections import Counter

from openevolve.config import DatabaseConfig
from openevolve.database import Program, ProgramDatabase

logging.disable(logging.CRITICAL)
DRAWS, PROGRAMS = 4000, 100


def made(rng):
    """A program of its own length, and the bins it needs."""
    terms = (f"{rng.randint(1, 9)} * gap" for _ in range(rng.randint(1, 40)))
    return f"def priority(item, gap):\n    return {' + '.join(terms)}\n", rng.randint(2000, 2200)


def parents(label, score, **settings):
    """The shares of the parents that the ten best and the ten worst programs of the island get, and any ten."""
    rng = random.Random(7)
    database = ProgramDatabase(DatabaseConfig(num_islands=1, **settings))
    for number in range(PROGRAMS):
        code, bins = made(rng)
        program = Program(id=str(number), code=code, metrics={"combined_score": score(bins)})
        database.add(program, iteration=number)
    ranked = sorted(database.islands[0], key=lambda i: database.get(i).metrics["combined_score"], reverse=True)
    drawn = Counter(database.sample_from_island(0, num_inspirations=1)[0].id for _ in range(DRAWS))
    best, worst = (100 * sum(drawn[i] for i in some) / DRAWS for some in (ranked[:10], ranked[-10:]))
    uniform = 100 * 10 / len(ranked)
    owners = len(set(database.island_feature_maps[0].values()) & set(ranked))
    print(f"{label:23s} {len(ranked):<15d} {owners:<20d} {best:<10.1f} {worst:<11.1f} {uniform:.1f}")
    assert owners < len(ranked) / 2, "most programs of the island own no cell"
    return best, worst, uniform


print("settings                programs left   of them own a cell   best ten   worst ten   ten at random")
weighted = {"exploration_ratio": 0.0, "exploitation_ratio": 0.0}
rows = [
    parents("score -bins", lambda bins: -bins),
    parents("score in [0.9, 1]", lambda bins: 2000 / bins),
    parents("weighted, -bins", lambda bins: -bins, **weighted),
]
for best, worst, uniform in rows:  # four standard errors of such a share are 2.1
    assert abs(best - uniform) < 2.5 and abs(worst - uniform) < 2.5, "among the programs left score decides nothing"
best, worst, uniform = parents("weighted, 2201 - bins", lambda bins: 2201 - bins, **weighted)
assert best > 2 * worst, "scores above 0 weigh"
best, worst, uniform = parents("archive_size: 10", lambda bins: 2000 / bins, archive_size=10)
assert best > 50 and worst < 6, "with a small archive it does"
PY
PYTHONHASHSEED=0 venv/bin/python probe.py
