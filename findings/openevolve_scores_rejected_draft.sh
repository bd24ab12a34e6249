#!/usr/bin/env bash
# Software  OpenEvolve 0.4.0 with openai 3.57.0; a local stub in place of the model's server
# Guess     When a reply first drafts an edit between <think> and </think>, drops it in words, and then gives another
#           edit of the same line, the child that is evaluated holds the second edit: the thinking is cut off, or
#           the later block wins, or two edits of one line are refused.
# Seen      The child that is evaluated is the draft that the model dropped. Blocks are read from the whole reply and
#           applied in order; the draft takes the line away, the real edit then matches nowhere and is skipped with
#           a warning ("only 1 of 2 SEARCH block(s) matched"). A reply of which no block matches is an error in
#           0.4.0; a reply of which one matches is not.
# Output    program 1 is evaluated: return loads.index(min(loads))
#           program 2 is evaluated: return 0
#           (the reply ended with: return len(loads) - 1 - loads[::-1].index(min(loads)))
# Matters   Open models served without a reasoning parser think aloud in the reply. A search that scores their
#           drafts tells the model that its idea was bad when the idea was never run. When runs of two searches
#           are compared, a difference may be that. Cut the thinking off, and refuse a reply unless all its
#           blocks match.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check --only-binary :all: \
  openevolve==0.4.0 openai==3.57.0 httpx2==2.16.2 numpy==2.4.0

cat > solver.py <<'PY'
# EVOLVE-BLOCK-START
def choose(loads):
    return loads.index(min(loads))
# EVOLVE-BLOCK-END
PY
cat > judge.py <<'PY'
import os
import runpy
from pathlib import Path


def evaluate(path):
    with Path(os.environ["SEEN"]).open("a") as seen:
        seen.write(next(line.strip() for line in Path(path).read_text().splitlines() if "return" in line) + "\n")
    choose, loads = runpy.run_path(path)["choose"], [0] * 4
    for weight in (9, 8, 7, 6, 5, 4, 3, 2):
        loads[choose(loads)] += weight
    return {"combined_score": sum(loads) / len(loads) / max(loads)}
PY
cat > probe.py <<'PY'
import http.server
import json
import os
import threading
from pathlib import Path

OLD = "return loads.index(min(loads))"
FINAL = "return len(loads) - 1 - loads[::-1].index(min(loads))"
BLOCK = f"<<<<<<< SEARCH\n    {OLD}\n=======\n    %s\n>>>>>>> REPLACE\n"
REPLY = f"<think>\nA draft:\n{BLOCK % 'return 0'}That fills one bin only, so no.\n</think>\n{BLOCK % FINAL}"


class Stub(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": REPLY}}
        body = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "stub", "choices": [choice]})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def main():
    from openevolve import run_evolution

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/v1"
    settings = {
        "max_iterations": 1,
        "log_level": "ERROR",
        "llm": {"api_base": address, "api_key": "none", "models": [{"name": "stub"}]},
        "evaluator": {"cascade_evaluation": False, "parallel_evaluations": 1},
        "database": {"num_islands": 1},
        "diff_based_evolution": True,
    }
    Path("settings.yaml").write_text(json.dumps(settings))
    os.environ["SEEN"] = str(Path("seen.txt").resolve())
    run_evolution("solver.py", "judge.py", config="settings.yaml", iterations=1, output_dir="out", cleanup=False)
    seen = Path("seen.txt").read_text().splitlines()
    for number, line in enumerate(seen, 1):
        print(f"program {number} is evaluated: {line}")
    print(f"(the reply ended with: {FINAL})")
    assert seen == [OLD, "return 0"], "the draft is evaluated, the final edit never"


if __name__ == "__main__":
    main()
PY
venv/bin/python probe.py 2> log.txt || { cat log.txt >&2; exit 1; }
