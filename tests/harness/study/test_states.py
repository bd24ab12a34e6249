"""The file that says how far a cell's search has got."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.study.states import State, read_state, state_file, write_state
from harness.types import HarnessError


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_state(tmp_path / "seed-1") == State()
    state = State(used_s=1.5, ended="all 3 attempts are made", budget={"attempts": 3, "minutes": None})
    write_state(tmp_path / "seed-1", state)
    assert read_state(tmp_path / "seed-1") == state
    assert [path.name for path in tmp_path.iterdir()] == ["seed-1.json"]
    assert state.ended_under({"minutes": None, "attempts": 3}) and not state.ended_under({"attempts": 4})
    assert not State(used_s=2).ended_under({})


GOOD = b'{"used_s": 1.0, "ended": "", "budget": {}}'


@given(st.one_of(st.binary(max_size=60), st.integers(0, len(GOOD) - 1).map(lambda at: GOOD[:at])))
def test_a_damaged_state_is_one_clear_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    run = tmp_path_factory.mktemp("study") / "seed-1"
    state_file(run).write_bytes(data)
    with pytest.raises(HarnessError, match=r"seed-1\.json: expected .* delete this file"):
        read_state(run)


@pytest.mark.parametrize(
    "text",
    [
        '{"used_s": -1, "ended": "", "budget": {}}',
        '{"used_s": NaN, "ended": "", "budget": {}}',
        '{"used_s": 1, "ended": "", "budget": []}',
        "[" * 90_000,
        " " * 200_000,
    ],
)
def test_what_no_search_wrote_is_refused(tmp_path: Path, text: str) -> None:
    state_file(tmp_path / "seed-1").write_text(text)
    with pytest.raises(HarnessError, match="delete this file"):
        read_state(tmp_path / "seed-1")
