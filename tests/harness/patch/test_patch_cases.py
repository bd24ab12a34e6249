"""Every case in `tests/data/patches`: one table for parse, apply, render and refusals."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.patch import PatchError, apply, apply_reply, diff, parse, render
from harness.patch.refusals import REASONS

FOLDER = Path(__file__).resolve().parents[2] / "data" / "patches"
SHARED = Path(__file__).resolve().parents[4] / "shared"


@dataclass(frozen=True)
class PatchCase:
    id: str
    program: str
    reply: str
    child: str | None
    refusal: str
    expect: dict[str, list[str]]

    @property
    def rewrite(self) -> bool:
        return "rewrite" in self.expect


def text(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def read_case(folder: Path) -> PatchCase:
    expect: dict[str, list[str]] = defaultdict(list)
    for line in text(folder / "expect.txt").split("\n"):
        if line:
            key, _, value = line.partition(":")
            expect[key].append(value.removeprefix(" "))
    child = folder / "child.txt"
    refusal = folder / "refusal.txt"
    return PatchCase(
        id=folder.name,
        program=text(folder / "program.txt"),
        reply=text(folder / "reply.txt"),
        child=text(child) if child.exists() else None,
        refusal=text(refusal) if refusal.exists() else "",
        expect=dict(expect),
    )


CASES = [read_case(folder) for folder in sorted(FOLDER.iterdir()) if folder.is_dir()]
APPLIED = [case for case in CASES if case.child is not None]
REFUSED = [case for case in CASES if case.child is None]


def by_id(case: PatchCase) -> str:
    return case.id


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_case_is_well_formed(case: PatchCase) -> None:
    assert set(case.expect) <= {"why", "tiers", "refused", "says", "warning", "rewrite", "name"}
    assert (case.child is not None) == ("tiers" in case.expect)
    assert (case.child is None) == ("refused" in case.expect and "says" in case.expect)


@pytest.mark.parametrize("case", APPLIED, ids=by_id)
def test_reply_applies(case: PatchCase) -> None:
    made = apply_reply(case.reply, case.program, allow_rewrite=case.rewrite)
    assert made.source == case.child
    assert list(made.tiers) == case.expect["tiers"][0].split()
    wanted = case.expect.get("warning", [])
    assert len(made.warnings) == len(wanted)
    assert all(piece in warning for piece, warning in zip(wanted, made.warnings, strict=True))
    assert made.name == case.expect.get("name", [made.name])[0]


@pytest.mark.parametrize("case", APPLIED, ids=by_id)
def test_parse_and_render_round_trip(case: PatchCase) -> None:
    patch = parse(case.reply, source=case.program, allow_rewrite=case.rewrite)
    again = render(patch)
    assert parse(again, allow_rewrite=case.rewrite) == patch
    assert render(parse(again, allow_rewrite=case.rewrite)) == again
    assert apply(patch, case.program).source == case.child
    assert apply_reply(again, case.program, allow_rewrite=case.rewrite).source == case.child


@pytest.mark.parametrize("case", APPLIED, ids=by_id)
def test_prose_around_the_reply_changes_nothing(case: PatchCase) -> None:
    around = f"Let me think.\n\n{case.reply}\n\nThat is < all >, I hope; 1 == 1.\n- one\n+ two\n"
    assert apply_reply(around, case.program, allow_rewrite=case.rewrite).source == case.child


@pytest.mark.parametrize("case", APPLIED, ids=by_id)
def test_diff_finds_a_patch(case: PatchCase) -> None:
    assert case.child is not None
    patch = diff(case.program, case.child, name=case.id, description="")
    assert apply(patch, case.program).source == case.child


@pytest.mark.parametrize("case", REFUSED, ids=by_id)
def test_reply_is_refused_with_a_text_for_the_model(case: PatchCase) -> None:
    with pytest.raises(PatchError) as refused:
        apply_reply(case.reply, case.program, allow_rewrite=case.rewrite)
    assert refused.value.reason == case.expect["refused"][0]
    for piece in case.expect["says"]:
        assert piece in refused.value.detail
    assert refused.value.detail + "\n" == case.refusal


def test_every_reason_has_a_case() -> None:
    seen = {case.expect["refused"][0] for case in REFUSED}
    assert seen == set(REASONS) - {"not_expressible"}, "not_expressible is for diff and render alone"


def test_the_patch_of_the_design_document_parses() -> None:
    path = SHARED / "seeds" / "all_pairs_refinement.txt"
    if not path.exists():
        pytest.skip("the shared folder is not beside this checkout")
    patch = parse(text(path))
    assert patch.name == "all_pairs_refinement"
    assert len(patch.edits) == 2
    assert patch.description.startswith("1. Increased `num_restarts`")
    assert patch.description.endswith("converge further.")
    assert parse(render(patch)) == patch
