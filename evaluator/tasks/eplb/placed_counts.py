"""Counts of physical experts, a file for each rank: their sum over the ranks, as loads of logical experts.

Owns: which files make one dump, what a complete set of ranks is, which passes are complete, and the mapping.
Does not know: names of files, reading, windows. Pure.

Shapes: T forward passes, N records, L layers, E experts, P physical experts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb.steps import MAX_VALUES, Floats, check_loads, layers_experts, shortened
from evaluator.types import WorkloadError


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCounts:
    """What one rank recorded until one dump: the pass of each record `[N]`, its counts `[N, L, P]`, and the logical
    expert of each physical one `[L, P]`.
    """

    where: Path
    rank: int
    passes: tuple[int, ...]
    counts: NDArray[Any]
    placement: NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """The files of one dump so far. `sums`: the counts `[L, P]` of each pass with load, over the ranks. `spans`: the
    first and last pass of each rank. `slots`: which physical experts have load in each rank's file, `[P]`.
    """

    where: Path
    placement: NDArray[Any]
    sums: dict[int, Floats] = field(default_factory=dict)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    slots: dict[int, NDArray[np.bool_]] = field(default_factory=dict)


def add(dumps: list[Dump], found: RankCounts) -> None:
    """Add a file to the dump it belongs to: the k-th file of a rank is of the k-th dump. Raises WorkloadError."""
    check_loads(found.counts, str(found.where), "record", "physical expert")
    _check_placement(found)
    dump = next((dump for dump in dumps if found.rank not in dump.spans), None)
    if dump is None:
        dump = Dump(where=found.where, placement=found.placement)
        dumps.append(dump)
    if not np.array_equal(dump.placement, found.placement):
        raise WorkloadError(
            f"{found.where}: expected last_physical_to_logical_map as in {dump.where}, found another: the two are of "
            "different dumps or servers, so give each recording a folder of its own"
        )
    loaded_N = found.counts.any(axis=(1, 2))
    seen: set[int] = set()
    for index in np.flatnonzero(loaded_N):
        number = found.passes[index]
        if number in seen:
            raise WorkloadError(
                f"{found.where}: expected each forward pass once, found records with load of pass {number} twice: "
                "give the file as the recorder wrote it"
            )
        seen.add(number)
        if number not in dump.sums:
            dump.sums[number] = np.zeros(found.placement.shape)
        dump.sums[number] += found.counts[index]
    if sum(len(each.sums) for each in dumps) * found.placement.size > MAX_VALUES:
        raise WorkloadError(
            f"{found.where}: expected at most {MAX_VALUES} loads in all files, found more: give fewer dumps"
        )
    dump.spans[found.rank] = min(found.passes), max(found.passes)
    dump.slots[found.rank] = np.asarray(found.counts.any(axis=(0, 1)))


def joined(dumps: Sequence[Dump], where: Path) -> tuple[Floats, list[str]]:
    """The loads `[T, L, E]` of the dumps' passes in order, and notes. Raises WorkloadError if some are missing."""
    ranks = sorted(dumps[0].spans)
    for dump in dumps[1:]:
        if sorted(dump.spans) != ranks:
            raise WorkloadError(
                f"{where}: expected as many files of each rank, found a dump of {_ranks(ranks)} and one of "
                f"{_ranks(sorted(dump.spans))}: add the missing files, or leave out that dump's files ({dump.where})"
            )
    _check_ranks(dumps, ranks, where)
    notes, parts = [], []
    if len(ranks) == 1:
        notes.append(
            f"{where}: the counts of rank {ranks[0]} alone; if there were more ranks, give the folder of their files"
        )
    left_out = 0
    for dump in dumps:
        passes = _complete_passes(dump, where)
        left_out += len(dump.sums) - len(passes)
        parts.append(_logical(np.stack([dump.sums[number] for number in passes]), dump.placement))
    _check_order(dumps, parts)
    if left_out:
        notes.append(f"{where}: left out {left_out} forward passes at the ends, which not every rank recorded")
    if any(not np.array_equal(dump.placement, dumps[0].placement) for dump in dumps):
        notes.append(
            f"{where}: the placement changed between dumps; loads from before the last change in a dump are counted "
            "for wrong experts, because a dump holds its last placement only"
        )
    return np.concatenate(parts), notes


def _check_placement(found: RankCounts) -> None:
    """Each layer places each of the experts 0..E-1 at least once; E is at most P."""
    placement, where = found.placement, f"{found.where}: last_physical_to_logical_map"
    layers, slots = placement.shape
    wrong = (placement < 0) | (placement >= slots)
    if wrong.any():
        layer, slot = map(int, np.argwhere(wrong)[0])
        raise WorkloadError(
            f"{where}: expected experts of 0 to {slots - 1}, found {placement[layer, slot]} at layer {layer}, "
            f"physical expert {slot}: record again"
        )
    placed_LE = np.zeros((layers, int(placement.max()) + 1), dtype=bool)
    placed_LE[np.arange(layers)[:, None], placement] = True
    if not placed_LE.all():
        layer, expert = map(int, np.argwhere(~placed_LE)[0])
        raise WorkloadError(
            f"{where}: expected each expert in each layer, found none of expert {expert} in layer {layer}: record again"
        )


