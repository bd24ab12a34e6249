"""Placements in files of torch, `{"physical_to_logical_map": int64 [rows, R]}`, without importing torch here.

Owns: the short-lived processes that read such a file weights-only, and write one. Does not know: what a placement
means.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from evaluator.tasks.eplb.metrics import Ints
from evaluator.tasks.eplb.placement_formats import MAP, check_map_keys
from evaluator.types import EvaluatorError, WorkloadError

TIMEOUT_S = 120.0

_READER = """
import json, sys
import torch

def said(value):
    return "".join(c for c in " ".join(str(value).split()) if c.isprintable())[:300]

facts, content = {}, b""
try:
    loaded = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
    if not isinstance(loaded, dict):
        facts["error"] = "expected a dict, found " + type(loaded).__name__
    else:
        facts["keys"] = [said(key)[:80] for key in list(loaded)[:50]]
        value = loaded.get(sys.argv[2])
        if isinstance(value, list):
            value = torch.tensor(value)
        if isinstance(value, torch.Tensor):
            whole = not (value.is_floating_point() or value.is_complex() or value.dtype == torch.bool)
            if value.layout != torch.strided or not whole or value.ndim != 2 or not value.numel():
                facts["error"] = f"expected whole numbers [layers, slots], found {value.dtype} {list(value.shape)}"
            elif value.numel() > int(sys.argv[3]):
                facts["error"] = f"expected at most {sys.argv[3]} slots in all layers, found {value.numel()}"
            else:
                facts["shape"] = list(value.shape)
                content = value.to(torch.int64).contiguous().numpy().tobytes()
except Exception as error:
    facts["error"] = "torch cannot load the file weights-only: " + said(error)
sys.stdout.buffer.write(json.dumps(facts).encode() + b"\\n" + content)
"""

_WRITER = """
import io, sys
import numpy, torch

shape = [int(size) for size in sys.argv[2:4]]
array = numpy.frombuffer(sys.stdin.buffer.read(), numpy.int64).reshape(shape)
file = io.BytesIO()
torch.save({sys.argv[1]: torch.from_numpy(array.copy())}, file)
sys.stdout.buffer.write(file.getvalue())
"""


def _run(code: str, *arguments: str, given: bytes = b"") -> bytes:
    """What a new, isolated interpreter without our environment writes. Raises EvaluatorError."""
    command = [sys.executable, "-I", "-c", code, *arguments]
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, timeout=TIMEOUT_S, env={"PATH": os.defpath}, check=False
        )
    except subprocess.TimeoutExpired:
        raise EvaluatorError(f"torch took longer than {TIMEOUT_S:g} s for a placement: use a .json file") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        why = lines[-1][:300] if lines else f"exit code {done.returncode}"
        raise EvaluatorError(f"torch failed ({why}): use a .json file")
    return done.stdout


def read_map(path: Path, most: int) -> Ints:
    """The map of a file, `[rows, R]`, with at most `most` entries. Raises WorkloadError, EvaluatorError."""
    head, _, content = _run(_READER, str(path.absolute()), MAP, str(most)).partition(b"\n")
    facts = json.loads(head)
    if "error" not in facts and MAP not in facts["keys"]:
        facts["error"] = f"expected a dict with {MAP}, found {', '.join(facts['keys']) or 'no keys'}"
    if "error" not in facts:
        check_map_keys(dict.fromkeys(facts["keys"]), str(path))
    if "error" not in facts and "shape" not in facts:
        facts["error"] = f"expected {MAP} to be a tensor"
    if "error" in facts:
        raise WorkloadError(f"{path}: {facts['error']}")
    return np.frombuffer(content, np.int64).reshape(facts["shape"])


def map_file(rows: Ints) -> bytes:
    """The bytes of a file with this map. Raises EvaluatorError."""
    return _run(_WRITER, MAP, *map(str, rows.shape), given=np.ascontiguousarray(rows, np.int64).tobytes())
