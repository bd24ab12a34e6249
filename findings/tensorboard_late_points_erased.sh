#!/usr/bin/env bash
# Software  TensorBoard 2.21.0 with tensorboard-data-server 0.7.2, which it installs; events from tensorboardX 2.6.5
# Guess     An asynchronous search logs each attempt under its number, when its verdict is in. So some points come out
#           of order; the chart has them all, at worst as a line that runs backwards, as TensorBoard has drawn it with
#           its Python reader. The old rule that a smaller step erases the later ones held for event files of version 1.
# Seen      The Python reader keeps every point. The reader that `tensorboard --logdir` chooses by itself (the data
#           server) erases, at every point that comes late, all points of that tag at its step or above: of twelve
#           attempts it shows five. Where two processes write to one folder, the second file erases most of the first.
# Output    attempts as they ended      1 2 3 5 6 7 8 4 10 11 12 9
#             tensorboard               1 2 3 4 9
#             with --load_fast=false    1 2 3 5 6 7 8 4 10 11 12 9
#           odd ones, then even ones    1 3 5 7 9 11 2 4 6 8 10 12
#             tensorboard               1 2 4 6 8 10 12
#             with --load_fast=false    1 3 5 7 9 11 2 4 6 8 10 12
# Matters   The best score of a search may be missing from its own chart, and which attempts are gone depends on how
#           long their neighbours took. Log in the order of the steps (the count of verdicts, or hold a verdict back
#           until those before it are in), give each process a folder of its own, or look with `--load_fast=false`.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check --only-binary :all: \
  tensorboard==2.21.0 tensorboard-data-server==0.7.2 tensorboardX==2.6.5

cat > probe.py <<'PY'
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

from tensorboardX import SummaryWriter

ASYNC = [1, 2, 3, 5, 6, 7, 8, 4, 10, 11, 12, 9]
ODD, EVEN = [1, 3, 5, 7, 9, 11], [2, 4, 6, 8, 10, 12]
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def write(folder, steps, suffix):
    """One event file, as one process writes it. The tag `end` comes last: who has it has read the file."""
    writer = SummaryWriter(folder, filename_suffix=suffix)
    for step in steps:
        writer.add_scalar("score", 1 - 1 / step, step)
    writer.add_scalar(f"end{suffix}", 0, 1)
    writer.close()


def steps_of(port, run, tag):
    query = f"http://127.0.0.1:{port}/data/plugin/scalars/scalars?run={run}&tag={tag}"
    try:
        with DIRECT.open(query, timeout=10) as reply:
            return [step for _, step, _ in json.load(reply)]
    except urllib.error.HTTPError:  # not read yet
        return []


def shown(options):
    """The steps that TensorBoard's own server hands to the chart, by run."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "logs", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            port = next(found[1] for line in server.stderr if (found := re.search(r"at http://\S+:(\d+)/", line)))
            for _ in range(120):
                if all(steps_of(port, run, "end.2") for run in ("async", "two")):
                    return {run: steps_of(port, run, "score") for run in ("async", "two")}
                time.sleep(0.5)
            raise SystemExit("the logs were not read within a minute")
        finally:
            server.terminate()


write("logs/async", ASYNC, ".2")
write("logs/two", ODD, ".1")
write("logs/two", EVEN, ".2")
default, python = shown([]), shown(["--load_fast=false"])
for run, what, order in (("async", "attempts as they ended", ASYNC), ("two", "odd ones, then even ones", ODD + EVEN)):
    print(f"{what:26s} ", *order)
    print("  tensorboard              ", *default[run])
    print("  with --load_fast=false   ", *python[run])
    assert python[run] == order, "the Python reader keeps every point, in the order of the file"
assert default["async"] == [1, 2, 3, 4, 9], "each late point erases those at its step or above"
assert default["two"] == [1, *EVEN], "so does the first point of a second file"
PY
venv/bin/python probe.py
