#!/usr/bin/env bash
# Software  vllm-ascend 0.23.0 (`eplb/core/eplb_utils.py`, of the wheel) on torch 2.13.0, CPU
# Guess     A placement file (`expert_map_path`) may give a device two replicas of one expert: that wastes a slot, as in
#           vLLM, and every token still finds its expert. Every slot of the file is filled, and the file is read.
# Seen      If the device is the first, tokens of all other devices' experts go to wrong slots. The number of a slot is
#           the device's number times the slots of a device, and these are counted by the different experts on the
#           first device: with one expert twice among 3 slots there, slot 3 is taken for slot 2, and so on. On any
#           other device, a doubled expert only wastes a slot. Nothing is logged in either case.
# Output    device 0 holds 0 1 0, device 1 holds 2 3 1: experts 0 1 2 3 are sent to slots of  0 3 0 2
#           device 0 holds 2 3 1, device 1 holds 0 1 0: experts 0 1 2 3 are sent to slots of  0 1 2 3
#           device 0 holds 0 1 2, device 1 holds 2 3 1: experts 0 1 2 3 are sent to slots of  0 1 2 3
# Matters   Policies that pack by load alone double experts on a device: vLLM's own in 100 of 1,856 redundant slots, on a
#           recorded trace. A file made with one loads, and tokens then meet the weights of other experts. Check that no
#           device holds an expert twice, and exchange such slots.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6
venv/bin/pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d wheel vllm-ascend==0.23.0

cat > probe.py <<'PY'
import importlib.util
import json
import sys
import types
import zipfile
from pathlib import Path

import torch

NAME = "vllm_ascend/eplb/core/eplb_utils.py"
(wheel,) = Path("wheel").glob("vllm_ascend-0.23.0-*.whl")
with zipfile.ZipFile(wheel) as archive:
    archive.extract(NAME, "out")
# Of vLLM it needs a logger, and a function that a placement file makes unnecessary; of the device, a copy to it.
for name in ("vllm", "vllm.model_executor", "vllm.model_executor.layers", "vllm.model_executor.layers.fused_moe"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["vllm.logger"] = types.SimpleNamespace(logger=None)
manager = types.SimpleNamespace(determine_expert_map=None)
sys.modules["vllm.model_executor.layers.fused_moe.expert_map_manager"] = manager
torch.Tensor.npu = lambda self: self
spec = importlib.util.spec_from_file_location("eplb_utils", f"out/{NAME}")
utils = importlib.util.module_from_spec(spec)
spec.loader.exec_module(utils)


def sent_to(devices):
    """The experts whose weights lie in the slots that the last device's map names for experts 0 to 3."""
    layer = {
        "layer_id": 0,
        "device_count": len(devices),
        "device_list": [{"device_id": at, "device_expert": held} for at, held in enumerate(devices)],
    }
    Path("map.json").write_text(json.dumps({"moe_layer_count": 1, "layer_list": [layer]}))
    config = types.SimpleNamespace(expert_map_path="map.json", dynamic_eplb=False, num_redundant_experts=0)
    moe = types.SimpleNamespace(num_experts=4, ep_size=len(devices), ep_rank=len(devices) - 1)
    _, _, slot_of, redundant = utils.init_eplb_config(config, 0, moe)
    assert redundant == 2
    slots = [expert for held in devices for expert in held]
    return [slots[slot] for slot in slot_of.tolist()]


for devices, expected in (
    ([[0, 1, 0], [2, 3, 1]], [0, 3, 0, 2]),
    ([[2, 3, 1], [0, 1, 0]], [0, 1, 2, 3]),
    ([[0, 1, 2], [2, 3, 1]], [0, 1, 2, 3]),
):
    held = ", ".join(f"device {at} holds {' '.join(map(str, held))}" for at, held in enumerate(devices))
    found = sent_to(devices)
    print(f"{held}: experts 0 1 2 3 are sent to slots of ", *found)
    assert found == expected
PY
venv/bin/python probe.py
