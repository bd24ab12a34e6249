"""How far the search of a cell has got: a small file beside its run.

Owns: the file, its format and how it is written. Does not know: studies, archives, the clock.

The attempts are in the run itself. What a run cannot tell is whether a search ended or was interrupted, and how long it
has worked so far, of which a budget in minutes is a limit.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.types import HarnessError

_MOST_BYTES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`used_s` is how long the search has worked, `ended` why it ended, "" while it has not, and `budget` the limits
    under which it ended. Raises ValueError for a time that is negative or not finite.
    """

    used_s: float = 0.0
    ended: str = ""
    budget: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.used_s) and self.used_s >= 0):
            raise ValueError(f"expected seconds of at least 0, found {self.used_s}")

    def ended_under(self, budget: Mapping[str, Any]) -> bool:
        """Whether the search has ended under these limits."""
        return bool(self.ended) and dict(self.budget) == dict(budget)


def state_file(run: Path) -> Path:
    """The file of the state of a run's search."""
    return run.with_name(f"{run.name}.json")


def read_state(run: Path) -> State:
    """The state of a run's search; a new one where there is no file. Raises HarnessError for a damaged file."""
    path = state_file(run)
    try:
        with path.open("rb") as stream:
            text = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return State()
    try:
        if len(text) > _MOST_BYTES:
            raise ValueError(f"expected at most {_MOST_BYTES:,} bytes, found more")
        held = json.loads(text)
        if not isinstance(held, dict) or not isinstance(held.get("budget"), dict):
            raise ValueError("expected an object with used_s, ended and budget")
        return State(used_s=float(held["used_s"]), ended=str(held["ended"]), budget=held["budget"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise HarnessError(
            f"{path}: expected what packsmith wrote about the search of {run.name}, found something else ({error}): "
            f"delete this file, and the search goes on from its attempts"
        ) from error


def write_state(run: Path, state: State) -> None:
    """Write the state, whole; durable when this returns. The folder must exist."""
    path = state_file(run)
    beside = path.with_name(f".{path.name}.part")
    with beside.open("w", encoding="ascii") as stream:
        json.dump(asdict(state), stream, allow_nan=False)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)
