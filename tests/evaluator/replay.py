"""Programs called in this process, as a reader of a score does who checks it: no confinement, no clock.

Owns: how arguments become tensors and answers arrays. Does not know: the judge, tasks. Not for hostile programs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from evaluator.types import Answer, Call


def entry_of(source: str, entry_point: str, driver: str = "") -> Callable[..., Any]:
    """The function that the program defines, or what a task's driver makes of it."""
    module: dict[str, Any] = {}
    exec(source, module)
    function = module[entry_point]
    if driver:
        exec(driver, module)
        function = module["drive"](function)
    return function  # type: ignore[no-any-return]


def _placed(value: Any) -> Any:
    return torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value


def answer_of(function: Callable[..., Any], call: Call) -> Answer:
    """The arrays of its answer; it gets the offered parameters that it declares."""
    declared = inspect.signature(function).parameters
    offered = {name: _placed(value) for name, value in call.offered.items() if name in declared}
    result = function(*map(_placed, call.args), **offered)
    parts = result if isinstance(result, tuple | list) else (result,)
    return tuple(np.asarray(part) for part in parts)
