"""Archives that earlier versions made, as bundles in `tests/data/archives`: each opens, verifies, and continues."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from evaluator.types import Rejected
from harness.archive import Archive
from harness.patch import apply_reply
from harness.readings.verify import verify
from harness.report.tables import credited
from harness.types import Attempt
from tests.harness.archive.archives import fsck, git, refused
from tests.harness.builders import PROGRAM, duel, scored

BUNDLES = Path(__file__).parents[2] / "data" / "archives"
FIRST, LAST = "b069eee", "8ddfcc6"
"""The first version that had archives, and the last one that wrote format 1: each names its bundle."""


@pytest.fixture(params=[FIRST, LAST])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    version = str(request.param)
    git(tmp_path, "clone", "-q", "--mirror", str(BUNDLES / f"{version}.bundle"), version)
    return tmp_path / version


def rows(archive: Archive) -> list[tuple[object, ...]]:
    numbers = {entry.id: entry.number for entry in archive.entries} | {archive.root_id: -1}
    return [
        (
            entry.number,
            entry.kind,
            entry.name,
            [numbers[parent] for parent in entry.parents],
            [numbers[parent] for parent in entry.inspirations],
            entry.verdict.stage if isinstance(entry.verdict, Rejected) else entry.verdict.score.quality.value,
            entry.usd,
        )
        for entry in archive.entries
    ]


ROWS = [
    (0, "seed", "seed", [-1], [], 0.5, 0.0),
    (1, "patch", "more rounds", [0], [], 0.6, 0.01),
    (2, "patch", "less slack", [0], [], 0.7, 0.01),
    (3, "crossover", "both", [1, 2], [], 0.8, 0.01),
    (4, "patch", "", [1], [], "patch", 0.0),
    (5, "rewrite", "all new", [0], [3], "run", 0.0),
]
CONVERSATION = (6, "repair", "größer \ufffd", [3], [2], 0.9, 0.75)


def test_an_old_archive_is_read_as_it_was_written(path: Path) -> None:
    archive = Archive.open(path)
    assert rows(archive) == [*ROWS, *([CONVERSATION] if path.name == LAST else [])]
    assert archive.damage == ()
    assert (archive.config["task"]["name"], archive.source(archive.root_id)) == ("eplb", PROGRAM)
    assert archive.entry("best").number == 3
    assert all(entry.syntax_hash == entry.same_as == "" for entry in archive.entries)
    assert "ROUNDS = 6\nSLACK = 0.25\n" in archive.source(archive.entry("best").id)
    verdict, now = archive.entries[4].verdict, refused(archive, 4, archive.entries[1].id).verdict  # in today's words
    assert isinstance(verdict, Rejected) and isinstance(now, Rejected)
    assert (verdict.stage, verdict.reason) == (now.stage, now.reason)
    assert archive.reply(archive.entries[4].id) == "no patch in here"
    report = verify(archive)
    assert (report.mismatches, report.gaps) == ((), ())


@pytest.mark.parametrize("path", [LAST], indirect=True)
def test_a_conversation_and_advice_are_read(path: Path) -> None:
    archive = Archive.open(path)
    entry = archive.entries[6]
    assert archive.advice() == ("Try the slack first. \udcff", "Fewer rounds.")
    first, second = archive.turns(entry.id)
    assert (first.text, first.usage.output_tokens, first.tries, first.usd) == ("I think\udc80 about it", 5, 2, 0.25)
    assert (first.refusal, second.note, second.usage.cached_tokens) == ("no block in there", "cut", 30)
    assert second.text == archive.reply(entry.id)
    confirmed, failed = entry.confirmations
    assert confirmed.duel == duel(1.2, level=0.99) and confirmed.against == archive.entries[3].id
    assert (failed.failure, failed.against) == ("it failed", archive.entries[1].id)
    assert (entry.ticket_number, archive.booked.calls) == (6, 3)


def test_old_scores_have_no_interval_and_old_duels_no_gain(path: Path) -> None:
    archive = Archive.open(path)
    scores = [entry.scored.score for entry in archive.entries if entry.scored is not None]
    assert len(scores) >= 4
    for score in scores:
        assert score.gain is score.pass_quality is None and score.secret == ""
        assert all(case.gain is None and case.value == case.quality.value for case in score.cases)
        assert credited(score) == f"{score.quality.value:.4f}"
    duels = [confirmation.duel for entry in archive.entries for confirmation in entry.confirmations]
    assert all(fought is None or fought.quality_comparison == "undecided" for fought in duels)


def test_an_old_archive_continues_under_upkeep_and_its_ticket_is_adopted(path: Path) -> None:
    before = rows(Archive.open(path))
    with Archive.open(path) as archive:
        (pending,) = archive.adopt()
        assert (pending.ticket, pending.answered, pending.proposal.usd) == (9, True, 0.125)
        parent = pending.proposal.parents[0]
        attempt = Attempt(
            number=archive.next_number,
            proposal=pending.proposal,
            candidate=apply_reply(pending.proposal.reply, archive.source(parent)),
            verdict=scored(0.95, 5.0),
            ticket=9,
            syntax_hash="ab" * 20,
        )
        added = archive.append(attempt)
        again = dataclasses.replace(attempt, number=added.number + 1, ticket=0, same_as=added.id)
        archive.append(again)
        archive.point(added, [added])
        archive.maintain()
    for cached in (False, True):
        with Archive.open(path, cached=cached) as archive:
            assert rows(archive)[: len(before)] == before
            assert [entry.same_as for entry in archive.entries[-2:]] == ["", added.id]
            assert archive.known(added.program_id) == archive.known("ab" * 20) == archive.entry("best") == added
            assert (archive.pending(), archive.damage, verify(archive).ok) == ((), (), True)
    assert list((path / "refs/attempts").iterdir()) == []
    assert fsck(path) == ""
