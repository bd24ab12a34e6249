"""Search in the texts of attempts, and in what their programs have that their parents do not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from evaluator.types import Rejected
from harness.page.texts import Hit, Texts, new_line
from harness.page.words import json_text, sound, whole
from tests.harness.builders import entry, scored


def texts(count: int = 1200) -> Texts:
    """Attempts in three chunks."""
    found = Texts()
    for number in range(count):
        made = entry(number, Rejected(stage="run", reason="exception", detail=f"IndexError at {number}"))
        found.add(replace(made, name=f"step_{number}", description="Cache the İndex.", model="gpt-x"))
    return found


class TestFind:
    def test_all_words_have_to_occur_in_any_case(self) -> None:
        total, hits = texts().find("INDEXERROR step_7 gpt", 3)
        assert total == 1 + 10 + 100 and [hit.number for hit in hits] == [799, 798, 797]
        assert hits[0] == Hit(number=799, field="name", excerpt="step_799")
        assert texts().find("nothing of the kind", 3) == (0, [])

    def test_a_number_finds_its_attempt_first(self) -> None:
        total, hits = texts().find("#1150", 5)
        assert total == 1 and hits[0] == Hit(number=1150, field="number", excerpt="step_1150")
        total, hits = texts().find("7", 2)
        assert hits[0].number == 7 and total > 2

    def test_the_excerpt_is_short_and_says_that_it_is_cut(self) -> None:
        found = Texts()
        found.add(replace(entry(0, scored(0.5, 1.0)), description=f"{'a' * 500} needle {'b' * 500}"))
        [hit] = found.find("needle", 5)[1]
        assert "needle" in hit.excerpt and len(hit.excerpt) < 200 and hit.excerpt[0] == hit.excerpt[-1] == "…"

    @given(name=st.text(st.characters(codec="utf-8"), max_size=30), query=st.text(min_size=1, max_size=8))
    def test_any_text_can_be_searched(self, name: str, query: str) -> None:
        found = Texts()
        found.add(replace(entry(0, scored(0.5, 1.0)), name=name))
        total, hits = found.find(query, 5)
        assert total == len(hits)


class TestCode:
    def test_only_lines_that_the_parent_lacks_count(self) -> None:
        parent, program = "a = 1\nsort(a)\n", "a = 1\nsort(a)\nb = Sort(a)\n"
        assert new_line("sort", program, parent) == (3, "b = Sort(a)")
        assert new_line("sort", parent, parent) is None and new_line("c", program, "") is None


class TestWords:
    def test_half_characters_and_length(self) -> None:
        assert sound("a\ud800b") == "a\ufffdb" and whole("abcdef", 4) == "abc…" and whole("abcd", 4) == "abcd"

    def test_json_has_no_numbers_that_it_lacks(self) -> None:
        assert json_text({"a": [1.5, float("inf")], "b": float("nan")}) == '{"a":[1.5,null],"b":null}'
