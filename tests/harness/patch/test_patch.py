"""Properties of the patch format that hold for any text, and bounds on the time of a refusal."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.patch import PatchError, apply, apply_reply, diff, parse, render
from harness.patch.lines import cut, to_lines, to_text
from harness.patch.refusals import REASONS
from harness.types import Edit, Patch

ANY_TEXT = st.text(st.characters(codec=None), max_size=200)
"""Any Python string, lone surrogates included."""

PIECES = st.sampled_from(
    [
        "<<<<<<< SEARCH",
        "=======",
        ">>>>>>> REPLACE",
        "<<<<<<<< SEARCH",
        "========",
        ">>>>>>>> REPLACE",
        "  <<<<<<< SEARCH",
        "<<<<<<< SEA",
        "<NAME>",
        "</NAME>",
        "<DESCRIPTION>a</DESCRIPTION><DIFF>",
        "</DESCRIPTION>",
        "<DIFF>",
        "</DIFF>",
        "```python",
        "```",
        "# EVOLVE-BLOCK-START",
        "# EVOLVE-BLOCK-END",
        "--- a",
        "+++ b",
        "@@ -1 +1 @@",
        "x = 1",
        "    x = 1",
        "\tx = 1",
        "y = 2  ",
        "",
        " ",
        "a\u00a0b",
        "\x00",
        "\ud800",
        "a\x0cb\u2028c\rd",
    ]
)
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])
TRICKY = st.lists(st.tuples(PIECES, ENDS), max_size=30).map(lambda parts: "".join(a + b for a, b in parts))
LINE = st.sampled_from(
    ["x = 1", "y = 2", "    return x", "", "    ", "# EVOLVE", "=======", "f(\u00a0)", "a\x0cb", "\tz"]
)
PROGRAM_LINES = st.lists(LINE, max_size=25)
HEADER = st.text(max_size=60).map(lambda text: text.strip(" \t\r\n"))


@settings(max_examples=300)
@given(st.one_of(ANY_TEXT, TRICKY), st.one_of(ANY_TEXT, TRICKY), st.booleans())
def test_any_text_gives_a_result_or_a_patch_error(reply: str, source: str, allow_rewrite: bool) -> None:
    for read in (
        lambda: parse(reply, allow_rewrite=allow_rewrite),
        lambda: parse(reply, source=source, allow_rewrite=allow_rewrite),
        lambda: apply_reply(reply, source, allow_rewrite=allow_rewrite),
        lambda: diff(source, reply, name="n", description="d"),
    ):
        try:
            read()
        except PatchError as refused:
            assert refused.reason in REASONS
            assert 0 < len(refused.detail) <= 5000
            assert all(line.isprintable() for line in refused.detail.split("\n"))


@settings(max_examples=300)
@given(st.lists(st.tuples(st.one_of(ANY_TEXT, TRICKY), st.one_of(ANY_TEXT, TRICKY)), min_size=1, max_size=4), HEADER)
def test_parsing_a_rendered_patch_gives_the_patch(sides: list[tuple[str, str]], header: str) -> None:
    edits = tuple(Edit(search=search, replace=replace) for search, replace in sides)
    if "</" in header:
        header = ""
    patch = Patch(name=header, description=header, edits=edits)
    assert parse(render(patch)) == patch
    assert parse(f"Well:\n{render(patch)}\nThat is all.") == patch


@given(st.one_of(ANY_TEXT, TRICKY))
def test_a_rewrite_survives_or_is_refused_by_render(program: str) -> None:
    patch = Patch(name="whole", rewrite=program + "\n")
    try:
        reply = render(patch)
    except PatchError as refused:
        assert refused.reason == "not_expressible"
        assert any(mark in program for mark in ("<<<", ">>>", "<NAME>", "<DESCRIPTION>", "@@ -", "--- "))
        return
    assert parse(reply, allow_rewrite=True) == patch


@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=3), max_size=5))
def test_lines_and_text_round_trip(lines: list[str]) -> None:
    assert to_lines(to_text(lines)) == lines


@given(st.one_of(ANY_TEXT, TRICKY))
def test_splitting_a_program_round_trips(source: str) -> None:
    assert cut(source).source == source


def program(lines: list[str], end: str, final: bool) -> str:
    while lines and not final and not lines[-1]:
        lines = lines[:-1]
    return end.join(lines) + (end if final and lines else "")


@settings(max_examples=400)
@given(PROGRAM_LINES, PROGRAM_LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_computed_patch_gives_the_second_program(old: list[str], new: list[str], end: str, final: bool) -> None:
    # A second line keeps the line-end convention visible in both programs.
    before, after = program(["first", "last", *old], end, final), program(["first", "last", *new], end, final)
    if before == after:
        with pytest.raises(PatchError) as refused:
            diff(before, after, name="n", description="d")
        assert refused.value.reason == "no_op"
        return
    patch = diff(before, after, name="n", description="d")
    made = apply(patch, before)
    assert made.source == after
    assert set(made.tiers) == {"exact"}
    assert apply_reply(render(patch), before).source == after


@settings(max_examples=200)
@given(st.lists(PROGRAM_LINES, min_size=2, max_size=3), st.lists(PROGRAM_LINES, min_size=3, max_size=3))
def test_a_computed_patch_stays_in_the_regions(old: list[list[str]], new: list[list[str]]) -> None:
    def framed(regions: list[list[str]]) -> str:
        lines = ["import os", "x = 1"]
        for i, region in enumerate(regions):
            lines += ["# EVOLVE-BLOCK-START", f"region = {i}", *region, "# EVOLVE-BLOCK-END", "x = 1"]
        return "\n".join(lines) + "\n"

    before, after = framed(old), framed(new[: len(old)])
    if before != after:
        assert apply(diff(before, after, name="n", description="d"), before).source == after


@given(PROGRAM_LINES, PROGRAM_LINES)
def test_a_patch_never_applies_twice_to_no_effect(old: list[str], new: list[str]) -> None:
    before, after = program(["top", *old], "\n", True), program(["top", *new], "\n", True)
    if before == after:
        return
    patch = diff(before, after)
    try:
        assert apply(patch, after).source != after
    except PatchError as refused:
        assert refused.reason in ("no_match", "ambiguous", "no_op")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("a\n", "a\n", "no_op"),
        ("a\nb\n", "a\nb", "not_expressible"),
        ("a\nb\n", "a\r\nb\r\n", "not_expressible"),
        ("", "a\n", "empty_search"),
        ("\n\n", "a\n", "empty_search"),
        (
            "x\n# EVOLVE-BLOCK-START\na\n# EVOLVE-BLOCK-END\n",
            "y\n# EVOLVE-BLOCK-START\na\n# EVOLVE-BLOCK-END\n",
            "outside_block",
        ),
        ("# EVOLVE-BLOCK-START\na\n# EVOLVE-BLOCK-END\n", "# EVOLVE-BLOCK-START\na\n", "touches_marker"),
        ("# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\n", "# EVOLVE-BLOCK-START\na\n# EVOLVE-BLOCK-END\n", "empty_search"),
        (
            "# EVOLVE-BLOCK-START\na\n# EVOLVE-BLOCK-END\n# EVOLVE-BLOCK-START\na\n# EVOLVE-BLOCK-END\n",
            "# EVOLVE-BLOCK-START\nb\n# EVOLVE-BLOCK-END\n# EVOLVE-BLOCK-START\na\n# EVOLVE-BLOCK-END\n",
            "ambiguous",
        ),
        ("a\n", "\ud800\n", "malformed"),
    ],
)
def test_a_change_that_no_patch_can_express_is_refused(old: str, new: str, reason: str) -> None:
    with pytest.raises(PatchError) as refused:
        diff(old, new, name="n", description="d")
    assert refused.value.reason == reason


def test_a_computed_patch_is_small() -> None:
    lines = [f"value_{i} = {i}" for i in range(300)]
    before = "\n".join(lines) + "\n"
    lines[40] = "value_40 = 41"
    del lines[200]
    patch = diff(before, "\n".join(lines) + "\n", name="two", description="Changes one line and drops another.")
    assert patch.edits == (
        Edit(
            search="value_39 = 39\nvalue_40 = 40\nvalue_41 = 41", replace="value_39 = 39\nvalue_40 = 41\nvalue_41 = 41"
        ),
        Edit(search="value_199 = 199\nvalue_200 = 200\nvalue_201 = 201", replace="value_199 = 199\nvalue_201 = 201"),
    )
    assert render(patch) == (
        "<NAME>\ntwo\n</NAME>\n\n<DESCRIPTION>\nChanges one line and drops another.\n</DESCRIPTION>\n\n<DIFF>\n"
        "<<<<<<< SEARCH\nvalue_39 = 39\nvalue_40 = 40\nvalue_41 = 41\n=======\n"
        "value_39 = 39\nvalue_40 = 41\nvalue_41 = 41\n>>>>>>> REPLACE\n"
        "<<<<<<< SEARCH\nvalue_199 = 199\nvalue_200 = 200\nvalue_201 = 201\n=======\n"
        "value_199 = 199\nvalue_201 = 201\n>>>>>>> REPLACE\n</DIFF>\n"
    )


def test_a_block_with_several_dividers_needs_the_program() -> None:
    source = "Title\n=======\nbody\n\nTitle\n"
    reply = "<<<<<<< SEARCH\nTitle\n=======\nbody\n=======\nHeading\n>>>>>>> REPLACE\n"
    with pytest.raises(PatchError) as refused:
        parse(reply)
    assert refused.value.reason == "ambiguous"
    assert "8 or more characters" in refused.value.detail
    assert parse(reply, source=source).edits == (Edit(search="Title\n=======\nbody", replace="Heading"),)


def test_a_divider_is_chosen_after_the_earlier_blocks_are_applied() -> None:
    first = "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n"
    second = "<<<<<<< SEARCH\nb\n=======\n'''c\n=======\nd'''\n>>>>>>> REPLACE\n"
    assert apply_reply(first + second, "a\n").source == "'''c\n=======\nd'''\n"


def test_a_lone_surrogate_never_reaches_a_program() -> None:
    block = "<<<<<<< SEARCH\na\n=======\n{}\n>>>>>>> REPLACE\n"
    with pytest.raises(PatchError) as refused:
        apply_reply(block.format("\ud800"), "a\n")
    assert refused.value.reason == "malformed"
    assert "\\ud800" in refused.value.detail
    made = apply_reply("<NAME>n\udfff</NAME>\n" + block.format("b"), "a\n")
    assert made.name == "n\ufffd"
    assert "U+FFFD" in made.warnings[0]


def test_a_long_refusal_is_truncated() -> None:
    search = "\n".join("word " * 100 + str(i) for i in range(500))
    with pytest.raises(PatchError) as refused:
        apply(Patch(edits=(Edit(search=search, replace="x"),)), search.replace("7", "8") + "\n")
    assert refused.value.reason == "no_match"
    assert len(refused.value.detail) < 5000
    assert "(500 characters)" not in refused.value.detail
    assert "..." in refused.value.detail


def test_too_many_blocks_are_refused() -> None:
    edits = tuple(Edit(search=f"a{i}", replace=f"b{i}") for i in range(1001))
    with pytest.raises(PatchError) as refused:
        apply(Patch(edits=edits), "a\n")
    assert "1001 blocks; expected at most 1000" in refused.value.detail


BIG = 4_000_000
BLOCK = "<<<<<<< SEARCH\n{}=======\n{}>>>>>>> REPLACE\n"
HUGE: dict[str, Callable[[int], str]] = {
    "newlines": lambda size: "\n" * size,
    "one line": lambda size: "a" * size,
    "openings": lambda size: "<<<<<<< SEARCH\n" * (size // 15),
    "closings": lambda size: ">>>>>>> REPLACE\n" * (size // 16),
    "dividers": lambda size: "=======\n" * (size // 8),
    "dividers in a block": lambda size: "<<<<<<< SEARCH\nx = 1\n" + "=======\n" * (size // 8) + ">>>>>>> REPLACE\n",
    "dividers in an open block": lambda size: "<<<<<<< SEARCH\n" + "=======\n" * (size // 8),
    "tags": lambda size: "<NAME>\n" * (size // 7),
    "code fences": lambda size: "```\n" * (size // 4),
    "a fence": lambda size: "<" * size,
    "a search": lambda size: BLOCK.format("x = 1\n" * (size // 6), ""),
    "a replace": lambda size: BLOCK.format("nowhere\n", "x = 1\n" * (size // 6)),
    "odd blanks": lambda size: BLOCK.format("x\u00a0= 1\n" * (size // 6), ""),
    "blocks": lambda size: BLOCK.format("x = 1\n", "x = 2\n") * (size // 50),
}
LONGEST = "code fences"
"""Of the texts above, the one that takes longest to refuse."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [*((name, BIG // 8) for name in HUGE), (LONGEST, BIG)])
def test_a_huge_text_is_refused_in_seconds(name: str, size: int) -> None:
    """One of ten megabytes, and of every kind an eighth of that: a quadratic reading would take minutes."""
    text = HUGE[name](size)
    started_s = time.perf_counter()
    with pytest.raises(PatchError) as refused:
        apply_reply(text, "x = 1\n" * 100, allow_rewrite=True)
    assert len(refused.value.detail) <= 5000
    # On a slow core 0.1 to 0.6 s, and 5 s for the large one.
    assert time.perf_counter() - started_s < 30 * max(size / BIG, 0.3)


