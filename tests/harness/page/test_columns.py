"""Columns of attempts: what is cut into blocks is whole again from any row on."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.types import Rejected
from harness.page.columns import BLOCK, Columns, Row
from tests.harness.builders import entry, scored

ROWS = 2 * BLOCK + 7


@cache
def filled() -> Columns:
    columns = Columns()
    for number in range(ROWS):
        verdict = Rejected(stage="run", reason=f"r{number % 3}", detail="") if number % 4 == 3 else scored(0.5, 1.5)
        parents = (number // 2, number // 3) if number % 5 == 0 else (number // 2,)
        columns.add(Row(entry=entry(number, verdict), parents=parents, same_as=-1, since_s=number))
    return columns


def joined(texts: list[str]) -> dict[str, list[Any]]:
    """The columns of all blocks, and the other parents by row."""
    whole: dict[str, list[Any]] = {}
    for text in texts:
        block = json.loads(text)
        rows = len(block["n"])
        merged = block.pop("merged")
        assert {len(column) for column in block.values()} == {rows}
        whole.setdefault("merged", []).extend(merged.get(str(row)) for row in range(rows))
        for name, column in block.items():
            whole.setdefault(name, []).extend(column)
    return whole


@cache
def everything() -> dict[str, list[Any]]:
    return joined(filled().blocks(0)[0])


class TestColumns:
    @settings(max_examples=20)
    @given(since=st.integers(-5, ROWS + 5))
    def test_rows_from_any_on_are_the_end_of_all(self, since: int) -> None:
        texts, rows = filled().blocks(since)
        all_ = everything()
        start = min(max(since, 0), ROWS)
        assert rows == ROWS - start
        assert joined(texts) == ({name: column[start:] for name, column in all_.items()} if rows else {})

    @settings(max_examples=20)
    @given(since=st.integers(0, ROWS - 1), most=st.integers(1, 3 * BLOCK))
    def test_pages_join_without_gap_or_repeat(self, since: int, most: int) -> None:
        at, texts = since, []
        while at < ROWS:
            some, rows = filled().blocks(at, most)
            assert rows > 0
            texts += some
            at += rows
        assert at == ROWS and joined(texts)["n"] == list(range(since, ROWS))

    def test_what_a_row_holds(self) -> None:
        columns = Columns()
        columns.add(Row(entry=entry(0, scored(0.5, 2.0)), parents=(), same_as=-1, since_s=0))
        refused = Rejected(stage="validate", reason="wrong_shape", detail="…")
        columns.add(Row(entry=entry(7, refused), parents=(0, 5), same_as=3, since_s=9))
        [text], _ = columns.blocks(0)
        assert json.loads(text) == {
            "n": [0, 7],
            "parent": [-1, 0],
            "merged": {"1": [5]},
            "kind": [0, 1],
            "outcome": [0, 5],
            "reason": [0, 1],
            "model": [0, 0],
            "q": [0.5, None],
            "ql": [0.5, None],
            "qh": [0.5, None],
            "s": [2.0, None],
            "sl": [1.96, None],
            "sh": [2.04, None],
            "ms": [5.0, None],
            "usd": [0.0, 0.0],
            "tok": [0, 0],
            "sec": [1.0, 1.0],
            "t": [0, 9],
            "same": [-1, 3],
            "name": ["attempt 0", "attempt 7"],
        }
        words = columns.words()
        assert words["reasons"] == ["", "wrong_shape"] and words["models"] == ["test"]
        assert words["outcomes"][5] == "validate" and words["kinds"][:2] == ["seed", "patch"]
