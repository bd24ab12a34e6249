#!/usr/bin/env bash
# Software  OR-Tools 9.15.6755, CP-SAT, Python 3.11 or newer
# Guess     Multiplying an objective by a positive constant, to read it in other units, changes neither which
#           packing is best nor what the status OPTIMAL says: no packing is better.
# Seen      A packing that is not the best comes back as OPTIMAL. CP-SAT stops once objective and bound are closer
#           than `absolute_gap_limit`, 1e-4 by default, in the units of the objective. For an objective in whole
#           numbers that limit means nothing; for one in fractions it is a licence to stop. Set to 0 it is gone.
# Output    (24 weights on 4 packs of 6, one worker; the figures of the two rows in the middle may differ)
#           objective in tokens             OPTIMAL  30541
#           in millions of tokens           OPTIMAL  30622
#           times 1e-8                      OPTIMAL  32484
#           in millions, gap limit 0        OPTIMAL  30541
# Matters   Whoever asks a solver for the ceiling of a balance writes the objective as a share of the mean load.
#           A "proved" ceiling is then beaten by a heuristic, or a heuristic that has reached the optimum seems
#           to have reached it by luck. Keep the objective in whole tokens, or set the limit to 0.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check --only-binary :all: ortools==9.15.6755

cat > probe.py <<'PY'
import random

from ortools.sat.python import cp_model

random.seed(1)
WEIGHTS = [random.randint(1000, 9999) for _ in range(24)]
PACKS = 4


def largest_pack(label, scale, gap=None):
    model = cp_model.CpModel()
    within = [[model.new_bool_var("") for _ in range(PACKS)] for _ in WEIGHTS]
    largest = model.new_int_var(0, sum(WEIGHTS), "")
    for row in within:
        model.add_exactly_one(row)
    for pack in range(PACKS):
        model.add(sum(row[pack] for row in within) == len(WEIGHTS) // PACKS)
        model.add(sum(w * row[pack] for w, row in zip(WEIGHTS, within)) <= largest)
    model.minimize(largest * scale)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = 120
    if gap is not None:
        solver.parameters.absolute_gap_limit = gap
    status = solver.status_name(solver.solve(model))
    print(f"{label:30s}  {status}  {solver.value(largest)}", flush=True)
    assert status == "OPTIMAL", "each of the runs claims to have proved its answer"
    return solver.value(largest)


tokens = largest_pack("objective in tokens", 1)
millions = largest_pack("in millions of tokens", 1e-6)
tiny = largest_pack("times 1e-8", 1e-8)
exact = largest_pack("in millions, gap limit 0", 1e-6, gap=0.0)
assert tokens == exact == 30541, "without a gap limit the units do not matter"
assert millions > tokens and tiny > tokens, "with the default one the solver stops early and says OPTIMAL"
PY
venv/bin/python probe.py
