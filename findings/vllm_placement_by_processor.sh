#!/usr/bin/env bash
# Software  vLLM 0.32.0 (its EPLB policy `default`, two files of the wheel) on numpy 2.4.6
# Guess     All ranks gather the same loads and run the same numpy code on them, so all reach the same placement, on
#           whatever x86 processor each rank's host has: nothing in it is random, and nothing is rounded differently.
# Seen      numpy's default argsort is not stable, and orders equal numbers differently under AVX-512 and AVX2. Loads
#           are whole token counts, of which some are equal in every layer, and the policy packs in that order. So
#           hosts with and without AVX-512 get other placements: in most layers, with other experts on other GPUs.
#           If GPUs 0 to 15 follow the one placement and 16 to 31 the other, some experts are on no GPU at all.
# Output    median load    100   other layers 58 of 58   other slots 36.8%   experts nowhere 1061
#           median load  1,000   other layers 58 of 58   other slots  5.1%   experts nowhere 160
#           median load 10,000   other layers 32 of 58   other slots  0.6%   experts nowhere  20
#           with kind='stable' in np.argsort: no other layer
# Matters   vLLM computes the map on every rank and does not compare or send it. Do not mix processors in one
#           deployment with EPLB on (or set NPY_DISABLE_CPU_FEATURES alike), and sort with kind="stable" in a policy
#           of your own. Scores are not at stake: both placements are as balanced. The script needs a processor with
#           AVX-512, where numpy is told to do without.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check numpy==2.4.6
venv/bin/pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d wheel vllm==0.32.0

cat > place.py <<'PY'
import sys
import types
import zipfile
from pathlib import Path

import numpy as np

(wheel,) = Path("wheel").glob("vllm-0.32.0-*.whl")
room = "vllm/distributed/eplb/policy"
with zipfile.ZipFile(wheel) as archive:
    for name in ("abstract", "default"):
        archive.extract(f"{room}/{name}.py", "out")
sys.path.insert(0, "out")
# The policy computes in numpy; it names torch only for the tensors that come in and go out.
sys.modules["torch"] = types.SimpleNamespace(Tensor=type("Tensor", (), {}))
from vllm.distributed.eplb.policy.default import DefaultEplbPolicy

found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
assert ("X86_V4" in found) == (sys.argv[1] == "AVX-512"), f"{sys.argv[1]}: numpy finds {found}"
sort, plans = np.argsort, {}
for tokens in (100, 1000, 10_000):  # the median load of an expert
    loads = np.rint(np.random.default_rng(0).lognormal(0, 0.7, (58, 256)) * tokens).astype(np.float32)
    for kind in (None, "stable"):
        np.argsort = lambda x, axis=-1, kind=kind: sort(x, axis=axis, kind=kind)
        plans[f"{tokens} {kind}"] = DefaultEplbPolicy.rebalance_experts_hierarchical(loads, 288, 1, 1, 32)
np.savez(sys.argv[1], **plans)
PY
if ! venv/bin/python -c 'import numpy, sys; sys.exit("X86_V4" not in numpy.show_config("dicts")["SIMD Extensions"]["found"])'
then
    echo "this needs a processor with AVX-512, whose other levels numpy can be told to imitate" >&2
    exit 2
fi
venv/bin/python -W error place.py AVX-512
NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL AVX512_SPR" venv/bin/python place.py AVX2

cat > compare.py <<'PY'
import numpy as np

one, other = np.load("AVX-512.npz"), np.load("AVX2.npz")
for tokens in (100, 1000, 10_000):
    here, there = one[f"{tokens} None"], other[f"{tokens} None"]
    layers, slots = int((here != there).any(axis=1).sum()), (here != there).mean()
    mixed = np.concatenate([here[:, :144], there[:, 144:]], axis=1)  # GPUs 0 to 15 on one host, 16 to 31 on another
    lost = sum(256 - len(set(row)) for row in mixed.tolist())
    print(f"median load {tokens:6,}   other layers {layers:2} of 58   other slots {slots:5.1%}   experts nowhere {lost:3}")
    assert layers > 20, "the placements differ between the two levels"
    assert lost > 0
    assert np.array_equal(one[f"{tokens} stable"], other[f"{tokens} stable"]), "a stable sort gives one placement"
print("with kind='stable' in np.argsort: no other layer")
PY
venv/bin/python compare.py
