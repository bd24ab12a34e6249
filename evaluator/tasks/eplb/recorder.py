"""The dumps of SGLang's expert distribution recorder: single files, and folders of them.

Owns: which dumps belong together, their order, what makes a set of them incomplete, the order of a ring buffer's rows,
and the way from physical experts to logical ones. Does not know: windows, other formats. Never imports torch.

The recorder (`expert_distribution.py` of SGLang, read in version 0.5.23) writes two kinds of file:
- Modes `stat` and `stat_approx`: rank 0 alone writes `expert_distribution_recorder_TIME.pt`, a dict with
  `logical_count` int32 `[buffer, L, E]`, summed over the ranks, a row a forward pass. The buffer is a ring of 1,000
  rows by default; unused rows are 0. A dump empties it, but the next recording goes on at the row where the last one
  ended. Passes of a draft model leave rows of 0.
- Modes `per_pass` and `per_token`: each rank writes `expert_distribution_recorder_TIME_RANK.pt`, a dict with `records`,
  a list of dicts with `forward_pass_id`, `rank`, `global_physical_count` `[L, P]` and more, and with
  `last_physical_to_logical_map` int64 `[L, P]`. A rank counts the tokens it sent, or those its own experts received.
  TIME differs a little between the ranks of a dump. `gatherer_key` says what gathered a record: `primary` the passes of
  the model, with two-batch overlap too (records of its halves are written by no version), and `speculative_draft`, in
  versions that can capture them, those of a draft model. Each pass leaves a record of every gatherer.

Shapes: T forward passes, N records, L layers, E experts, P physical experts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evaluator.tasks.eplb.placed_counts import Dump, RankCounts, add, joined
from evaluator.tasks.eplb.steps import (
    FEW_PASSES,
    MAX_VALUES,
    Floats,
    Steps,
    check_loads,
    layers_experts,
    shortened,
    with_time,
)
from evaluator.tasks.eplb.torch_files import Records, load_files
from evaluator.types import WorkloadError

_NAME = re.compile(r"expert_distribution_recorder_(\d+(?:\.\d+)?)(?:_(\d+))?", re.ASCII)
_PRIMARY = "primary"
_ROWS_PER_UNUSED = 20
"""Empty rows that follow each other are the unused part of a ring buffer only if they are at least 1 in 20 of its rows.
Fewer may be passes of a draft model."""


def folder_files(folder: Path) -> tuple[list[Path], list[str]]:
    """The recorder's files directly in a folder, in the order of time, and notes. Raises WorkloadError, OSError."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    files = [entry for entry in entries if entry.suffix.lower() == ".pt"]
    others = [entry.name for entry in entries if entry not in files]
    if not files:
        found = f"found {shortened(others, len(others))}" if others else "found it empty"
        raise WorkloadError(
            f"{folder}: expected a folder of .pt files of the SGLang recorder, {found}: name other trace "
            "files one by one"
        )
    notes = [f"{folder}: left out what is not a .pt file: {shortened(others, len(others))}"] if others else []
    names = [_NAME.fullmatch(file.stem) for file in files]
    if all(names):
        files.sort(key=_time_and_rank)
    elif len(files) > 1:
        notes.append(f"{folder}: not all names hold a time as the recorder writes it: files are taken in their order")
    return files, notes


def _time_and_rank(file: Path) -> tuple[float, int]:
    name = _NAME.fullmatch(file.stem)
    assert name is not None
    return float(name[1]), int(name[2] or 0)


def read_folder(folder: Path, files: Sequence[Path], notes: Sequence[str]) -> Steps:
    """One trace of a folder's files, which are in the order of time. Raises WorkloadError."""
    parts = read_files(files, folder)
    for part in parts:
        if part.loads.shape[1:] != parts[0].loads.shape[1:]:
            raise WorkloadError(
                f"{part.where}: expected {layers_experts(parts[0].loads)} as in {parts[0].where}, found "
                f"{layers_experts(part.loads)}: give each model's files a folder of their own"
            )
    if sum(part.loads.size for part in parts) > MAX_VALUES:
        raise WorkloadError(f"{folder}: expected at most {MAX_VALUES} loads in all files, found more: give fewer files")
    said = [note for part in parts for note in part.notes]
    loads = np.concatenate([part.loads for part in parts])
    return Steps(where=folder, loads=loads, per_window=None, notes=(*notes, *said))


