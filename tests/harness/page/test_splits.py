"""What the page is sent of held-out loads: the best program by split, and how each attempt did on the gate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from harness.archive import Archive
from harness.page.attempt import Attempts
from harness.types import Confirmation, Gate
from tests.harness.archive.archives import changing, seed_attempt
from tests.harness.builders import duel, on_split, scored
from tests.harness.page.pages import followed, new


def searched(path: Path) -> Archive:
    """A run in which attempt 1 is the best program, and attempt 2 beats it on the loads of the search only."""
    archive = new(path)
    seed = archive.append(replace(seed_attempt(archive), verdict=scored(0.8, 1.0, gain=0.0), gates=()))
    for number, on_gate in ((1, 2.0), (2, 0.5)):
        before = archive.entries[-1]
        made = changing(
            archive,
            number,
            [seed.id],
            "ROUNDS = 4",
            f"ROUNDS = {number}",
            verdict=scored(0.8, 2.0**number, gain=0.0),
        )
        won = Confirmation(against=before.id, duel=duel(2.0, 0.01, gain=0.0))
        gate = Gate(against=before.id, duel=duel(on_gate, 0.01, gain=0.0))
        archive.append(replace(made, confirmations=(won,), gates=(gate,)))
    return archive


def test_the_best_program_by_split_and_who_is_better_on_the_search_only(tmp_path: Path) -> None:
    with searched(tmp_path / "run") as archive:
        seed, best, only = archive.entries
        run = followed(archive.path)
        state = json.loads(run.state)
        nothing = {"count": 0, "newest": []}
        assert (state["champion"], state["champions"]) == (1, [0, 1])
        assert state["splits"] == {
            "measured": [],
            "overfitting": [],
            "search_only": {"count": 1, "newest": [2]},
            "untold": nothing,
        }
        for split, gain in (("final", 0.001), ("search", 0.02), ("gate", 0.018), ("elsewhere", 0.1)):
            archive.split_notes.add(best.id, on_split(split, gain, 0.001, against=seed.id, when_s=2))
        archive.split_notes.add(best.id, on_split("final", 0.5, 0.001, against=seed.id, when_s=3))
        archive.split_notes.add(best.id, on_split("final", 0.5, 0.001, against=only.id))
        assert run.poll()
        found = json.loads(run.state)["splits"]
        assert [row["split"] for row in found["measured"]] == ["search", "gate", "final"]
        assert [row["overfits"] for row in found["measured"]] == [False, False, True]
        assert found["overfitting"] == ["final"], "the earliest against the seed program counts"
        last = found["measured"][-1]
        assert (round(last["quality"], 4), round(last["seed_quality"], 4), last["when"]) == (0.801, 0.8, 2)
        assert last["gap"]["low"] > 0 and found["measured"][0]["gap"] is None
        attempts = Attempts(run)
        assert attempts.record(1)["splits"] == found["measured"]
        [gate] = attempts.record(2)["gates"]
        assert (gate["against"], gate["speedup"]["median"]) == (1, 0.5) and "0.500x" in gate["words"]
        marks = [(record["search_only"], record["untold"]) for record in map(attempts.record, range(3))]
        assert marks == [(False, False), (False, False), (True, False)]
        run.close()


def test_a_run_without_held_out_loads_has_no_splits(tmp_path: Path) -> None:
    with new(tmp_path / "run", task={"name": "eplb"}) as archive:
        seed = archive.append(seed_attempt(archive))
        run = followed(archive.path)
        record = Attempts(run).record(seed.number)
        assert json.loads(run.state)["splits"] is None and (record["gates"], record["splits"]) == ([], [])
        run.close()
