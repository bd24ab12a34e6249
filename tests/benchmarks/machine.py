"""The machine that a benchmark runs on, as one line."""

from __future__ import annotations

import os
import platform

from evaluator import cores, cpu_name, torch_version


def describe() -> str:
    """Processor, cores, load, kernel, Python and torch in one line."""
    load = os.getloadavg()[0]
    return (
        f"{cpu_name()}, {cores()} cores (load {load:.1f}), Linux {platform.release()}, "
        f"Python {platform.python_version()}, torch {torch_version()}"
    )
