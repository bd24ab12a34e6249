"""Three-way merges by the real `git merge-file`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.git import Conflict, Piece, merge_file, merge_pieces

BASE = "a\nb\nc\nd\ne\n"
MARKS = (
    *("<<<<<<< ours", "||||||| base", "=======", ">>>>>>> theirs", "<" * 8 + " ours", "=" * 8, "=" * 8 + "\r"),
    *(">" * 40 + " theirs", "|" * 9, "<<<<<<< SEARCH", "=" * 999, " =======", ""),
)
"""Lines of a program that look like marks of a merge."""
WHOLE = st.lists(st.integers(0, len(MARKS) - 1), max_size=8)


def written(numbers: Sequence[int], hostile: bool) -> str:
    """A text of numbered lines: those marks, or plain words in their place."""
    return "".join(f"{MARKS[number] if hostile else f'line {number}'}\n" for number in numbers)


class TestMergeFile:
    def test_changes_apart_merge(self) -> None:
        assert merge_file("A\nb\nc\nd\ne\n", BASE, "a\nb\nc\nd\nE\n") == "A\nb\nc\nd\nE\n"

    def test_a_conflict_gives_none(self) -> None:
        assert merge_file("a\nX\nc\nd\ne\n", BASE, "a\nY\nc\nd\ne\n") is None

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_line_ends_and_odd_characters_survive(self, end: str) -> None:
        base = BASE.replace("\n", end)
        assert merge_file(base.replace("a", "é\udc80"), base, base.replace("e" + end, "no end")) == base.replace(
            "a", "é\udc80"
        ).replace("e" + end, "no end")

    def test_binary_content_gives_none(self) -> None:
        assert merge_file("\0a\n", BASE, "\0b\n") is None

    def test_many_conflicts_give_none(self) -> None:
        lines = [f"{i}\n" for i in range(2000)]
        ours, theirs = ("".join(f"{who}{line}" if i % 5 == 0 else line for i, line in enumerate(lines)) for who in "xy")
        assert merge_file(ours, "".join(lines), theirs) is None


class TestPieces:
    def test_a_conflict_stands_between_what_is_agreed(self) -> None:
        assert merge_pieces("a\nX\nc\nd\nE\n", BASE, "A\nY\nc\nd\ne\n") == (
            Conflict(ours="a\nX\n", base="a\nb\n", theirs="A\nY\n"),
            "c\nd\nE\n",
        )

    def test_lines_that_one_side_deletes_and_the_other_changes(self) -> None:
        assert merge_pieces("a\nc\nd\ne\n", BASE, "a\nB\nc\nd\ne\n") == (
            "a\n",
            Conflict(ours="", base="b\n", theirs="B\n"),
            "c\nd\ne\n",
        )

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_a_text_without_a_last_newline_gets_none(self, end: str) -> None:
        base, ours, theirs = (f"a{end}{last}" for last in ("b", "x", f"y{end}"))
        assert merge_pieces(ours, base, theirs) == (f"a{end}", Conflict(ours="x", base="b", theirs=f"y{end}"))

    def test_a_line_of_a_thousand_marks_is_merged_but_no_conflict_is_read_from_it(self) -> None:
        wall = "=" * 1_000
        assert merge_pieces("A\nb\nc\n", "a\nb\nc\n", f"a\nb\nc\n{wall}\n") == (f"A\nb\nc\n{wall}\n",)
        assert merge_pieces("A\n", "a\n", f"{wall}\n") is None

    def test_a_git_that_is_killed_merges_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        git = tmp_path / "git"
        git.write_text("#!/bin/sh\nprintf 'a\\n'\nkill -9 $$\n")
        git.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        assert merge_pieces("A\nb\n", "a\nb\n", "a\nB\n") is None

    @settings(max_examples=40, deadline=None)
    @given(WHOLE, WHOLE, WHOLE)
    @example([0, 2, 3], [2], [0, 1, 2, 3])
    @example([5, 2, 7], [5, 10, 7], [5, 4, 7])
    def test_lines_that_look_like_marks_are_lines_like_any_others(
        self, ours: list[int], base: list[int], theirs: list[int]
    ) -> None:
        def pieces(hostile: bool) -> list[Piece]:
            texts = [written(numbers, hostile) for numbers in (ours, base, theirs)]
            return list(merge_pieces(*texts) or ())

        def renamed(text: str) -> str:
            return "".join(f"{MARKS[int(line.split()[1])]}\n" for line in text.splitlines())

        plain = [
            renamed(piece)
            if isinstance(piece, str)
            else Conflict(ours=renamed(piece.ours), base=renamed(piece.base), theirs=renamed(piece.theirs))
            for piece in pieces(hostile=False)
        ]
        assert pieces(hostile=True) == plain