def _check_ranks(dumps: Sequence[Dump], ranks: Sequence[int], where: Path) -> None:
    """No rank is missing, as far as the numbers and the counts tell."""
    missing = [] if len(ranks) == 1 else sorted(set(range(ranks[-1])) - set(ranks))
    if missing:
        raise WorkloadError(
            f"{where}: expected the files of ranks 0 to {ranks[-1]}, found none of {_ranks(missing)}: add them"
        )
    if len({dump.placement.shape for dump in dumps}) > 1:
        return
    slots = {rank: np.asarray(np.any([dump.slots[rank] for dump in dumps], axis=0)) for rank in ranks}
    if len(ranks) > 1 and _own_slots_only(slots, len(ranks)):
        return
    physical = len(slots[ranks[0]])
    least = max(ranks[-1], len(ranks)) + 1
    fitting = [count for count in range(least, physical + 1) if _own_slots_only(slots, count)]
    if fitting:
        raise WorkloadError(
            f"{where}: expected the files of all ranks, found those of {_ranks(ranks)}, which have load on their own "
            f"physical experts only, as if there were {fitting[-1]} ranks: add the files of the others"
        )


def _own_slots_only(slots: dict[int, NDArray[np.bool_]], ranks: int) -> bool:
    """Whether each rank counted only the physical experts that it holds if `ranks` share them evenly."""
    width, left = divmod(len(next(iter(slots.values()))), ranks)
    if left or not any(loaded.any() for loaded in slots.values()):
        return False
    return all(
        not loaded[: rank * width].any() and not loaded[(rank + 1) * width :].any() for rank, loaded in slots.items()
    )


def _complete_passes(dump: Dump, where: Path) -> list[int]:
    """The passes with load within the span that all ranks recorded. A rank may lack a pass in which it was idle."""
    first = max(span[0] for span in dump.spans.values())
    last = min(span[1] for span in dump.spans.values())
    passes = sorted(number for number in dump.sums if first <= number <= last)
    if passes:
        return passes
    if not dump.sums:
        raise WorkloadError(
            f"{where}: expected some load in the dump of {dump.where}, found only zeros: record while the server "
            "answers requests, and leave out dumps without load"
        )
    rank = max(dump.spans, key=lambda rank: dump.spans[rank][0])
    other = min(dump.spans, key=lambda rank: dump.spans[rank][1])
    raise WorkloadError(
        f"{where}: expected forward passes that all ranks recorded, found passes {first} to {dump.spans[rank][1]} of "
        f"rank {rank} and {dump.spans[other][0]} to {last} of rank {other}: give each recording a folder of its own"
    )


def _check_order(dumps: Sequence[Dump], parts: Sequence[Floats]) -> None:
    """The dumps are of one model, and each goes on after the one before."""
    for before, after in itertools.pairwise(dumps):
        if min(after.sums) <= max(before.sums):
            raise WorkloadError(
                f"{after.where}: expected forward passes after {max(before.sums)}, the last of {before.where}, found "
                f"pass {min(after.sums)}: it is of another run of the server or another pipeline stage, so give each "
                "recording a folder of its own; or the files are not in the order of time"
            )
    for dump, part in zip(dumps, parts, strict=True):
        if part.shape[1:] != parts[0].shape[1:]:
            raise WorkloadError(
                f"{dump.where}: expected {layers_experts(parts[0])} as in {dumps[0].where}, found "
                f"{layers_experts(part)}: give each model's recording a folder of its own"
            )


def _logical(counts_TLP: Floats, placement_LP: NDArray[Any]) -> Floats:
    """Loads `[T, L, E]`: the sum over the physical experts of each logical one."""
    passes, layers, _ = counts_TLP.shape
    experts = int(placement_LP.max()) + 1
    loads_TLE = np.empty((passes, layers, experts))
    for layer, placement_P in enumerate(placement_LP):
        order_P = np.argsort(placement_P, kind="stable")
        # Each expert is placed, so no segment is empty, which `reduceat` would read otherwise.
        first_E = np.searchsorted(placement_P[order_P], np.arange(experts))
        loads_TLE[:, layer] = np.add.reduceat(counts_TLP[:, layer, order_P], first_E, axis=1)
    return loads_TLE


def _ranks(ranks: Sequence[int]) -> str:
    return f"rank{'s' if len(ranks) > 1 else ''} {shortened(ranks, len(ranks))}"
