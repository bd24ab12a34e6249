"""`kill -9` at any instant loses nothing that was reported: a few rounds of the benchmark of the same name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.kills import IN_FLIGHT, kill


@pytest.mark.slow
def test_kills_with_calls_in_flight_lose_no_reply_and_overrun_no_budget(tmp_path: Path) -> None:
    tally = kill(tmp_path, kills=2, seed=2)
    assert tally.kills == 2 and tally.verified
    assert tally.failures == tally.survivors == tally.lost == tally.unclean == tally.unbooked == []
    assert tally.reached + tally.cut_off > 0 and tally.asked > IN_FLIGHT, "there was something to lose"


@pytest.mark.slow
def test_kills_at_random_instants_lose_nothing(tmp_path: Path) -> None:
    tally = kill(tmp_path, kills=5, seed=1, offline=True)
    assert tally.kills == 5 and tally.verified
    assert tally.failures == tally.survivors == tally.lost == tally.unclean == []
    assert tally.attempts >= tally.printed
    assert tally.folders_left <= 1, "only a kill just before the one that cleans up is there leaves its folder"
