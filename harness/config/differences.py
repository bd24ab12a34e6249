"""How two resolved configs differ: in what affects scores, or in any key.

Owns: which keys affect scores, and the text of a difference. Does not know: where configs come from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from harness.config.document import Step, key_path

SCORING_KEYS = (
    "task.identity",
    "task.held_out",
    "program",
    "device",
    "seed",
    "judge.timeout_s",
    "judge.load_timeout_s",
    "judge.memory_gb",
    "judge.threads",
    "judge.lanes",
    "judge.reference",
    "judge.timing",
)


def _scoring_part(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a resolved config that affect scores, as a tree of the same form."""
    part: dict[str, Any] = {}
    for path in SCORING_KEYS:
        section, _, key = path.partition(".")
        if not key:
            part[section] = resolved.get(section)
        else:
            held = resolved.get(section)
            part.setdefault(section, {})[key] = held.get(key) if isinstance(held, Mapping) else None
    return part


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value['file']} (sha256 {value['sha256'][:12]})" if "sha256" in value else "a section"
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return f"{len(value)} entries"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _differing(mine: Any, yours: Any, steps: tuple[Step, ...]) -> Iterator[tuple[str, Any, Any]]:
    """The key paths at which two JSON values differ, with both values. Files are equal if their content is."""
    if isinstance(mine, Mapping) and isinstance(yours, Mapping) and "sha256" not in mine:
        for key in dict.fromkeys([*mine, *yours]):
            yield from _differing(mine.get(key), yours.get(key), (*steps, key))
    elif isinstance(mine, list) and isinstance(yours, list) and len(mine) == len(yours):
        for at, (my_item, your_item) in enumerate(zip(mine, yours, strict=True)):
            yield from _differing(my_item, your_item, (*steps, at))
    elif isinstance(mine, Mapping) and isinstance(yours, Mapping):
        if mine["sha256"] != yours.get("sha256"):
            yield key_path(steps), mine, yours
    elif mine != yours:
        yield key_path(steps), mine, yours


def difference(stored: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The differences between a run's resolved config and another that affect scores, one line a key.

    [] if there is no difference. Files are equal if their content is, whatever their names. Held-out loads that differ
    because the task does are not told as well.
    """
    found = list(_differing(_scoring_part(stored), _scoring_part(new), ()))
    if any(path.startswith("task.identity") for path, _, _ in found):
        found = [each for each in found if not each[0].startswith("task.held_out")]
    return [
        f"{path.replace('task.identity.', 'task.', 1)}: {_shown(mine)} in the run, {_shown(yours)} in the config"
        for path, mine, yours in found
    ]


def conflicts(stored: Mapping[str, Any], new: Mapping[str, Any], *, aside: Collection[str]) -> list[str]:
    """The differences between a run's resolved config and another in any key, one line a key, but for the sections
    `aside`. Keys that the stored config does not have, since an earlier version wrote it, are no difference.
    """
    mine = {key: value for key, value in stored.items() if key not in aside}
    return [
        f"{path}: {_shown(old)} in the run, {_shown(now)} in the study"
        for path, old, now in _differing(mine, _shared(new, mine), ())
    ]


def _shared(tree: Any, with_: Any) -> Any:
    """A tree without the keys of sections that another lacks."""
    if not (isinstance(tree, Mapping) and isinstance(with_, Mapping)):
        return tree
    return {key: _shared(value, with_[key]) for key, value in tree.items() if key in with_}
