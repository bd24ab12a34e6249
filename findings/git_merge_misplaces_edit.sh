#!/usr/bin/env bash
# Software  git 2.39.5 (`git merge` has used the strategy `ort` by default since 2.34)
# Guess     `git merge-file` is what `git merge` does to one file: from the same three versions both make the same
#           text, and what merges without a conflict holds each side's edit where that side made it.
# Seen      Both merge without a conflict, and the texts differ. One side swaps two functions that look alike, the
#           other edits a line of `heaviest` and adds a function at the end. `git merge` edits `heaviest`;
#           `git merge-file`, and `git merge` with the strategy `resolve`, put the edit into `lightest`. They compare
#           with the diff named myers, which here sees two renamed functions and the rest unmoved; `ort` compares
#           with histogram, which sees that `lightest` moved.
# Output    git version 2.39.5
#           git merge               clean, edit in: heaviest
#           git merge -s resolve    clean, edit in: lightest
#           git merge-file          clean, edit in: lightest
#           heaviest stands still for histogram, is a new name for myers
# Matters   A crossover is a merge of two programs, and heuristics are full of helpers that look alike. A clean
#           merge may be a program that neither parent meant: name the tool and the diff with the child, and
#           judge the child, never its parents' scores.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export HOME=$dir GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
git --version

pick() { # NAME COMPARISON RESULT: a function of the kind that heuristics have several of
  printf 'def %s(loads):\n    best = None\n    for i, load in enumerate(loads):\n' "$1"
  printf '        if best is None or load %s loads[best]:\n            best = i\n    return %s\n\n\n' "$2" "$3"
}
{ pick lightest '<' best; pick heaviest '>' best; } > base.py
{ pick heaviest '>' best; pick lightest '<' best; } > swapped.py
{ pick lightest '<' best; pick heaviest '>' 'int(best)'; pick newest '!=' best; } > edited.py

holder() { awk '/^def /{name = $2; sub(/\(.*/, "", name)} /return int\(best\)/{print name}' "$1"; }

git init -q repo
git -C repo checkout -q -b base
commit() { cp "$1" repo/solver.py && git -C repo add solver.py && git -C repo commit -q -m "$1"; }
commit base.py
git -C repo checkout -q -b edited base && commit edited.py
git -C repo checkout -q -b swapped base && commit swapped.py

merged() { # STRATEGY: the text that `git merge` makes of both sides, which must be without a conflict
  git -C repo checkout -q --detach swapped
  git -C repo merge -q --no-edit -s "$1" edited > /dev/null 2>&1
  cat repo/solver.py
}
merged ort > ort.py
merged resolve > resolve.py
git merge-file -p swapped.py base.py edited.py > file.py # exits with the number of conflicts
echo "git merge               clean, edit in: $(holder ort.py)"
echo "git merge -s resolve    clean, edit in: $(holder resolve.py)"
echo "git merge-file          clean, edit in: $(holder file.py)"
[ "$(holder ort.py)" = heaviest ] && [ "$(holder file.py)" = lightest ]
cmp resolve.py file.py

renames() { ! git -C repo diff --diff-algorithm="$1" base swapped | grep "^ def heaviest" > /dev/null; }
renames myers || exit 1
if renames histogram; then exit 1; fi
echo "heaviest stands still for histogram, is a new name for myers"
