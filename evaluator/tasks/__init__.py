"""The problems the judge knows, by name: each a factory from a config's options. Adding one is one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evaluator.tasks.eplb import Eplb
from evaluator.types import Task

TASKS: dict[str, Callable[[Mapping[str, Any]], Task]] = {
    "eplb": Eplb.from_options,
}
