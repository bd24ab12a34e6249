#!/usr/bin/env bash
# Software  SGLang 0.5.23 (its EPLB policy `deepseek_vec`, one file of the wheel) on torch 2.13.0, CPU
# Guess     A redundant slot goes to an expert that has the highest load per replica. Where two experts tie for
#           that, it goes to one of the two, and the other one gets the next slot; `deepseek` of the same wheel
#           does so.
# Seen      With such a tie every redundant slot goes to expert 0, however light it is. The policy tells tied experts
#           apart by adding 1e-4 times their index to the load, in float32, whose numbers lie 2.4e-4 apart from 2,048
#           on: there the difference of neighbours is rounded away, and with more tokens that of experts further
#           apart. The step that looks for the best expert then finds that no replica helps and takes the first.
# Output    load of the two heavy experts: 1000   copies: deepseek 1 1 1 1 2 2 1 1   deepseek_vec 1 1 1 1 2 2 1 1
#           load of the two heavy experts: 4000   copies: deepseek 1 1 1 1 2 2 1 1   deepseek_vec 3 1 1 1 1 1 1 1
#           heaviest replica at 4000: deepseek 2000   deepseek_vec 4000
# Matters   Made-up loads with round numbers tie often, others seldom (2 of 1,000 log-normal layers of 256 experts). A
#           heuristic that "beats deepseek_vec" on tied loads has beaten a rounding error, not a policy: compare on
#           loads without ties, or against `deepseek`.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check torch==2.13.0
venv/bin/pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d wheel sglang==0.5.23

cat > probe.py <<'PY'
import importlib.util
import zipfile
from pathlib import Path

import torch

ROOM = "sglang/srt/eplb/eplb_algorithms"


def policy(name):
    (wheel,) = Path("wheel").glob("sglang-0.5.23-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(f"{ROOM}/{name}.py", "out")
    spec = importlib.util.spec_from_file_location(name, f"out/{ROOM}/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.rebalance_experts


deepseek, vec = policy("deepseek"), policy("deepseek_vec")
# 8 experts in 10 slots on 5 GPUs, one layer, one step: two slots to give away.
seen = {}
for heavy in (1000, 4000):
    loads = torch.tensor([[10, 10, 10, 10, heavy, heavy, 10, 10]])
    plain = deepseek(loads, 10, None, 1, 5, False)[2]
    tied = vec(loads[None], 10, 2, None, 1, False)[2]
    seen[heavy] = plain[0].tolist(), tied[0].tolist()
    print(f"load of the two heavy experts: {heavy}   copies: deepseek", *seen[heavy][0], end="   ")
    print("deepseek_vec", *seen[heavy][1])
heaviest = [int((loads / copies).max()) for copies in (plain, tied)]
print("heaviest replica at 4000: deepseek", heaviest[0], "  deepseek_vec", heaviest[1])
split = [1, 1, 1, 1, 2, 2, 1, 1]
assert seen[1000] == (split, split), "at 1000 tokens both policies split the two heavy experts"
assert seen[4000] == (split, [3, 1, 1, 1, 1, 1, 1, 1]), "at 4000 tokens deepseek_vec gives both slots to expert 0"
assert heaviest == [2000, 4000]
PY
venv/bin/python -W ignore probe.py
