"""The measurements of an attempt, as `remeasure` and `show` list them.

Owns: collecting them from an archive. Does not know: how they are taken or laid out.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.archive import Archive
from harness.cli.console import warn
from harness.readings.comparable import Group, groups, members
from harness.text import one_line
from harness.types import Entry, Measurement

_LINE = 400
Groups = tuple[Group, ...]
"""Measurements of one attempt, comparable ones together."""


def noted(archive: Archive, entry: Entry) -> tuple[Measurement, ...]:
    """The measurements noted on an attempt; warns of any that cannot be read."""
    note = archive.measurements.on(entry.id)
    if damage := note.damage(f"attempt {entry.number}"):
        warn(one_line(damage, _LINE))
    return note.measurements


def grouped(archive: Archive, entry: Entry, before: Sequence[Measurement], now: Sequence[Measurement] = ()) -> Groups:
    """All measurements of an attempt, in groups of equal conditions; its own first."""
    seed_entry = next(iter(archive.entries), entry)
    place = seed_entry.scored.environment if seed_entry.scored is not None else None
    return groups(members(entry, int(archive.config["seed"]), place, before, now))
