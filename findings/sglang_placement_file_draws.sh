#!/usr/bin/env bash
# Software  SGLang 0.5.23 (its EPLB policy `deepseek` and `expert_location.py`, of the wheel) on torch 2.13.0, CPU
# Guess     A placement is served alike however it came to be: by a rebalance of the running engine, or from the file
#           that `--init-expert-location` names, with the same slots in it. All ranks draw with the same seed (42), so
#           the ranks that have no replica near them share the replicas of an expert evenly among them.
# Seen      Not from a file. With an all-to-all backend, each rank first cuts the list of an expert's slots down to the
#           one near itself, if there is one, and then draws for all ranks as before. The experts for which a rank draws
#           are others on every rank, so the ranks are at different places of the same random sequence: they draw
#           independently, and up to 13 of 16 take the same replica. After a rebalance nothing is cut down, and each
#           replica gets 8.
# Output    288 slots   balance: planned 0.9923   rebalanced 0.9565   from a file 0.9098   most of 16 draws alike 8 and 13
#           384 slots   balance: planned 0.9937   rebalanced 0.9040   from a file 0.8659   most of 16 draws alike 8 and 13
# Matters   An engine that starts from a placement file serves it 4 to 5 points worse than it would serve the same slots
#           after a rebalance (4 nodes of 8 GPUs), and no simulation with one list of slots for all ranks shows that.
#           An expert with one replica in all, or with one on each node, leaves nothing to draw.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6
venv/bin/pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d wheel sglang==0.5.23

cat > probe.py <<'PY'
import sys
import types
import zipfile
from pathlib import Path

import torch

RANKS, NODES, LAYERS, EXPERTS = 32, 4, 4, 256
ROOM = "sglang/srt/eplb"
(wheel,) = Path("wheel").glob("sglang-0.5.23-*.whl")
with zipfile.ZipFile(wheel) as archive:
    for name in ("expert_location", "eplb_algorithms/deepseek"):
        archive.extract(f"{ROOM}/{name}.py", "out")
sys.path.insert(0, "out")

# The settings of a server with an all-to-all backend, whose dispatch is static by default when EPLB is on.
moe = types.SimpleNamespace(ep_join_mode=None, moe_a2a_backend="deepep", ep_dispatch_algorithm="static")
context = types.ModuleType("sglang.srt.runtime_context")
context.get_exec = lambda: types.SimpleNamespace(moe=moe)
context.get_parallel = lambda: types.SimpleNamespace(ep_size=RANKS, nnodes=NODES)
context.get_device = lambda: types.SimpleNamespace(device="cpu")
context.get_resources = lambda: None
elastic = types.ModuleType("sglang.srt.elastic_ep.elastic_ep")
elastic.elastic_expanded_world_enabled = lambda: False
sys.modules[context.__name__], sys.modules[elastic.__name__] = context, elastic
sys.modules["sglang.srt.elastic_ep"] = types.ModuleType("sglang.srt.elastic_ep")
from sglang.srt.eplb import expert_location as location
from sglang.srt.eplb.eplb_algorithms.deepseek import rebalance_experts

torch.manual_seed(0)
loads = (torch.randn(LAYERS, EXPERTS, dtype=torch.float64) * 0.7).exp().mul(1000).round()


def balance(slot_loads):
    gpus = slot_loads.view(LAYERS, RANKS, -1).sum(-1)
    return float(gpus.mean(-1).sum() / gpus.max(-1).values.sum())


def served(chosen):
    """Balance of what the ranks send: each sends 1 / RANKS of an expert's tokens to the slot that it chose."""
    sent = torch.zeros(LAYERS, slots, dtype=torch.float64)
    for slot_of in chosen:
        sent.scatter_add_(1, slot_of.long(), loads / RANKS)
    return balance(sent)


def most_drawn(chosen):
    """Of the 16 ranks that draw, since they are on another node than both replicas of an expert: how many at most
    take the same one. An even share is 8."""
    most = 8
    for layer, expert in torch.nonzero(copies == 2).tolist():
        here = everywhere[layer, expert][:2]
        nodes = (here // (slots // NODES)).tolist()
        if nodes[0] != nodes[1]:
            draws = [int(chosen[rank][layer, expert]) for rank in range(RANKS) if rank // (RANKS // NODES) not in nodes]
            most = max(most, draws.count(int(here[0])), draws.count(int(here[1])))
    return most


for slots in (288, 384):
    plan, everywhere, copies = rebalance_experts(loads, slots, 1, 1, RANKS, False)
    planned = balance((loads / copies).gather(1, plan))
    rebalanced, read = [], []
    for rank in range(RANKS):
        # What init_by_mapping makes of the slots in a file, and init_by_eplb of the policy's answer.
        near = location._compute_logical_to_all_physical_map(plan, EXPERTS, RANKS, rank)
        for chosen, candidates in ((rebalanced, everywhere), (read, near)):
            chosen.append(location.compute_logical_to_rank_dispatch_physical_map(candidates, RANKS, slots, rank))
    print(f"{slots} slots   balance: planned {planned:.4f}   rebalanced {served(rebalanced):.4f}", end="   ")
    print(f"from a file {served(read):.4f}   most of 16 draws alike {most_drawn(rebalanced)} and {most_drawn(read)}")
    assert most_drawn(rebalanced) == 8 < 12 <= most_drawn(read), "only after a rebalance do the ranks share evenly"
    assert served(read) < served(rebalanced) - 0.02
PY
venv/bin/python probe.py
