"""The archive on real git: what it stores, how it is found again, and its errors."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from evaluator.types import Rejected
from harness.archive import Archive, ArchiveError
from harness.archive.commits import Archived
from harness.archive.message import one_line
from harness.types import Candidate, Proposal
from tests.harness.archive.archives import (
    CONFIG,
    changing,
    family,
    fsck,
    git,
    new,
    open_or_create,
    raw,
    refused,
    seed_attempt,
)
from tests.harness.builders import PROGRAM, REJECTED, scored
from tests.harness.qualities import judged


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return new(tmp_path / "run")


def loose(archive: Archive, name: str) -> Path:
    object_id = git(archive.path, "rev-parse", name).strip()
    return archive.path / "objects" / object_id[:2] / object_id[2:]


def tear(path: Path, data: bytes = b"") -> None:
    path.unlink()
    path.write_bytes(data)


class TestWhatIsStored:
    def test_the_root_holds_the_seed_and_the_config(self, archive: Archive) -> None:
        assert archive.entries == ()
        assert archive.next_number == 0
        assert archive.config == CONFIG
        assert archive.source(archive.root_id) == PROGRAM
        assert git(archive.path, "show", "seed:program.py") == PROGRAM
        assert json.loads(git(archive.path, "show", "seed:archive.json")) == {"format": 2}
        assert "name: größer" in git(archive.path, "show", "seed:config.yaml")
        assert git(archive.path, "symbolic-ref", "HEAD") == "refs/heads/best\n"
        assert fsck(archive.path) == ""

    def test_entries_come_back_as_they_were_appended(self, archive: Archive) -> None:
        made = family(archive)
        again = Archive.open(archive.path)
        assert again.entries == archive.entries == tuple(made)
        assert again.damage == ()
        assert (again.root_id, again.config, again.next_number) == (archive.root_id, CONFIG, 5)
        for entry in made:
            assert again.source(entry.id) == archive.source(entry.id)
            assert again.reply(entry.id) == archive.reply(entry.id)
        assert fsck(archive.path) == ""

    def test_an_entry_holds_what_the_attempt_did(self, archive: Archive) -> None:
        seed = archive.append(seed_attempt(archive))
        attempt = changing(archive, 1, [seed.id], "ROUNDS = 4", "ROUNDS = 6", name="more rounds")
        attempt = dataclasses.replace(
            attempt, proposal=dataclasses.replace(attempt.proposal, inspirations=(seed.id, archive.root_id))
        )
        entry = archive.append(attempt)
        assert (entry.number, entry.kind, entry.name, entry.description) == (1, "patch", "more rounds", "A change.")
        assert (entry.parents, entry.inspirations) == ((seed.id,), (seed.id, archive.root_id))
        assert (entry.proposer, entry.model, entry.usd, entry.tokens, entry.seconds) == ("test", "toy-1", 0.01, 5, 0.5)
        assert (entry.tiers, entry.verdict) == (("exact",), attempt.verdict)
        assert archive.reply(entry.id) == attempt.proposal.reply
        assert attempt.candidate is not None
        assert archive.source(entry.id) == attempt.candidate.source

    def test_an_attempt_without_a_program_keeps_its_parents(self, archive: Archive) -> None:
        *_, none = family(archive)
        assert none.program_id == archive.program_id(none.parents[0])
        assert isinstance(none.verdict, Rejected)
        assert none.verdict.stage == "patch"
        assert git(archive.path, "log", "-1", "--format=%s", none.id) == "(no program) attempt 4\n"

    def test_equal_programs_have_equal_ids(self, archive: Archive) -> None:
        seed = archive.append(seed_attempt(archive))
        assert seed.program_id == archive.program_id(archive.root_id) == archive.program_id(seed.id)

    def test_several_archives_stand_side_by_side(self, tmp_path: Path) -> None:
        one, two = new(tmp_path / "deep" / "one"), new(tmp_path / "deep" / "two")
        family(one)
        assert two.entries == ()


class TestPlainGit:
    def test_a_crossover_is_a_merge(self, archive: Archive) -> None:
        seed, one, two, both, _ = family(archive)
        parents = git(archive.path, "log", "--format=%H %P", "-1", both.id).split()
        assert parents == [both.id, one.id, two.id]
        assert git(archive.path, "merge-base", one.id, two.id).strip() == seed.id
        assert "|\\" in git(archive.path, "log", "--graph", "--format=%h %s %(trailers)", "--all")

    def test_trailers_show_the_score(self, archive: Archive) -> None:
        seed, *_, none = family(archive)
        assert git(archive.path, "log", "-1", "--format=%(trailers)", seed.id).splitlines()[:6] == [
            "Attempt: 0",
            "Kind: seed",
            "Verdict: scored",
            "Toy: 0.5000 (toy, ceiling 1.0000)",
            "Runtime-ms: 10",
            "Speedup: 1 [0.98, 1.02]",
        ]
        new = archive.append(dataclasses.replace(raw(9, seed.id), verdict=judged(scored(0.5, 2.0))))
        assert new.scored is not None
        low, high = new.scored.score.quality_interval.low, new.scored.score.quality_interval.high
        [value] = git(archive.path, "log", "-1", "--format=%(trailers:key=Toy,valueonly)", new.id).split("\n")[:1]
        assert value == f"{new.scored.score.quality.value:.4f} [{low:.4f}, {high:.4f}] (toy, ceiling 1.0000)"
        trailers = git(archive.path, "log", "-1", "--format=%(trailers:key=Rejected,valueonly)", none.id)
        assert trailers.strip() == "patch: malformed"

    def test_show_gives_the_change(self, archive: Archive) -> None:
        _, one, *_ = family(archive)
        shown = git(archive.path, "show", one.id, "--", "program.py")
        assert "-ROUNDS = 4" in shown
        assert "+ROUNDS = 6" in shown

    def test_a_clone_checks_out_the_best(self, archive: Archive, tmp_path: Path) -> None:
        _, one, two, *_ = family(archive)
        git(tmp_path, "clone", "-q", str(archive.path), "before")
        assert (tmp_path / "before" / "program.py").read_text() == PROGRAM
        archive.point(one, [one, two])
        git(tmp_path, "clone", "-q", str(archive.path), "after")
        assert (tmp_path / "after" / "program.py").read_text() == archive.source(one.id)

    def test_a_mirror_is_an_archive(self, archive: Archive, tmp_path: Path) -> None:
        made = family(archive)
        git(tmp_path, "clone", "-q", "--mirror", str(archive.path), "mirror")
        mirror = Archive.open(tmp_path / "mirror")
        assert mirror.entries == tuple(made)
        added = mirror.append(changing(mirror, 5, [made[1].id], "SLACK = 0.5", "SLACK = 0.1"))
        assert Archive.open(tmp_path / "mirror").entries == (*made, added)

    def test_it_continues_after_the_user_packed_it(self, archive: Archive) -> None:
        made = family(archive)
        archive.point(made[1], made[1:3])
        archive.hold(9, Proposal(kind="patch", parents=(made[0].id,), reply="held", proposer="test"))
        git(archive.path, "gc", "-q", "--prune=now")
        git(archive.path, "pack-refs", "--all", "--prune")
        again = Archive.open(archive.path)
        assert again.entries == tuple(made)
        archive.close()
        assert [pending.ticket for pending in again.adopt()] == [9]
        added = again.append(dataclasses.replace(refused(again, 9, made[2].id), ticket=9))
        again.point(added, [made[2]])
        assert git(archive.path, "for-each-ref", "--format=%(refname)", "refs/elites", "refs/pending").split() == [
            "refs/elites/000002"
        ]
        assert Archive.open(archive.path).entries == (*made, added)
        assert fsck(archive.path) == ""


HOSTILE = {
    "nothing": "",
    "blanks": " \t\r\n\u2028 ",
    "a second line": "name\n\nAttempt: 99\nVerdict: scored",
    "a nul": "before\0after",
    "escapes": "\x1b[31mred\x1b]0;title\x07\u202eback\u200b",
    "a lone surrogate": "half \ud83d of a pair",
    "a line of dashes": "---\ndiff --git a/x b/x\n--- a/x\n+++ b/x",
    "trailers": "text\n\nAttempt: 77\nVerdict: scored\nSigned-off-by: Somebody <x@y>",
    "a comment": "# not a comment",
    "one word without end": "x" * 1_000_000,
    "lines without end": "word word\n" * 100_000,
    "paragraphs without end": "word\n\n" * 100_000,
}


class TestHostileTexts:
    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
    def test_texts_round_trip_and_cannot_forge_trailers(self, archive: Archive, text: str) -> None:
        attempt = raw(0, archive.root_id, name=text, description=text, reply=text, source=text)
        entry = archive.append(dataclasses.replace(attempt, verdict=REJECTED))
        again = Archive.open(archive.path)
        assert again.entries == (entry,)
        assert (entry.name, entry.description) == (text, text)
        assert again.reply(entry.id) == again.source(entry.id) == text
        raw_message = git(archive.path, "log", "-1", "--format=%B", entry.id)
        assert len(raw_message) < 10_000
        assert not any(ord(one) < 32 and one != "\n" for one in raw_message)
        assert git(archive.path, "log", "-1", "--format=%s", entry.id).strip()
        assert git(archive.path, "log", "-1", "--format=%(trailers)", entry.id).splitlines() == [
            "Attempt: 0",
            "Kind: patch",
            "Verdict: rejected",
            "Rejected: run: exception",
            "Proposer: test",
            "",
        ]
        assert fsck(archive.path) == ""

    def test_hostile_reasons_models_and_proposers_stay_on_their_line(self, archive: Archive) -> None:
        bad = "x\nAttempt: 9\n\n\0"
        proposal = Proposal(kind="patch", parents=(archive.root_id,), reply="", proposer=bad, model=bad)
        verdict = Rejected(stage="run", reason=bad, detail=bad)
        candidate = Candidate(name="n", description="", source="")
        attempt = dataclasses.replace(
            raw(0, archive.root_id), proposal=proposal, candidate=candidate, verdict=verdict, seconds=1.0
        )
        entry = archive.append(attempt)
        lines = git(archive.path, "log", "-1", "--format=%(trailers)", entry.id).splitlines()
        assert lines[3:6] == ["Rejected: run: x Attempt: 9", "Proposer: x Attempt: 9", "Model: x Attempt: 9"]
        assert Archive.open(archive.path).entries == (entry,)

    @pytest.mark.parametrize(("text", "limit", "line"), [("  a \n b ", 9, "a b"), ("abcdef", 4, "abc…"), ("\0", 3, "")])
    def test_one_line(self, text: str, limit: int, line: str) -> None:
        assert one_line(text, limit) == line


class TestFinding:
    def test_entries_are_found_by_number_id_and_name(self, archive: Archive) -> None:
        made = family(archive)
        archive.point(made[3], [])
        for entry in made:
            for ref in (entry.number, str(entry.number), entry.id, entry.id[:12], entry.id[:12].upper()):
                assert archive.entry(ref) == entry
        assert archive.entry("best") == made[3]
        assert archive.entry("seed") == made[0]

    def test_an_unknown_entry_is_an_error_that_says_what_exists(self, archive: Archive) -> None:
        with pytest.raises(ArchiveError, match="an archive without attempts"):
            archive.entry(3)
        with pytest.raises(ArchiveError, match="no best attempt yet"):
            archive.entry("best")
        made = family(archive)
        with pytest.raises(ArchiveError, match="found '99': numbers run from 0 to 4"):
            archive.entry(99)
        wrong = made[2].id[:10] + ("0" if made[2].id[10] != "0" else "1")
        with pytest.raises(ArchiveError, match=rf"nearest id is {made[2].id[:12]} \(attempt 2\)"):
            archive.entry(wrong)
        for absent in ("", "abc", "bset", archive.root_id, "-1"):
            with pytest.raises(ArchiveError, match="expected the number or the commit id"):
                archive.entry(absent)
        with pytest.raises(ArchiveError):
            archive.source("f" * 40)

    def test_an_ambiguous_id_lists_the_candidates(self, archive: Archive) -> None:
        seed = archive.append(seed_attempt(archive))
        other = dataclasses.replace(seed, id=seed.id[:8] + "f" * 32, number=7)
        archive._table.add(Archived(entry=other, git_parents=(), ticket=""))
        with pytest.raises(ArchiveError, match=r"which begins 2 ids: 0 \(.*, 7 \("):
            archive.entry(seed.id[:8])


class TestNumbers:
    def test_a_taken_number_gives_the_next_free_one(self, archive: Archive) -> None:
        other = Archive.open(archive.path)
        seed = archive.append(seed_attempt(archive))
        mine = archive.append(refused(archive, 1, seed.id))
        theirs = other.append(refused(other, 1, seed.id, reply="another"))
        assert (mine.number, theirs.number, other.next_number) == (1, 2, 3)
        assert archive.next_number == 2
        assert archive.refresh() == (theirs,)
        assert archive.entries == (seed, mine, theirs)
        assert archive.refresh() == ()
        assert json.loads(git(archive.path, "show", f"{theirs.id}:attempt.json"))["number"] == 2
        assert "Attempt: 2" in git(archive.path, "log", "-1", theirs.id)

    def test_a_number_locked_by_another_is_passed_over(self, archive: Archive) -> None:
        seed = archive.append(seed_attempt(archive))
        (archive.path / "refs/attempts/000001.lock").write_bytes(b"")
        assert archive.append(refused(archive, 1, seed.id)).number == 2

    def test_an_unknown_parent_is_refused_before_anything_is_written(self, archive: Archive) -> None:
        with pytest.raises(ArchiveError):
            archive.append(raw(0, "f" * 40))
        assert git(archive.path, "for-each-ref", "refs/attempts") == ""

    def test_a_parent_from_another_writer_is_known(self, archive: Archive) -> None:
        other = Archive.open(archive.path)
        seed = archive.append(seed_attempt(archive))
        assert other.append(refused(other, 1, seed.id)).parents == (seed.id,)


class TestPointing:
    def test_the_derived_refs_follow(self, archive: Archive) -> None:
        _, one, two, both, _ = family(archive)
        archive.point(one, [one, two])
        archive.point(both.id, [two.id, both.id])
        refs = git(archive.path, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/elites")
        assert refs.splitlines() == [
            f"refs/elites/000002 {two.id}",
            f"refs/elites/000003 {both.id}",
            f"refs/heads/best {both.id}",
            f"refs/heads/seed {archive.root_id}",
        ]
        archive.point(None, [])
        assert git(archive.path, "rev-parse", "best").strip() == archive.root_id

    def test_nothing_is_written_if_nothing_changes(self, archive: Archive) -> None:
        _, one, *_ = family(archive)
        archive.point(one, [one])
        before = (
            (archive.path / "refs/heads/best").stat().st_mtime_ns,
            (archive.path / "refs/elites").stat().st_mtime_ns,
        )
        archive.point(one, [one])
        assert before == (
            (archive.path / "refs/heads/best").stat().st_mtime_ns,
            (archive.path / "refs/elites").stat().st_mtime_ns,
        )


class TestMaking:
    def test_an_existing_archive_is_not_created_again(self, archive: Archive) -> None:
        with pytest.raises(ArchiveError, match="found an archive"):
            new(archive.path)
        again = Archive.open(archive.path)
        assert (again.root_id, again.config) == (archive.root_id, CONFIG)

    def test_an_empty_folder_is_used(self, tmp_path: Path) -> None:
        assert not Archive.exists(tmp_path)
        assert open_or_create(tmp_path).entries == ()
        assert Archive.exists(tmp_path)

    def test_a_folder_with_other_content_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("mine")
        with pytest.raises(ArchiveError, match="found other files"):
            new(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
        with pytest.raises(ArchiveError, match="found a file"):
            new(tmp_path / "thesis.txt")
        with pytest.raises(ArchiveError, match="could not write the seed program"):
            new(tmp_path / "thesis.txt" / "run")

    @pytest.mark.parametrize("lost", [[], ["refs"], ["refs", "HEAD"], ["refs", "HEAD", "config", "objects"]])
    def test_an_interrupted_creation_is_completed(self, archive: Archive, tmp_path: Path, lost: list[str]) -> None:
        (archive.path / "refs/heads/seed").unlink()
        (archive.path / "refs/heads/best.lock").write_bytes(b"")
        archive.close()
        for name in lost:
            (archive.path / name).rename(tmp_path / name)
        assert not Archive.exists(archive.path)
        with pytest.raises(ArchiveError, match="never finished"):
            Archive.open(archive.path)
        made = family(open_or_create(archive.path))
        assert Archive.open(archive.path).entries == tuple(made)
        assert fsck(archive.path) == ""


class TestOpening:
    def test_folders_that_are_no_archive_say_why(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        git(tmp_path, "init", "-q", "--bare", "empty")
        git(tmp_path, "init", "-q", "tree")
        for name, said in (
            ("absent", "no such folder"),
            ("file", "found a file"),
            (".", "found none"),
            ("empty", "it has no refs/heads/seed"),
            ("tree", "with a work tree"),
        ):
            with pytest.raises(ArchiveError, match=said):
                Archive.open(tmp_path / name)
        new(tmp_path / "mine")
        with pytest.raises(ArchiveError, match=r"found a folder of runs: name one, such as .*/mine$"):
            Archive.open(tmp_path)

    def test_another_git_repository_is_refused(self, tmp_path: Path) -> None:
        git(tmp_path, "init", "-q", "--bare", "foreign")
        path = tmp_path / "foreign"
        tree = git(path, "hash-object", "-t", "tree", "-w", "/dev/null").strip()
        author = ("-c", "user.name=x", "-c", "user.email=x@y")
        git(path, "update-ref", "refs/heads/seed", git(path, *author, "commit-tree", "-m", "hello", tree).strip())
        with pytest.raises(ArchiveError, match="found another git repository"):
            Archive.open(path)

    def test_a_later_format_is_refused(self, archive: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("FORMAT", "FORMAT_OF_BOTH"):
            monkeypatch.setattr(f"harness.archive.commits.{name}", 6)
        new_path = tmp_path / "later"
        made = new(new_path)
        made.close()
        monkeypatch.undo()
        with pytest.raises(ArchiveError, match="expected a run of format 1 to 5, found format 6"):
            Archive.open(new_path)

    @pytest.mark.parametrize("name", ["{0}", "{0}^{{tree}}", "{0}:attempt.json"])
    @pytest.mark.parametrize("data", [b"", b"x", None])
    def test_a_torn_attempt_hides_no_other(self, archive: Archive, name: str, data: bytes | None) -> None:
        made = family(archive)
        path = loose(archive, name.format(made[2].id))
        tear(path, path.read_bytes()[:-9] if data is None else data)
        again = Archive.open(archive.path)
        assert again.entries == (*made[:2], *made[3:])
        (damage,) = again.damage
        assert damage.startswith(f"refs/attempts/000002: commit {made[2].id[:12]}: ")
        with pytest.raises(ArchiveError, match="found '2': numbers run from 0 to 4"):
            again.entry(2)
        assert again.append(refused(again, 2, made[1].id)).number == 5

    def test_a_torn_ref_a_foreign_commit_and_a_wrong_number(self, archive: Archive) -> None:
        made = family(archive)
        (archive.path / "refs/attempts/000001").write_bytes(b"")
        git(archive.path, "update-ref", "refs/attempts/000007", archive.root_id)
        git(archive.path, "update-ref", "refs/attempts/000008", made[0].id)
        git(archive.path, "update-ref", "refs/attempts/000009", f"{made[0].id}^{{tree}}")
        again = Archive.open(archive.path)
        assert again.entries == (made[0], *made[2:])
        assert again.next_number == 10
        for damage, said in zip(
            again.damage,
            ("holds no commit id", "attempt.json is missing", "is attempt 0", "expected a commit"),
            strict=True,
        ):
            assert said in damage

    def test_a_torn_program_is_named_when_it_is_read(self, archive: Archive) -> None:
        _, one, *_ = family(archive)
        tear(loose(archive, f"{one.id}:program.py"))
        again = Archive.open(archive.path)
        assert again.damage == ()
        with pytest.raises(ArchiveError, match=rf"program.py of {one.id[:12]} is missing or torn"):
            again.source(one.id)

    def test_a_torn_root_is_an_error_that_says_so(self, archive: Archive) -> None:
        family(archive)
        tear(loose(archive, "seed:config.yaml"))
        with pytest.raises(ArchiveError, match=r"config\.yaml of the root commit is missing or torn"):
            Archive.open(archive.path)
        (archive.path / "refs/heads/seed").write_bytes(b"")
        with pytest.raises(ArchiveError, match=r"is torn\. The attempts are intact"):
            Archive.open(archive.path)
