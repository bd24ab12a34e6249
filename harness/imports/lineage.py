"""Programs in an order in which every parent comes before its children. Pure.

Owns: that order, and what becomes of parents that are missing, later or their own descendants. Does not know: any
framework, files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from heapq import heapify, heappop, heappush

from harness.imports.foreign import ForeignProgram, ImportProblem, shown


def in_order(programs: Sequence[ForeignProgram], where: str) -> tuple[ForeignProgram, ...]:
    """The programs by place, each after its parents. Raises ImportProblem where parents form a circle.

    The first is one that was recorded without parents, if there is one, rather than one whose parents are missing.
    A parent that is not among the programs is dropped with a note. So is, without one, an inspiration that is not, or
    that comes later.
    """
    ids = {program.id for program in programs}
    known = {program.id: _with_known_parents(program, ids) for program in programs}
    ordered = list(_sorted(known))
    if len(ordered) < len(known):
        placed = {program.id for program in ordered}
        circle = " <- ".join(map(shown, _circle(known, next(id_ for id_ in known if id_ not in placed), placed)))
        raise ImportProblem(f"{where}: expected programs that descend from earlier ones, found a circle: {circle}")
    recorded = {program.id: program.parents for program in programs}
    firsts = [program for program in ordered if not recorded[program.id]][:1]
    ordered = [*firsts, *(program for program in ordered if all(program is not first for first in firsts))]
    before: set[str] = set()
    kept = []
    for program in ordered:
        inspirations = tuple(id_ for id_ in program.inspirations if id_ in before and id_ not in program.parents)
        kept.append(replace(program, inspirations=inspirations))
        before.add(program.id)
    return tuple(kept)


def _with_known_parents(program: ForeignProgram, ids: Set[str]) -> ForeignProgram:
    parents = tuple(dict.fromkeys(parent for parent in program.parents if parent in ids))
    lost = tuple(f"its parent {shown(id_)} is not in the archive" for id_ in program.parents if id_ not in ids)
    return replace(program, parents=parents, notes=(*program.notes, *lost))


def _sorted(known: Mapping[str, ForeignProgram]) -> Iterator[ForeignProgram]:
    """Kahn's algorithm, earliest place first; programs on a circle, and their descendants, never come."""
    children: dict[str, list[str]] = {id_: [] for id_ in known}
    missing = {id_: len(program.parents) for id_, program in known.items()}
    for program in known.values():
        for parent in program.parents:
            children[parent].append(program.id)
    rows = {id_: row for row, id_ in enumerate(known)}
    ready = [(known[id_].place, rows[id_], id_) for id_, count in missing.items() if count == 0]
    heapify(ready)
    while ready:
        id_ = heappop(ready)[2]
        yield known[id_]
        for child in children[id_]:
            missing[child] -= 1
            if missing[child] == 0:
                heappush(ready, (known[child].place, rows[child], child))


def _circle(known: Mapping[str, ForeignProgram], start: str, placed: set[str]) -> list[str]:
    """The ids of one circle: from a program that was never placed, each step to a parent that was not either."""
    way: list[str] = []
    here = start
    while here not in way:
        way.append(here)
        here = next(parent for parent in known[here].parents if parent not in placed)
    return [*way[way.index(here) :], here]
