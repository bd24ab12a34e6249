"""`kill -9` at any instant loses nothing that was reported: a few rounds of the benchmark of the same name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.benchmarks.kills import IN_FLIGHT, kill


@pytest.mark.long
def test_kills_at_any_instant_lose_nothing_and_overrun_no_budget(tmp_path: Path, at_length: bool) -> None:
    """Two searches side by side, since each mostly waits: one asks a model and is killed with calls in flight, the
    other has no model, and is killed before it has begun and once more later.
    """
    calling, catalogue = (4, 6) if at_length else (1, 2)
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(kill, tmp_path / "asking", kills=calling, seed=1)
        offline = pool.submit(kill, tmp_path / "offline", kills=catalogue, seed=1, offline=True)
        asked, alone = asking.result(), offline.result()
    assert (asked.kills, alone.kills) == (calling, catalogue)
    for tally in (asked, alone):
        assert tally.verified
        assert tally.failures == tally.survivors == tally.lost == tally.unclean == tally.unbooked == []
    assert asked.reached + asked.cut_off > 0 and asked.asked > IN_FLIGHT, "there was something to lose"
    assert alone.attempts >= alone.printed
    assert alone.folders_left <= 1, "only a kill just before the one that cleans up is there leaves its folder"