def read_files(files: Sequence[Path], where: Path) -> list[Steps]:
    """The traces of `.pt` files: each file of counts is one, and all files of records are one together, named `where`.
    Raises WorkloadError.
    """
    counts: list[Steps] = []
    dumps: list[Dump] = []
    left_out: Counter[str] = Counter()
    for content in load_files(files, MAX_VALUES):
        if isinstance(content, Records):
            add(dumps, _of_one_rank(content))
            left_out.update(gatherer for gatherer in content.gatherers if gatherer != _PRIMARY)
        else:
            loads = with_time(content.counts, content.path)
            check_loads(loads, str(content.path))
            ordered, notes = in_order(loads.astype(np.float64), content.path)
            counts.append(Steps(where=content.path, loads=ordered, per_window=None, notes=notes))
        if counts and dumps:
            raise WorkloadError(
                f"{content.path}: expected files of one kind, found counts of all ranks (logical_count, in "
                f"{counts[0].where}) and records of single ranks (in {dumps[0].where}): give one kind only"
            )
    if not dumps:
        return counts
    loads, said = joined(dumps, where)
    if left_out:
        names = shortened(sorted(left_out), len(left_out))
        said.append(
            f"{where}: left out {left_out.total()} records of other gatherers than {_PRIMARY} ({names}): they count "
            "passes of another model, or parts of passes"
        )
    return [Steps(where=where, loads=loads, per_window=None, notes=tuple(said))]


def _of_one_rank(records: Records) -> RankCounts:
    """The counts of the model's own passes. Raises WorkloadError."""
    ranks = sorted(set(records.ranks))
    if len(ranks) > 1:
        raise WorkloadError(
            f"{records.path}: expected the records of one rank, found those of ranks {shortened(ranks, len(ranks))}: "
            "give the files as the recorder wrote them, one for each rank"
        )
    kept = [index for index, gatherer in enumerate(records.gatherers) if gatherer == _PRIMARY]
    if not kept:
        found = sorted(set(records.gatherers))
        raise WorkloadError(
            f"{records.path}: expected records with the gatherer_key {_PRIMARY}, found only "
            f"{shortened(found, len(found))}: give the file as the recorder wrote it"
        )
    return RankCounts(
        where=records.path,
        rank=ranks[0],
        passes=tuple(records.passes[index] for index in kept),
        counts=records.counts[kept],
        placement=records.placement,
    )


def in_order(loads: Floats, where: Path) -> tuple[Floats, tuple[str, ...]]:
    """The rows `[T, L, E]` of a ring buffer in the order of time, as far as its unused rows tell, and notes."""
    rows = len(loads)
    loaded = np.flatnonzero(loads.any(axis=(1, 2)))
    if rows <= FEW_PASSES or not loaded.size:
        return loads, ()
    gaps = np.diff(loaded, append=loaded[0] + rows) - 1
    at = int(gaps.argmax())
    longest, second = int(gaps[at]), int(np.delete(gaps, at).max(initial=0))
    if longest * _ROWS_PER_UNUSED < rows or longest < 2 * second:
        note = (
            f"{where}: no part of the {rows} rows is unused: if they are a ring buffer that has wrapped, the latest "
            "passes stand before the oldest, and the file does not say where; record with a larger "
            "--expert-distribution-recorder-buffer-size to be sure"
        )
        return loads, (note,)
    if at == len(gaps) - 1:
        return loads, ()
    first = int(loaded[at + 1])
    note = (
        f"{where}: rows {first} to {rows - 1} are taken first: after the unused rows of a ring buffer come its oldest"
    )
    return np.roll(loads, -first, axis=0), (note,)
