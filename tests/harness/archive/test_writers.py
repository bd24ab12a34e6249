"""Four writers on one archive, killed at random instants while its upkeep runs and plain git is used on it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.harness.archive.fire import Fire


def test_four_killed_writers_lose_nothing_and_take_no_number_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_length: bool
) -> None:
    kills = 48 if at_length else 12
    monkeypatch.setattr("harness.git.upkeep.PORTION", 8)
    monkeypatch.setattr("harness.git.upkeep._LOCKED_S", 0.2)
    monkeypatch.setattr("harness.git.repository._DEAD_S", 0.5)
    fire = Fire(tmp_path / "run", random.Random(8), writers=4)
    with fire:
        for kill in range(kills):
            fire.round(longest_s=0.15)
            if kill % 6 == 5:
                fire.pause()
    # What the dead left is told from what the living need by its age.
    monkeypatch.setattr("harness.git.upkeep._STRAY_S", 0.0)
    monkeypatch.setattr("harness.git.upkeep._LOCKED_S", 0.0)
    tally = fire.finish()
    assert tally.problems == []
    assert tally.printed > kills and tally.attempts >= tally.printed
    assert tally.packed > 0, "upkeep was at work"
