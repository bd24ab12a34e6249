#!/usr/bin/env bash
# Software  SGLang 0.5.23 (its expert distribution recorder in mode `stat`, classes of the wheel) on torch 2.13.0, CPU
# Guess     A row of a dump's `logical_count` is a forward pass, and rows of 0 are the unused end of the buffer: the
#           dump resets the recorder, so every recording begins at row 0, and a ring of 8 rows keeps the latest 8
#           passes of the model. Draft passes of speculative decoding, which are not recorded, leave no row.
# Seen      The reset empties the rows and leaves the write position. The second recording begins where the first one
#           ended and goes on at row 0: of 6 passes in 8 rows the last 3 stand first, and the dump does not say so. A
#           pass whose recording is disabled, as draft models do, counts no load and still takes a row, all 0; so 5
#           passes with a draft pass each have lost the first of the 5. A buffer of size -1 grows, and begins at row
#           0 each time; its draft passes leave rows of 0 too.
# Output    load of each row, where pass N has N tokens
#           ring of 8, passes 1 to 5             1 2 3 4 5 0 0 0
#           the next recording, 11 to 16         14 15 16 0 0 11 12 13
#           new ring of 8, 1 to 3 and drafts     1 0 2 0 3 0 0 0
#           new ring of 8, 1 to 5 and drafts     5 0 2 0 3 0 4 0
#           size -1, passes 1 to 5               1 2 3 4 5
#           the next recording, 11 to 16         11 12 13 14 15 16
#           the next one, 1 to 3 and drafts      1 0 2 0 3 0
# Matters   Who splits a dump into earlier and later steps, and tunes on the earlier ones, may have later ones among
#           them; who takes means over its rows counts passes without load. Turn the rows so that the longest run of
#           empty ones comes last, then drop the empty ones; record once for each start of the server, with more rows
#           than passes, drafts included, or with size -1. Of a full ring the dump does not tell where it begins.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check torch==2.13.0
venv/bin/pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d wheel sglang==0.5.23

cat > probe.py <<'PY'
import ast
import importlib.util
import sys
import zipfile
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Generic, Optional, TypeVar
from unittest.mock import MagicMock

import torch

RECORDER, UTILS = "sglang/srt/eplb/expert_distribution.py", "sglang/srt/utils/common.py"
EXPERTS = 4
(wheel,) = Path("wheel").glob("sglang-0.5.23-*.whl")
with zipfile.ZipFile(wheel) as archive:
    archive.extract(RECORDER, "out")
    utils = ast.parse(archive.read(UTILS))

# The recorder's file and the class Withable are SGLang's own. What they import of the server is not there: a server
# without CUDA graphs and reports, with one rank, and a model of one layer.
moe = SimpleNamespace(
    expert_distribution_recorder_mode="stat", moe_a2a_backend="none", expert_balancedness_report_mode="off"
)
withable = [part for part in utils.body if isinstance(part, ast.ClassDef) and part.name == "Withable"]
names = {"Generic": Generic, "Optional": Optional, "T": TypeVar("T"), "contextmanager": contextmanager}
exec(compile(ast.Module(withable, []), UTILS, "exec"), names)
for module in (
    "einops", "sglang.srt.environ", "sglang.srt.layers.moe", "sglang.srt.model_executor.forward_batch_info",
    "sglang.srt.observability.metrics_collector", "sglang.srt.runtime_context", "sglang.srt.utils",
):
    sys.modules[module] = MagicMock()
context, server_utils = sys.modules["sglang.srt.runtime_context"], sys.modules["sglang.srt.utils"]
context.get_exec = lambda: SimpleNamespace(moe=moe)
context.get_device = lambda: SimpleNamespace(device="cpu")
context.get_platform = lambda: SimpleNamespace(is_hip=False)
context.reports_expert_balancedness = lambda: False
server_utils.Withable, server_utils.get_device = names["Withable"], lambda: "cpu"
torch.get_device_module = lambda: SimpleNamespace(empty_cache=lambda: None)
spec = importlib.util.spec_from_file_location("recorder", f"out/{RECORDER}")
recorder = sys.modules["recorder"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recorder)
torch.distributed.init_process_group("gloo", init_method=f"file://{Path('ranks').resolve()}", rank=0, world_size=1)


def server(rows):
    """A recorder as a server makes it with --expert-distribution-recorder-buffer-size of `rows`."""
    moe.expert_distribution_recorder_buffer_size = rows
    model = SimpleNamespace(
        num_layers=1,
        num_logical_experts=EXPERTS,
        num_physical_experts=EXPERTS,
        num_local_physical_experts=EXPERTS,
        ep_size=1,
        physical_to_logical_map=torch.arange(EXPERTS)[None],
    )
    return recorder._ExpertDistributionRecorderReal(model, rank=0)


def forward(recording, number, tokens, region):
    """As the server's model_runner.py and the model's decoder call the recorder."""
    with recording.with_forward_pass(number, SimpleNamespace()), region, recording.with_current_layer(0):
        recording.on_select_experts(torch.arange(tokens)[:, None] % EXPERTS)


def rows(what, recording, passes, drafts=False):
    recording.start_record()
    for number in passes:
        forward(recording, number, number, nullcontext())
        if drafts:  # as deepseek_nextn.py and the other draft models do
            forward(recording, number, 1, recording.disable_this_region())
    recording.stop_record()
    dump = recording.dump_record(output_mode="object")["logical_count"]
    loads = dump.sum(dim=(1, 2)).tolist()
    print(f"{what:36s}", *loads)
    return loads


print("load of each row, where pass N has N tokens")
first, later, few = range(1, 6), range(11, 17), range(1, 4)
ring = server(8)
seen = [
    rows("ring of 8, passes 1 to 5", ring, first),
    rows("the next recording, 11 to 16", ring, later),
    rows("new ring of 8, 1 to 3 and drafts", server(8), few, drafts=True),
    rows("new ring of 8, 1 to 5 and drafts", server(8), first, drafts=True),
]
growing = server(-1)
grown = [
    rows("size -1, passes 1 to 5", growing, first),
    rows("the next recording, 11 to 16", growing, later),
    rows("the next one, 1 to 3 and drafts", growing, few, drafts=True),
]
torch.distributed.destroy_process_group()
assert seen[0] == [1, 2, 3, 4, 5, 0, 0, 0], "the first recording begins at row 0"
assert seen[1] == [14, 15, 16, 0, 0, 11, 12, 13], "the second begins where the first one ended, and wraps"
assert seen[2] == [1, 0, 2, 0, 3, 0, 0, 0], "a draft pass takes a row of 0"
assert seen[3] == [5, 0, 2, 0, 3, 0, 4, 0], "and pushes a pass out"
assert grown == [[1, 2, 3, 4, 5], [11, 12, 13, 14, 15, 16], [1, 0, 2, 0, 3, 0]], "a buffer that grows begins at row 0"
PY
venv/bin/python -W ignore probe.py
