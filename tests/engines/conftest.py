"""Tests with the wheels of real engines: collected only where `PACKSMITH_ENGINE_WHEELS` names them.

Owns: where the wheels are. Does not know: engines.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NAMED = "PACKSMITH_ENGINE_WHEELS"
"""The paths of wheels, divided by colons."""

collect_ignore_glob = [] if os.environ.get(NAMED) else ["test_*.py"]


@pytest.fixture(scope="session")
def wheels() -> tuple[Path, ...]:
    return tuple(Path(path) for path in os.environ[NAMED].split(os.pathsep))
