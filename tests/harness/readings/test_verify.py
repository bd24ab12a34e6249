"""`verify` on real archives: a sound one passes, and every kind of forgery or damage is reported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.archive import Archive
from harness.git import Repository
from harness.patch import apply_reply
from harness.readings.verify import verify
from harness.text import encode
from harness.turns import whole_candidate
from harness.types import Attempt, Entry, Proposal, Unjudged
from tests.harness.archive.archives import changing, family, git, new, raw, seed_attempt
from tests.harness.builders import PROGRAM, REJECTED, scored


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return new(tmp_path / "run")


def told(archive: Archive) -> list[tuple[int | None, str, str]]:
    return [(one.number, one.expected, one.found) for one in verify(Archive.open(archive.path)).mismatches]


def forge(
    archive: Archive,
    entry: Entry,
    *,
    program: str | None = None,
    git_parents: Sequence[str] | None = None,
    **changes: object,
) -> None:
    """Put a commit with another program, other parents or another record in an entry's place."""
    record = json.loads(git(archive.path, "show", f"{entry.id}:attempt.json")) | changes
    files = {
        "program.py": encode(archive.source(entry.id) if program is None else program),
        "reply.md": encode(archive.reply(entry.id)),
        "attempt.json": json.dumps(record).encode(),
    }
    repository = Repository(archive.path)
    with repository.batch() as batch:
        commit = batch.commit(batch.tree(files), entry.parents if git_parents is None else git_parents, "forged", 1)
    repository.set_ref(f"refs/attempts/{entry.number:06d}", commit)


def test_a_sound_archive_passes(archive: Archive) -> None:
    family(archive)
    report = verify(Archive.open(archive.path))
    assert report.ok
    assert (report.checked, report.mismatches, report.gaps) == (5, (), ())


def test_an_archive_without_attempts_passes(archive: Archive) -> None:
    assert verify(archive).ok


def test_a_rewrite_is_applied_as_one(archive: Archive) -> None:
    seed = archive.append(seed_attempt(archive))
    source = PROGRAM.replace("ROUNDS = 4", "ROUNDS = 9")
    reply = f"<NAME>all new</NAME>\n```python\n{source}```\n"
    candidate = apply_reply(reply, PROGRAM, allow_rewrite=True)
    proposal = Proposal(kind="rewrite", parents=(seed.id,), reply=reply, proposer="test")
    archive.append(Attempt(number=1, proposal=proposal, candidate=candidate, verdict=scored(0.7, 2.0)))
    assert verify(archive).ok


def test_an_imported_program_is_its_reply(archive: Archive) -> None:
    seed = archive.append(seed_attempt(archive))
    source = PROGRAM.replace("ROUNDS = 4", "ROUNDS = 9")
    proposal = Proposal(kind="import", parents=(seed.id,), reply=source, proposer="openevolve")
    made = archive.append(
        Attempt(number=1, proposal=proposal, candidate=whole_candidate(proposal, PROGRAM), verdict=Unjudged())
    )
    assert archive.source(made.id) == source and verify(archive).ok
    forge(archive, made, program=PROGRAM)
    assert told(archive) == [(1, "the same bytes", "line 3: expected 'ROUNDS = 9\\n', found 'ROUNDS = 4\\n'")]


def test_a_program_that_its_reply_does_not_give_is_reported(archive: Archive) -> None:
    made = family(archive)
    forge(archive, made[3], program=archive.source(made[3].id).replace("ROUNDS = 6", "ROUNDS = 7"))
    assert told(archive) == [(3, "the same bytes", "line 3: expected 'ROUNDS = 6\\n', found 'ROUNDS = 7\\n'")]


def test_an_extra_line_end_is_reported(archive: Archive) -> None:
    made = family(archive)
    forge(archive, made[3], program=archive.source(made[3].id) + "\n")
    ((number, expected, _),) = told(archive)
    assert (number, expected) == (3, "the same bytes")