@pytest.mark.slow
def test_megabytes_of_prose_around_a_block_and_a_large_program() -> None:
    source = "".join(f"value_{i} = {i % 7}\n" for i in range(50_000))
    reply = "words and words\n" * (BIG // 16) + BLOCK.format("value_49999 = 5\n", "value_49999 = 8\n")
    started_s = time.perf_counter()
    assert apply_reply(reply, source).source.endswith("value_49999 = 8\n")
    with pytest.raises(PatchError) as refused:
        apply_reply(BLOCK.format("value_49999 = 5\nvalue_50000 = 1\n", "x\n"), source)
    assert "value_50000 = 1" in refused.value.detail
    assert time.perf_counter() - started_s < 30


@pytest.mark.slow
@pytest.mark.parametrize("distinct", [50, 20_000])
@pytest.mark.parametrize("lines", [4_500, 20_000])
def test_a_computed_patch_of_a_large_program_takes_seconds(distinct: int, lines: int) -> None:
    before = "".join(f"value_{i % distinct} = {i % 7}\n" for i in range(lines))
    after = before.replace("9 = 3\n", "9 = 4\n")
    started_s = time.perf_counter()
    patch = diff(before, after)
    assert apply(patch, before).source == after
    assert len(patch.edits) <= 1000
    assert time.perf_counter() - started_s < 60
