#!/usr/bin/env bash
# Software  ShinkaEvolve 0.0.7 (shinka-evolve, its program database), Python 3.11 or newer
# Guess     Of programs with the same `combined_score` the first stays the best one. Public metrics are shown to the
#           model and decide nothing; if they decided between equals, the quicker program would win.
# Seen      The mean of all public metrics decides between equals, and more is better, whatever a metric means: of four
#           programs that need 2,092 bins the slowest becomes the best program, and stays it. `beam_search` then takes
#           it for the parent, a full archive gives up the quickest first, and the program that is copied to
#           `results/best` is another one. Without public metrics the newest wins.
# Output    program added   bins   ms    best program   its ms
#           seed            2120   3     seed           3
#           quick           2092   5     quick          5
#           slow            2092   900   slow           900
#           middle          2092   40    slow           900
#           last            2092   12    slow           900
#           parent of a beam search:     slow
#           archive of two:              middle slow
#           copied to results/best:      quick
#           without public metrics:      last
# Matters   Bins are whole numbers, so heuristics of bin packing tie all the time, and milliseconds are what everybody
#           reports beside them. A search that starts from "the best program" then starts from the slowest of the
#           best. Put the tie-break into the score (bins + a small share of the time), and report costs as negative
#           numbers.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check --only-binary :all: \
  numpy==2.4.6 pandas==3.1.1 radon==6.0.1 rich==15.0.0 python-dotenv==1.2.4 openai==3.57.0 google-genai==3.6.1
venv/bin/pip install -q --disable-pip-version-check --only-binary :all: --no-deps shinka-evolve==0.0.7

cat > probe.py <<'PY'
import contextlib
import io

from shinka.database import DatabaseConfig, Program, ProgramDatabase

PROGRAMS = {"seed": (2120, 3), "quick": (2092, 5), "slow": (2092, 900), "middle": (2092, 40), "last": (2092, 12)}


def filled(public=True, show=False, **config):
    """A database of the five programs, added one after the other."""
    database = ProgramDatabase(DatabaseConfig(num_islands=1, **config))
    for generation, (name, (bins, ms)) in enumerate(PROGRAMS.items()):
        program = Program(
            id=name,
            code=f"NAME = {name!r}\n",
            generation=generation,
            parent_id="seed" if generation else None,
            combined_score=-bins,
            correct=True,
            public_metrics={"milliseconds": ms} if public else {},
        )
        database.add(program)
        if show:
            best = database.get_best_program().id
            print(f"{name:15s} {bins}   {ms:<5d} {best:14s} {PROGRAMS[best][1]}")
    return database


print("program added   bins   ms    best program   its ms")
database = filled(show=True)
beam = filled(parent_selection_strategy="beam_search")
with contextlib.redirect_stdout(io.StringIO()):  # it prints a table of what it drew
    parent = beam.sample()[0].id
archive = sorted(
    row["program_id"] for row in filled(archive_size=2).conn.execute("SELECT program_id FROM archive").fetchall()
)
copied = database.get_top_programs(n=1, correct_only=True)[0].id  # as the runner asks before it copies
newest = filled(public=False).get_best_program().id
print("parent of a beam search:    ", parent)
print("archive of two:             ", *archive)
print("copied to results/best:     ", copied)
print("without public metrics:     ", newest)
assert database.get_best_program().id == parent == "slow", "the slowest of the equals is the best program"
assert archive == ["middle", "slow"], "the quick ones leave the archive first"
assert copied != "slow" and newest == "last"
PY
venv/bin/python probe.py
