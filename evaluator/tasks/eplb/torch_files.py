"""Reading a tensor from a torch file without importing torch here.

Owns: the short-lived process that loads the file weights-only and returns plain numbers. Does not know: what they mean.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluator.types import WorkloadError

TIMEOUT_S = 120.0

# Runs in a new, isolated interpreter; the user reads its last line on stderr.
_LOADER = """
import io, sys
try:
    import numpy, torch
    content = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
except Exception as error:
    sys.exit("torch cannot load the file weights-only: " + " ".join(str(error).split())[:300])
if not isinstance(content, dict) or "logical_count" not in content:
    actual = "keys " + ", ".join(sorted(map(str, content))[:5]) if isinstance(content, dict) else type(content).__name__
    sys.exit("expected a dict with logical_count, found " + actual)
counts = content["logical_count"]
if not isinstance(counts, torch.Tensor) or counts.layout != torch.strided or counts.is_complex():
    sys.exit("expected logical_count to be a dense tensor of numbers, found " + str(type(counts).__name__))
if counts.dtype == torch.bool:
    sys.exit("expected logical_count to hold numbers, found torch.bool")
if counts.numel() > int(sys.argv[2]):
    sys.exit(f"expected at most {sys.argv[2]} loads, found {counts.numel()}")
buffer = io.BytesIO()
numpy.save(buffer, counts.detach().to(torch.float64).numpy(), allow_pickle=False)
sys.stdout.buffer.write(buffer.getvalue())
"""


def load_pt_counts(path: Path, max_values: int) -> NDArray[np.float64]:
    """The tensor `logical_count` of a `.pt` file in float64, of any shape. Raises WorkloadError."""
    command = [sys.executable, "-I", "-c", _LOADER, str(path.absolute()), str(max_values)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False, env={"PATH": os.defpath})
    except subprocess.TimeoutExpired as error:
        raise WorkloadError(f"{path}: torch did not load the file within {TIMEOUT_S:g} s") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise WorkloadError(f"{path}: {lines[-1] if lines else f'the loader ended with exit code {done.returncode}'}")
    counts: NDArray[np.float64] = np.load(io.BytesIO(done.stdout), allow_pickle=False)
    return counts
