"""Which lists a task packs, as a config or the command line says it.

Owns: the options of every task over lists of items, and their reading. Does not know: which task it is, packings.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from evaluator.task_protocol import TaskOption
from evaluator.tasks.item_lists.or_library import read_set
from evaluator.tasks.item_lists.sources import GENERATED, STANDARD, Kind, Source
from evaluator.tasks.options import check_keys, choice, items
from evaluator.types import WorkloadError

_KEYS = ("kind", "items", "capacity")
_MORE = ("name", "lists", "low", "high")


def sources(options: Mapping[str, Any], where: str, usual: tuple[str, ...]) -> tuple[Source, ...]:
    """The lists that `cases` and `traces` choose; `usual` are the standard ones if neither is given. A file is a case
    of its own, named after it. Raises WorkloadError.
    """
    check_keys(options, ("cases", "traces"), where)
    paths = [_path(value, at) for at, value in enumerate(items(options.get("traces") or (), "traces"))]
    recorded = tuple(Source.of_set(path.stem, read_set(path)) for path in paths)
    chosen = options.get("cases")
    if chosen is None:
        chosen = () if recorded else usual
    return tuple(_case(value, at) for at, value in enumerate(items(chosen, "cases"))) + recorded


def _case(value: Any, at: int) -> Source:
    where = f"cases[{at}]"
    if not isinstance(value, Mapping):
        return STANDARD[choice(value, STANDARD, where)]
    check_keys(value, (*_KEYS, *_MORE), where, required=_KEYS)
    kind = cast(Kind, choice(value["kind"], GENERATED, f"{where}: kind"))
    name = value.get("name") or f"{kind}-{value['items']}-c{value['capacity']}"
    if not isinstance(name, str):
        raise WorkloadError(f"{where}: expected name to be a text, found {name!r}")
    numbers = {key: value[key] for key in ("items", "capacity", "lists", "low", "high") if key in value}
    return Source(name=name, kind=kind, **numbers)


def _path(value: Any, at: int) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise WorkloadError(f"traces[{at}]: expected the path of a file, found {value!r}")
    return Path(value)


def read_case(text: str) -> str | dict[str, int | str]:
    """A case on the command line: a standard name, or `kind=uniform,items=500,capacity=150,...`."""
    if "=" not in text:
        return text
    values: dict[str, int | str] = {}
    for part in text.split(","):
        key, _, value = (word.strip() for word in part.partition("="))
        if key in ("name", "kind"):
            values[key] = value
        elif value.isascii() and value.isdigit() and len(value) <= 10:
            values[key] = int(value)
        else:
            raise WorkloadError(f"--case {text}: expected {key}=WHOLE NUMBER, found {part.strip()!r}")
    return values


OPTIONS = (
    TaskOption(
        key="cases",
        flag="--case",
        metavar="CASE",
        repeated=True,
        parse=read_case,
        help="Lists of items to pack, such as uniform-500 or weibull-5k, or your own by kind, items, capacity, lists, "
        "low and high, as in kind=uniform,items=500,capacity=150; repeatable.",
    ),
    TaskOption(
        key="traces",
        flag="--trace",
        metavar="PATH",
        repeated=True,
        parse=str,
        help="A file of lists in OR-Library's layout; repeatable: each is a case.",
    ),
)
