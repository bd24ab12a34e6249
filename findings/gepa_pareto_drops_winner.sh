#!/usr/bin/env bash
# Software  GEPA 0.1.4 (`candidate_selection_strategy="pareto"`, its default), Python 3.11 or newer
# Guess     The parent is drawn among the programs that are best on some list and that no other program dominates, each
#           as often as the number of lists on which it is best. So the program that is best on most lists is the most
#           frequent parent, and programs that tie on all lists are parents equally often.
# Seen      A program is dropped as soon as others, each on other lists, tie with it where it is best; none of them
#           need dominate it. The lowest mean goes first. So the program that is best on four of five lists is never
#           a parent, and of programs that tie on all lists only the last one is.
# Output    bins of the five lists     best on   parent, of 900
#           a  48 48 48 48 55          4         0
#           b  48 48 49 49 48          3         550
#           c  49 49 48 48 49          2         350
#           d  48 48 48 48 48          5         0
#           e  48 48 48 48 48          5         0
#           f  48 48 48 48 48          5         900
# Matters   Bins are whole numbers, so heuristics of bin packing tie on most lists. There the front, which is meant to
#           keep different winners, is a set cover, often of one program, the newest; a winner with one bad list is
#           no parent while others tie with it elsewhere. Score by something finer than bins (the sum of the squares
#           of the fill), or select by `epsilon_greedy`.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check --only-binary :all: --no-deps gepa==0.1.4

cat > probe.py <<'PY'
import random
from collections import Counter

from gepa.core.state import GEPAState, ValsetEvaluation
from gepa.strategies.candidate_selector import ParetoCandidateSelector

DRAWS = 900


def verdict(bins):
    scores = {f"list {number}": -float(count) for number, count in enumerate(bins)}
    return ValsetEvaluation(outputs_by_val_id={}, scores_by_val_id=scores, objective_scores_by_val_id=None)


def parents(programs):
    """How often each program is a parent, with the state as GEPA's engine builds it."""
    state = GEPAState({"solver": "seed"}, verdict([50] * 5))
    for name, bins in programs.items():
        state.update_state_with_new_program([0], {"solver": name}, verdict(bins), None, 0)
    selector = ParetoCandidateSelector(random.Random(0))
    drawn = Counter(selector.select_candidate_idx(state) for _ in range(DRAWS))
    for number, (name, bins) in enumerate(programs.items(), 1):
        best = sum(number in front for front in state.program_at_pareto_front_valset.values())
        print(f"{name}  {' '.join(map(str, bins)):23s} {best}         {drawn[number]}")
    return [drawn[number] for number in range(len(programs) + 1)]


def dominates(one, other):
    return all(x <= y for x, y in zip(one, other)) and one != other


print(f"bins of the five lists     best on   parent, of {DRAWS}")
apart = {"a": [48, 48, 48, 48, 55], "b": [48, 48, 49, 49, 48], "c": [49, 49, 48, 48, 49]}
seed, a, b, c = parents(apart)
assert not any(dominates(one, other) for one in apart.values() for other in apart.values()), "a true Pareto front"
assert seed == a == 0 and b > c > 0 and b + c == DRAWS, "the best on four of five lists is never a parent"
seed, d, e, f = parents({name: [48] * 5 for name in "def"})
assert seed == d == e == 0 and f == DRAWS, "of those that tie on all lists the last one always is"
PY
venv/bin/python probe.py
