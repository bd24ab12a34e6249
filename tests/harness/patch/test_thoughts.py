"""Thoughts round a reply: they change nothing of what it says, whatever they hold, in linear time."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.patch import PatchError, apply_reply, parse, render
from harness.patch.thoughts import split, without_thoughts
from harness.types import Edit, Patch
from tests.harness.patch.test_patch import ANY_TEXT, TRICKY
from tests.harness.patch.test_patch_cases import CASES, PatchCase, by_id

PAIRS = [
    ("<think>", "</think>"),
    ("<think>\n", "\n</think>\n\n"),
    ("\n<Thinking>", "</Thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<|think|>", "<|/think|>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|><|begin_of_solution|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|start|>assistant<|channel|>commentary to=user<|message|>", "<|call|><|channel|>final<|message|>"),
    ("analysisI ", "assistantfinal"),
    ("Here is my thought process:", "Here is my response:"),
]
CLOSINGS = ["</think>", "\n</think>\n", "</thinking>", "[/THINK]", "◁/think▷", "<|END_THINKING|>", "assistantfinal"]
MARKS = st.sampled_from([*(mark for pair in PAIRS for mark in pair), "`</think>`", '"<think>"', "<|return|>", "\n"])
ANYTHING = st.lists(st.one_of(MARKS, TRICKY, st.text(max_size=8)), max_size=20).map("".join)
DRAFTS = st.one_of(
    ANY_TEXT.filter(lambda text: not split(text).thoughts),
    st.lists(
        st.sampled_from(
            [
                "<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>> REPLACE",
                "<<<<<<< SEARCH\nx = 1",
                "<<<<<<< SEARCH",
                "<NAME>\ndraft",
                "<DESCRIPTION>a</DESCRIPTION>",
                "<DIFF>",
                "</DIFF>",
                "```python",
                "```python\nx = 1\n```",
                "I may write `</think>` or '<think>' there.",
                "x = 1",
                "",
            ]
        ),
        max_size=12,
    ).map("\n".join),
)
UNMARKED = [case for case in CASES if not split(case.reply).thoughts and "<think>" not in case.reply]
EDITS = st.lists(st.tuples(DRAFTS, st.one_of(DRAFTS, ANYTHING)), min_size=1, max_size=3)


def outcome(reply: str, case: PatchCase) -> tuple[str, str]:
    try:
        made = apply_reply(reply, case.program, allow_rewrite=case.rewrite)
    except PatchError as refused:
        return "refused", refused.reason
    return made.name, made.source


@settings(max_examples=300)
@given(st.sampled_from(UNMARKED), st.sampled_from(PAIRS), DRAFTS)
def test_thoughts_before_a_reply_never_change_what_it_says(
    case: PatchCase, pair: tuple[str, str], thoughts: str
) -> None:
    assume(case.reply.strip())
    assert outcome(pair[0] + thoughts + pair[1] + "\n" + case.reply, case) == outcome(case.reply, case)


@settings(max_examples=300)
@given(st.sampled_from(UNMARKED), st.sampled_from(CLOSINGS), DRAFTS)
def test_thoughts_that_the_template_opened_never_change_what_a_valid_reply_says(
    case: PatchCase, closing: str, thoughts: str
) -> None:
    assume(case.child is not None)
    assert outcome(thoughts + "\n" + closing + "\n" + case.reply, case) == outcome(case.reply, case)


@settings(max_examples=200)
@given(st.sampled_from(UNMARKED), st.sampled_from(PAIRS), DRAFTS)
def test_a_reply_that_ends_inside_its_thoughts_is_truncated(
    case: PatchCase, pair: tuple[str, str], thoughts: str
) -> None:
    assert outcome(pair[0] + thoughts + "\n" + case.reply, case) == ("refused", "truncated")


ANSWER = "<NAME>\nsorted\n</NAME>\n<DIFF>\n<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>> REPLACE\n</DIFF>"
DRAFT = ANSWER.replace("x = 2", "x = 3").replace("sorted", "draft")


@pytest.mark.parametrize(
    "reply",
    [
        f"<think>\nHm.\n</think>\n{ANSWER}</think>",
        f"<think>\nHm.\n</think>\n{ANSWER}\n</think>\n",
        f"<think>\nHm.\n</think>\n{ANSWER}\n</think>\nI hope that this helps.",
        f"<think>\n<think>\n{DRAFT}\n</think>\n{ANSWER}\n</think>\n",
        f"{ANSWER}\n</think>",
        f"{ANSWER}\nDone.\n</think></think>\n<|end|>",
        f"{ANSWER}assistantfinal",
        f"<think>\nHm.\n</think>\n{ANSWER}\n<|START_RESPONSE|>",
        f"<|channel|>commentary<|message|>{ANSWER}<|end|>",
        f"<|channel|>commentary<|message|>{ANSWER}<|return|>",
        f"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>{ANSWER}<|end|>",
    ],
)
def test_a_complete_answer_before_a_stray_mark_or_in_the_commentary_is_read(reply: str) -> None:
    made = apply_reply(reply, "x = 1\n", allow_rewrite=False)
    assert (made.name, made.source, made.warnings) == ("sorted", "x = 2\n", ())
    answer = without_thoughts(reply)
    assert answer.startswith(ANSWER) and ("</think>" in answer) is ("I hope" in answer)


@pytest.mark.parametrize(
    "reply",
    [
        f"{DRAFT}\nBetter:\n</think>\n{ANSWER}",
        f"<think>\n<think>\nHm.\n</think>\n{DRAFT}\n</think>\n{ANSWER}",
        f"<|channel|>commentary<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}",
        f"<|channel|>commentary<|message|>{DRAFT}<|end|>{ANSWER}",
    ],
)
def test_a_draft_before_a_closing_mark_or_another_message_does_not_count(reply: str) -> None:
    assert without_thoughts(reply) == ANSWER


@pytest.mark.parametrize(
    "reply",
    [
        f"<|channel|>commentary<|message|>{DRAFT}<|end|><|channel|>analysis<|message|>No,",
        f"<|channel|>commentary to=functions.run<|message|>{DRAFT}<|call|>",
        "<|channel|>commentary<|message|>I begin.<|end|>",
        "I begin.\n</think>",
    ],
)
def test_what_holds_no_answer_is_thoughts(reply: str) -> None:
    assert split(reply).answer == ""
    assert outcome(reply, UNMARKED[0]) == ("refused", "truncated")


def test_a_whole_program_before_a_stray_mark_is_read() -> None:
    reply = "<think>\nHm.\n</think>\n```python\nx = 2\n```\n</think>"
    assert apply_reply(reply, "x = 1\n", allow_rewrite=True).source == "x = 2\n"


@settings(max_examples=300)
@given(EDITS)
def test_a_patch_that_holds_marks_survives_rendering(sides: list[tuple[str, str]]) -> None:
    patch = Patch(name="marks", edits=tuple(Edit(search=search, replace=replace) for search, replace in sides))
    assert parse(render(patch)) == patch
    assert parse(f"<think>\nHm.\n</think>\n{render(patch)}") == patch


@settings(max_examples=500)
@given(ANYTHING)
def test_any_text_can_be_split(reply: str) -> None:
    found = split(reply)
    assert found.thoughts or found.answer in reply
    assert len(found.answer) <= len(reply)
    assert without_thoughts(reply) == found.answer.strip("\n")
    try:
        apply_reply(reply, "x = 1\n", allow_rewrite=True)
    except PatchError as refused:
        assert all(line.isprintable() for line in refused.detail.split("\n"))


@pytest.mark.parametrize("case", UNMARKED, ids=by_id)
def test_a_reply_without_marks_is_its_own_answer(case: PatchCase) -> None:
    assert split(case.reply).answer == case.reply


LONG = 10_000


@pytest.mark.parametrize(
    "make",
    [
        lambda n: "<think>\n" * n,
        lambda n: "</think>\n" * n,
        lambda n: "<think></think>" * n,
        lambda n: "<think>\n</think>\n" * n,
        lambda n: "<" * n + "think>" * n,
        lambda n: "<a_" * n + "</think>",
        lambda n: "assistant " * n + "</think>",
        lambda n: "<|channel|>analysis " * n + "</think>",
        lambda n: "</think>" + " " * 8 * n + "<think>",
        lambda n: "".join(f"{'<' * (7 + i % 300)} SEARCH\n" for i in range(n // 30)) + "</think>",
        lambda n: "```\n" * n + "</think>",
        lambda n: "".join(f"{'`' * (3 + i % 300)}\n" for i in range(n // 30)) + "</think>",
        lambda n: "<NAME>\n" * n + "</think>",
        lambda n: "x</NAME>\n" * n + "</think>\n<NAME>",
        lambda n: "<think>" + "<think>\n" * n + "</think>\n" * n,
        lambda n: "<think>x</think>y" + "</think>y" * n,
        lambda n: "<DIFF>" * n + "</DIFF></think>" * n,
        lambda n: "</think><|end|>" + "<|end|>" * n,
        lambda n: "<think a" * n,
        lambda n: "[THINK] x\n" * n,
    ],
)
def test_time_is_linear(make: Callable[[int], str]) -> None:
    def seconds(n: int) -> float:
        text, best = make(n), 60.0
        for _ in range(2):
            begun = time.perf_counter()
            split(text)
            best = min(best, time.perf_counter() - begun)
        return best

    assert seconds(LONG) < max(0.5, 12 * seconds(LONG // 4))
