#!/usr/bin/env bash
# Software  GitPython 3.2.1 with gitdb 4.0.12 (`git.Repo(path, odbt=git.GitDB)`), git 2.39.5
# Guess     `git gc` moves objects from loose files into a pack and loses none that a ref reaches, so a program that
#           holds the repository open goes on reading them: gitdb looks into the packs when a loose file is gone,
#           and lists the packs again when it does not find the object there, as git itself does.
# Seen      gitdb lists the packs once. After a gc by another process it raises BadObject for every object that was
#           packed, though a fresh Repo and GitPython's default store (a git process) read it. Its
#           `odb.update_cache(force=True)` brings the objects back; nothing calls it on a miss.
# Output    git version 2.39.5
#           before gc               three
#           GitDB after gc          BadObject BadObject BadObject
#           git process after gc    three two one
#           GitDB, cache updated    three two one
# Matters   gitdb's store inside the process is several times as quick for an archive of thousands of small commits,
#           so long searches use it; and git's everyday commands start a gc by themselves once some thousand loose
#           objects lie about. A search that takes BadObject for damage stops, or drops parents that are all there.
#           Update the cache and look again before believing a miss, or run gc only while nobody reads.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export HOME=$dir GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check GitPython==3.2.1 gitdb==4.0.12 smmap==5.0.3
git --version

git init -q repo
for message in one two three; do
  echo "$message" > repo/solver.py
  git -C repo add solver.py
  git -C repo commit -q -m "$message"
done

cat > probe.py <<'PY'
import subprocess

import git
from gitdb.exc import BadObject


def message(repo, commit):
    try:
        return repo.commit(commit).message.strip()
    except BadObject:
        return "BadObject"


def say(what, repo):
    found = [message(repo, commit) for commit in commits]
    print(f"{what:22s} ", *found)
    return found


commits = subprocess.check_output(["git", "-C", "repo", "rev-list", "HEAD"], text=True).split()
whole = ["three", "two", "one"]
held = git.Repo("repo", odbt=git.GitDB)
first = message(held, commits[0])
print(f"{'before gc':22s} ", first)
subprocess.run(["git", "-C", "repo", "gc", "-q"], check=True)
blind = say("GitDB after gc", held)
by_process = say("git process after gc", git.Repo("repo", odbt=git.GitCmdObjectDB))
held.odb.update_cache(force=True)
seeing = say("GitDB, cache updated", held)
assert first == "three" and blind == ["BadObject"] * 3, "the store that was open is blind to the new pack"
assert by_process == whole and seeing == whole, "nothing was lost"
PY
venv/bin/python -W ignore::DeprecationWarning probe.py
