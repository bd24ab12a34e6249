"""The end of a search: the best program against the seed program, side by side, on every split.

Owns: what is measured then, and what is taken from the archive because it was measured before. Does not know: how
results are shown.
"""

from __future__ import annotations

import time

from rich.console import Console

from evaluator import SPLITS, Duel, OtherFailed, Rejected, Split
from harness.archive import Archive
from harness.report.progress import Waiting
from harness.runs.judges import AnyJudge
from harness.types import Entry, OnSplit


def against_seed(
    best: Entry, seed: Entry, archive: Archive, judge: AnyJudge, notices: Console, *, held_out: bool
) -> tuple[Duel | Rejected | None, tuple[OnSplit, ...]]:
    """The duel on the loads of the search, and what is known on every split (() without held-out loads). Each split is
    measured once for a best program, and noted. The duel is None if both are one program, or if the seed program fails
    now.
    """
    if best.program_id == seed.program_id:
        return None, ()
    known = archive.split_notes.on(best.id, seed.id)
    direct = known["search"].duel if "search" in known else _measured("search", best, seed, archive, judge, notices)
    for split in SPLITS if held_out else SPLITS[:1]:
        duel = direct if split == "search" else None
        if split not in known and duel is None:
            duel = _measured(split, best, seed, archive, judge, notices)
        if split not in known and isinstance(duel, Duel):
            known[split] = OnSplit(split=split, against=seed.id, duel=duel, when_s=int(time.time()))
            archive.split_notes.add(best.id, known[split])
        elif isinstance(duel, Rejected):
            notices.print(f"warning: on the {split} loads the best program was rejected: {duel.detail}", markup=False)
    return direct, tuple(known.values()) if held_out else ()


def _measured(
    split: Split, best: Entry, seed: Entry, archive: Archive, judge: AnyJudge, notices: Console
) -> Duel | Rejected | None:
    what = "best against seed" if split == "search" else f"best against seed, {split} loads"
    with Waiting(notices) as waiting:
        try:
            return judge.compare(
                archive.source(best.id),
                archive.source(seed.id),
                other_name="the seed program",
                settled=lambda duel: duel.enough_rounds,
                progress=lambda step: waiting.judging(what, step),
                split=split,
            )
        except OtherFailed as error:
            notices.print(f"warning: {error}", markup=False)
            return None
