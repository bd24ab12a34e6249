"""Reading a task's options strictly, as they come from a config file or the command line.

Owns: the checks of keys and types, and their error messages. Does not know: any task.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from evaluator.types import WorkloadError


def check_keys(options: Mapping[str, Any], known: Collection[str], where: str, required: Collection[str] = ()) -> None:
    """Raises WorkloadError for an unknown key, naming the nearest known one, and for a required key that is absent."""
    for key in options:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise WorkloadError(f"{where}: unknown key {key!r}: {hint}")
    missing = [key for key in required if key not in options]
    if missing:
        raise WorkloadError(f"{where}: expected {', '.join(required)}, {', '.join(missing)} missing")


def whole_number(value: Any, where: str, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise WorkloadError(f"{where}: expected a whole number of at least {least}, found {value!r}")
    return value


def number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WorkloadError(f"{where}: expected a number, found {value!r}")
    return float(value)


def items(value: Any, where: str) -> Sequence[Any]:
    """A list or tuple as it is; a text is not a list of characters."""
    if not isinstance(value, list | tuple):
        raise WorkloadError(f"{where}: expected a list, found {value!r}")
    return value


def choice(value: Any, known: Collection[str], where: str) -> str:
    if not isinstance(value, str) or value not in known:
        near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
        hint = f": did you mean {near[0]}?" if near else ""
        raise WorkloadError(f"{where}: expected one of {', '.join(known)}, found {value!r}{hint}")
    return value
