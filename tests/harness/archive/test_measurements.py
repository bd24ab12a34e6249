"""Measurements as git notes: written through plumbing, read by plain git, by several writers, and when damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluator.types import Interval, Scored, Verdict
from harness.archive import ArchiveError
from harness.archive.measurements import NOTES, Measurements
from harness.git import Repository
from harness.git.notes import NotesError
from harness.types import HarnessError, Measurement
from tests.harness.archive import archives
from tests.harness.builders import ENVIRONMENT, REJECTED, scored
from tests.harness.qualities import judged


def measurement(when_s: int = 1_700_000_000, verdict: Verdict | None = None, seed: int = 7) -> Measurement:
    verdict = verdict or scored(0.5, 1.25)
    environment = verdict.environment if isinstance(verdict, Scored) else ENVIRONMENT
    return Measurement(verdict=verdict, when_s=when_s, seed=seed, environment=environment)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """An archive of five attempts, closed."""
    with archives.new(tmp_path / "run") as archive:
        archives.family(archive)
    return tmp_path / "run"


def commits(run: Path) -> list[str]:
    return archives.git(run, "for-each-ref", "--format=%(objectname)", "refs/attempts").split()


def notes(run: Path) -> Measurements:
    return Measurements(Repository(run))


def test_notes_are_read_back_oldest_first(run: Path) -> None:
    mine, other = commits(run)[:2]
    late, early = measurement(1_800_000_000), measurement(1_700_000_000, REJECTED, seed=8)
    for one in (late, early):
        notes(run).add(mine, one)
    notes(run).add(other, late)
    assert notes(run).on(mine).measurements == (early, late) and notes(run).on(mine).damage("attempt 0") == ""
    assert {commit: note.measurements for commit, note in notes(run).all()} == {mine: (early, late), other: (late,)}
    assert notes(run).on(commits(run)[3]).measurements == ()
    archives.fsck(run)


def test_plain_git_shows_a_note(run: Path) -> None:
    mine = commits(run)[1]
    notes(run).add(mine, measurement())
    line = archives.git(run, "notes", "--ref=measurements", "show", mine)
    assert line.count("\n") == 1
    record = json.loads(line)
    assert list(record)[:3] == ["when", "seed", "fingerprint"]
    assert record["fingerprint"] == ENVIRONMENT.fingerprint
    assert record["verdict"]["scored"]["score"]["cases"][0]["samples"]["candidate_us"] == [1000]
    assert line in archives.git(run, "log", "-1", "--notes=measurements", mine).replace("    ", "")
    assert archives.git(run, "notes", "--ref=measurements", "list").split()[1] == mine


@pytest.mark.parametrize("before", ["flat", "deep"])
def test_notes_that_git_itself_keeps_are_added_to_where_they_are(run: Path, before: str) -> None:
    mine, other = commits(run)[:2]
    line = archives.git(run, "version")
    if before == "flat":
        archives.git(run, *IDENTITY, "notes", "--ref=measurements", "add", "-m", line, mine)
    else:
        blob = _stored(run, line)
        tree = _tree(run, f"100644 blob {blob}\t{mine[4:]}")
        tree = _tree(run, f"040000 tree {tree}\t{mine[2:4]}")
        tree = _tree(run, f"040000 tree {tree}\t{mine[:2]}\n100644 blob {blob}\tREADME")
        commit = archives.git(run, *IDENTITY, "commit-tree", "-m", "notes", tree).strip()
        archives.git(run, "update-ref", NOTES, commit)
    for commit in (mine, other):
        notes(run).add(commit, measurement())
    found = notes(run).on(mine)
    assert found.measurements == (measurement(),)
    assert found.damage("attempt 0").startswith("1 line of the note on attempt 0 cannot be read: ")
    assert archives.git(run, "notes", "--ref=measurements", "show", mine).startswith(line)
    assert dict(notes(run).all())[other].measurements == (measurement(),)
    assert len(archives.git(run, "notes", "--ref=measurements", "list").splitlines()) == 2
    if before == "deep":
        assert "README" in archives.git(run, "ls-tree", NOTES)
    archives.fsck(run)


IDENTITY = ("-c", "user.name=somebody", "-c", "user.email=somebody@localhost")


def _stored(run: Path, text: str) -> str:
    path = run / "text"
    path.write_text(text)
    return archives.git(run, "hash-object", "-w", str(path)).strip()


def _tree(run: Path, rows: str) -> str:
    done = subprocess.run(["git", "mktree"], cwd=run, input=rows.encode(), capture_output=True, check=True)
    return done.stdout.decode().strip()


ADDING = """
import sys
from pathlib import Path
from harness.archive.measurements import Measurements
from harness.git import Repository
from tests.harness.archive.test_measurements import measurement
notes = Measurements(Repository(Path(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
for number in range(25):
    notes.add(sys.argv[2], measurement(int(sys.argv[3]) + number))
"""


@pytest.mark.slow
def test_several_writers_lose_no_note(run: Path, root: Path) -> None:
    mine, other = commits(run)[:2]
    wanted = ((mine, 100), (mine, 200), (other, 300))
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", ADDING, run, commit, str(first)],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for commit, first in wanted
    ]
    for writer in writers:
        assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
    for writer in writers:
        writer.communicate(b"\n", timeout=120)
        assert writer.returncode == 0
    found = {commit: [one.when_s for one in note.measurements] for commit, note in notes(run).all()}
    assert found == {mine: [*range(100, 125), *range(200, 225)], other: [*range(300, 325)]}
    assert archives.git(run, "rev-list", "--count", NOTES).strip() == "75"
    archives.fsck(run)


def test_notes_of_two_machines_are_joined_by_git(run: Path, tmp_path: Path) -> None:
    mine = commits(run)[1]
    notes(run).add(mine, measurement(100))
    there = tmp_path / "there"
    archives.git(tmp_path, "clone", "-q", "--mirror", str(run), str(there))
    notes(run).add(mine, measurement(200))
    notes(there).add(mine, measurement(300))
    archives.git(run, "fetch", "-q", str(there), f"{NOTES}:refs/notes/theirs")
    archives.git(
        run, *IDENTITY, "notes", "--ref=measurements", "merge", "-q", "-s", "cat_sort_uniq", "refs/notes/theirs"
    )
    assert [one.when_s for one in notes(run).on(mine).measurements] == [100, 200, 300]


def test_a_duplicate_line_is_one_measurement(run: Path) -> None:
    mine = commits(run)[1]
    notes(run).add(mine, measurement())
    line = archives.git(run, "notes", "--ref=measurements", "show", mine)
    archives.git(run, *IDENTITY, "notes", "--ref=measurements", "append", "-m", line, mine)
    assert notes(run).on(mine).measurements == (measurement(),)


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        (lambda line: line[: len(line) // 2], ""),
        (lambda line: "[" * 200_000, "nested too deep"),
        (lambda line: line.replace('"when":1700000000', '"when":1e9'), "when: expected int"),
        (lambda line: line.replace('"when":1700000000', f'"when":{10**30}'), "a time"),
        (lambda line: line.replace('"candidate_us":[1000]', f'"candidate_us":[{10**400}]'), "at most"),
        (lambda line: line.replace('"samples":{', '"samples":null,"x":{'), "x"),
        (lambda line: line.replace('"seed":7,', '"seed":7,"more":1,'), "more"),
        (lambda line: "null", "expected dict"),
    ],
)
def test_damaged_line_is_reported_and_hides_no_other(run: Path, spoilt: object, told: str, tmp_path: Path) -> None:
    mine = commits(run)[1]
    notes(run).add(mine, measurement())
    line = archives.git(run, "notes", "--ref=measurements", "show", mine)
    text = tmp_path / "note"
    text.write_text(f"\n{spoilt(line.strip())}\n{line}")  # type: ignore[operator]
    archives.git(run, *IDENTITY, "notes", "--ref=measurements", "add", "-f", "-F", str(text), mine)
    found = notes(run).on(mine)
    assert found.measurements == (measurement(),)
    damage = found.damage("attempt 1")
    assert damage.startswith("1 line of the note on attempt 1 cannot be read: ") and told in damage
    notes(run).add(mine, measurement(1_800_000_000))
    assert len(notes(run).on(mine).measurements) == 2 and notes(run).on(mine).unreadable == 1


def spoilt_score(**changes: object) -> Verdict:
    good = judged(scored(0.5, 1.25))
    return replace(good, score=replace(good.score, **changes))  # type: ignore[arg-type]


def spoilt_case(**changes: object) -> Verdict:
    case = judged(scored(0.5, 1.25)).score.cases[0]
    return spoilt_score(cases=(replace(case, **changes),))  # type: ignore[arg-type]


def spoilt_samples(**changes: object) -> Verdict:
    samples = judged(scored(0.5, 1.25)).score.cases[0].samples
    assert samples is not None
    return spoilt_case(samples=replace(samples, **changes))  # type: ignore[arg-type]


def test_qualities_of_calls_are_kept(run: Path) -> None:
    mine, noted = commits(run)[1], measurement(1, judged(scored(0.5, 1.25)))
    notes(run).add(mine, noted)
    assert notes(run).on(mine).measurements == (noted,) and notes(run).on(mine).problem == ""


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        (spoilt_score(gain=None), "or none of these, found some"),
        (spoilt_score(secret=""), "or none of these, found some"),
        (spoilt_score(pass_quality=None), "or none of these, found some"),
        (spoilt_case(gain=None), "or none of these, found some"),
        (spoilt_samples(candidate_quality=(), reference_quality=(), calls=()), "or none of these, found some"),
        (spoilt_samples(candidate_quality=(1e308,) * 6), "qualities of at most 1e+09, found 1e+308"),
        (spoilt_case(reference_quality=-1e300), "qualities of at most 1e+09, found 1e+300"),
        (spoilt_score(gain=Interval(median=0.0, low=-1e308, high=1e308)), "qualities of at most"),
    ],
)
def test_inconsistent_qualities_and_those_beyond_statistics_are_damage(run: Path, spoilt: Verdict, told: str) -> None:
    mine = commits(run)[1]
    notes(run).add(mine, measurement(1, spoilt))
    found = notes(run).on(mine)
    assert found.measurements == () and told in found.problem


def test_rejected_program_without_its_environment_and_uneven_rounds_are_damage(run: Path, tmp_path: Path) -> None:
    mine = commits(run)[1]
    good = scored(0.5, 1.25)
    case = good.score.cases[0]
    assert case.samples is not None
    uneven = replace(case, samples=replace(case.samples, candidate_us=(1, 1), reference_us=(1, 1), rounds=(1, 1)))
    notes(run).add(mine, measurement(1, replace(good, score=replace(good.score, cases=(case, uneven)))))
    notes(run).add(mine, measurement(2, REJECTED))
    text = tmp_path / "note"
    kept = archives.git(run, "notes", "--ref=measurements", "show", mine).splitlines()
    assert '"environment":{"device"' in kept[1]
    begin = kept[1].index(',"environment"')
    text.write_text(f"{kept[0]}\n{kept[1][:begin]}}}\n")
    archives.git(run, *IDENTITY, "notes", "--ref=measurements", "add", "-f", "-F", str(text), mine)
    found = notes(run).on(mine)
    assert found.measurements == () and found.unreadable == 2
    assert found.damage("attempt 1").startswith("2 lines of the note on attempt 1 cannot be read: expected ")


def test_torn_ref_and_missing_object_are_reported(run: Path) -> None:
    mine, other = commits(run)[:2]
    notes(run).add(mine, measurement())
    notes(run).add(other, measurement(1_800_000_000))
    path = run / NOTES
    tip = path.read_text()
    blob = archives.git(run, "notes", "--ref=measurements", "list", mine).strip()
    (run / "objects" / blob[:2] / blob[2:]).unlink()
    assert notes(run).on(mine).damage("attempt 0") == (
        f"the note on attempt 0 cannot be read: {blob[:12]} is missing or torn"
    )
    assert {commit: len(note.measurements) for commit, note in notes(run).all()} == {mine: 0, other: 1}
    with pytest.raises(NotesError, match="the note to add to is missing or torn"):
        notes(run).add(mine, measurement())
    path.write_text("")
    assert "is torn: it holds no commit id" in notes(run).on(mine).problem
    for refused in (lambda: notes(run).add(mine, measurement()), lambda: notes(run).begin()):
        with pytest.raises(HarnessError, match="is torn"):
            refused()
    assert not path.with_name(path.name + ".lock").exists()
    path.write_text(f"{commits(run)[0][:-4]}0000\n")
    assert "a folder of refs/notes/measurements is missing or torn" in notes(run).on(mine).problem
    path.write_text(tip)
    assert len(notes(run).on(other).measurements) == 1


def test_folder_that_cannot_be_written_says_what_is_safe(run: Path) -> None:
    repository = Repository(run)
    repository.begin_writing()
    (run / "refs/notes").write_text("in the way")
    with pytest.raises(ArchiveError, match="all earlier measurements are safe"):
        Measurements(repository).add(commits(run)[0], measurement())
    repository.close()
    (run / "packsmith.lock").unlink()
    (run / "packsmith.lock").mkdir()
    with pytest.raises(ArchiveError, match="all earlier measurements are safe"):
        notes(run).begin()


def test_lock_of_a_dead_writer_is_cleared(run: Path) -> None:
    mine = commits(run)[0]
    for when_s in (100, 200):
        repository = Repository(run)
        Measurements(repository).add(mine, measurement(when_s))
        repository.close()
        (run / f"{NOTES}.lock").touch()
    assert len(notes(run).on(mine).measurements) == 2


@pytest.mark.slow
@settings(max_examples=24, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.text("0123456789abcdef", min_size=40, max_size=40), min_size=1, max_size=8))
def test_any_commits_have_their_own_notes(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    """Notes of names with a common prefix share folders, and git finds each."""
    path = tmp_path_factory.mktemp("notes") / "run"
    with archives.new(path) as archive:
        root = archive.root_id
    near = [name[:2] + root[2:4] + name[4:] for name in names]
    mine = notes(path)
    for number, name in enumerate([*names, *near]):
        mine.add(name, measurement(number))
    listed = archives.git(path, "notes", "--ref=measurements", "list").split()[1::2]
    assert sorted(listed) == sorted({*names, *near})
    assert {one.when_s for name in {*names, *near} for one in mine.on(name).measurements} == set(range(2 * len(names)))