def test_a_seed_that_differs_from_the_root_is_reported(archive: Archive) -> None:
    seed = archive.append(seed_attempt(archive))
    forge(archive, seed, program="other\n")
    ((number, expected, _),) = told(archive)
    assert (number, expected) == (0, "the parent's program")


def test_a_refusal_for_another_reason_is_reported(archive: Archive) -> None:
    *_, none = family(archive)
    forge(archive, none, verdict={"rejected": {"stage": "patch", "reason": "ambiguous", "detail": ""}})
    ((number, expected, found),) = told(archive)
    assert (number, expected) == (4, "a reply refused as ambiguous")
    assert found.startswith("it is refused as malformed: ")


def test_a_false_refusal_and_a_false_program_are_reported(archive: Archive) -> None:
    _, _, _, both, none = family(archive)
    forge(archive, both, verdict={"rejected": {"stage": "patch", "reason": "no_match", "detail": ""}})
    forge(archive, none, verdict={"rejected": {"stage": "run", "reason": "timeout", "detail": ""}})
    assert [(number, found[:21]) for number, _, found in told(archive)] == [
        (3, "it applies"),
        (3, "line 4: expected 'SLA"),
        (4, "it is refused as malf"),
    ]


def test_parents_that_git_does_not_know_are_reported(archive: Archive) -> None:
    _, one, _, both, _ = family(archive)
    forge(archive, both, git_parents=[one.id])
    ((number, expected, found),) = told(archive)
    assert number == 3
    assert expected.startswith("the parents attempt.json names: ")
    assert found == f"git parents {one.id[:12]}"


def test_a_parent_that_is_no_attempt_is_reported(archive: Archive) -> None:
    *_, none = family(archive)
    with Repository(archive.path).batch() as batch:
        stranger = batch.commit(batch.tree({"program.py": b"x"}), (), "stranger", 1)
    forge(archive, none, git_parents=[stranger], parents=[stranger])
    ((number, _, found),) = told(archive)
    assert (number, found) == (4, f"{stranger[:12]}, which is no attempt that can be read")


def test_a_parent_with_a_higher_number_is_reported(archive: Archive) -> None:
    _, one, _, both, _ = family(archive)
    forge(archive, one, inspirations=[both.id])
    assert (1, "parents and inspirations that came before", "attempt 3") in told(archive)


def test_a_lost_attempt_is_a_gap_and_its_children_say_so(archive: Archive) -> None:
    _, one, *_ = family(archive)
    git(archive.path, "update-ref", "-d", "refs/attempts/000001")
    report = verify(Archive.open(archive.path))
    assert report.gaps == (1,)
    assert {(entry.number, entry.found[:12]) for entry in report.mismatches} == {(3, one.id[:12]), (4, one.id[:12])}


@pytest.mark.parametrize("name", ["program.py", "reply.md", "attempt.json"])
def test_a_damaged_object_is_reported_and_the_rest_checked(archive: Archive, name: str) -> None:
    _, _, _, both, _ = family(archive)
    object_id = git(archive.path, "rev-parse", f"{both.id}:{name}").strip()
    path = archive.path / "objects" / object_id[:2] / object_id[2:]
    path.unlink()
    path.write_bytes(b"")
    report = verify(Archive.open(archive.path))
    assert not report.ok
    assert report.checked == (4 if name == "attempt.json" else 5)
    assert any(object_id in one.found for one in report.mismatches), "git fsck names the object"
    whose = "refs/attempts/000003" if name == "attempt.json" else f"{name} of {both.id[:12]}"
    assert any(whose in one.found for one in report.mismatches)


def test_a_judged_failure_is_checked_like_a_success(archive: Archive) -> None:
    seed = archive.append(seed_attempt(archive))
    archive.append(changing(archive, 1, [seed.id], "ROUNDS = 4", "ROUNDS = 7", verdict=REJECTED))
    archive.append(raw(2, seed.id, reply="no patch", source="made up"))
    assert [number for number, *_ in told(archive)] == [2, 2]
