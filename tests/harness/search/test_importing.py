"""Programs of another framework's archive as a run: stored unjudged, or judged like any other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from evaluator import DEFAULT_TASK, TASKS, Rejected
from harness.archive import Archive
from harness.archive.records import record_from_bytes
from harness.readings.claims import claims
from harness.readings.lineage import lineage
from harness.readings.verify import verify
from harness.report import attempts, flat, jsonl, lineage_view
from harness.search import ImportedProgram, ImportProposer, SearchSetup, judge_imported, search, store_unjudged
from harness.search.budget import Budget
from harness.select import Pareto, pick_front, standing
from harness.types import Claimed, HarnessError, Imported, Unjudged
from tests.harness.archive.archives import git
from tests.harness.builders import PROGRAM, KnobJudge


def program(
    id_: str, score: float | None, *parents: str, rounds: int = 4, text: str = "", **more: object
) -> ImportedProgram:
    source = text or PROGRAM.replace("ROUNDS = 4", f"ROUNDS = {rounds}")
    scores = {} if score is None else {"combined_score": score}
    imported = Imported(
        claimed=Claimed(framework="openevolve", id=id_, scores=scores),
        name=f"program {id_}",
        description=f"What {id_} does.",
        warnings=("a note",) if id_ == "c" else (),
    )
    return ImportedProgram(source=source, imported=imported, parents=parents, model="some-model", **more)  # type: ignore[arg-type]


FAMILY = (
    program("a", 0.5),
    program("b", 0.6, "a", rounds=2),
    program("c", 0.7, "b", rounds=7),
    program("d", 0.7, "a", "b", rounds=6, inspirations=("c",)),
    program("e", None, rounds=3),
    program("f", 0.8, "d", text=PROGRAM.replace("ROUNDS = 4", "ROUNDS = 6  # six")),
)


def archive_at(path: Path) -> Archive:
    return Archive.create(path, seed_source=FAMILY[0].source, config={"task": "toy"}, imported=True)


def setup(judge: KnobJudge, archive: Archive, programs: Sequence[ImportedProgram] = FAMILY) -> SearchSetup:
    return SearchSetup(
        judges=[judge],
        proposer=ImportProposer(programs, archive.root_id),
        selector=pick_front,
        objective=Pareto(epsilon=1.0),
        budget=Budget(attempts=100),
        seed=5,
    )


def origins(archive: Archive) -> dict[str, list[str]]:
    """The parents of each program by their own ids; "root" for the root commit."""
    names = {entry.id: entry.claimed.id for entry in archive.entries if entry.claimed} | {archive.root_id: "root"}
    return {names[entry.id]: [names[parent] for parent in entry.parents] for entry in archive.entries}


LINEAGE = {"a": ["root"], "b": ["a"], "c": ["b"], "d": ["a", "b"], "e": ["root"], "f": ["d"]}


@pytest.fixture
def stored(tmp_path: Path) -> Archive:
    archive = archive_at(tmp_path / "run")
    store_unjudged(archive, FAMILY)
    return archive


class TestUnjudged:
    @pytest.mark.parametrize("cached", [True, False])
    def test_lineage_and_claims_are_read_again(self, stored: Archive, cached: bool) -> None:
        stored.close()
        with Archive.open(stored.path) as first:  # which writes the index file
            assert not first.damage
        with Archive.open(stored.path, cached=cached) as archive:
            assert origins(archive) == LINEAGE
            assert [entry.verdict for entry in archive.entries] == [Unjudged()] * 6
            assert [archive.source(entry.id) for entry in archive.entries] == [one.source for one in FAMILY]
            third, fourth = archive.entries[2:4]
            assert third.claimed == Claimed(framework="openevolve", id="c", scores={"combined_score": 0.7})
            assert (third.kind, third.name, third.model) == ("import", "program c", "some-model")
            assert third.warnings == ("a note",) and archive.entries[0].kind == "seed"
            assert fourth.inspirations == (third.id,)

    def test_git_shows_the_same(self, stored: Archive) -> None:
        parents = git(stored.path, "log", "-1", "--format=%P", "refs/attempts/000003").split()
        assert parents == [stored.entries[0].id, stored.entries[1].id]
        message = git(stored.path, "log", "-1", "--format=%B", "refs/attempts/000003")
        assert "Verdict: unjudged\nImported-from: openevolve d" in message
        assert json.loads(git(stored.path, "show", "seed:archive.json")) == {"format": 3}
        kept = json.loads(git(stored.path, "show", "refs/attempts/000003:attempt.json"))
        assert kept["verdict"] == {"unjudged": {}} and kept["claimed"]["id"] == "d"

    def test_it_is_verified(self, stored: Archive) -> None:
        assert verify(stored).ok

    def test_views_say_that_nothing_is_judged(self, stored: Archive) -> None:
        task, entry = TASKS[DEFAULT_TASK]({}), stored.entries[3]
        assert "not judged, claims combined_score 0.7" in attempts.row(entry, stored.find, 120).plain
        assert attempts.row(stored.entries[4], stored.find, 120).plain.endswith("not judged")
        record = jsonl.entry_record(entry, task=task, device="cpu")
        assert record["verdict"] == "unjudged" and record["quality"] is None and record["stage"] is None
        assert record["claimed"] == {"framework": "openevolve", "id": "d", "scores": {"combined_score": 0.7}}
        row = dict(zip(flat.columns(task), flat.flat_row(entry, stored.find), strict=True))
        assert row["verdict"] == "unjudged" and row["claimed"] == "openevolve: combined_score 0.7"
        line = lineage(entry, stored.find, stored.root_id)
        assert [step.entry.number for step in line.steps] == [0, 3] and line.gain is None
        assert next(lineage_view.chain_records(line, task))["bought"] is None
        result = standing(stored.entries, Pareto())
        assert result.seed is None and result.champion is None and result.front == ()

    def test_a_search_needs_scores(self, stored: Archive) -> None:
        with pytest.raises(HarnessError, match="imported without being judged, and a search needs scores"):
            list(search(stored, setup(KnobJudge(), stored)))
        with pytest.raises(HarnessError, match="an attempt never changes"):
            list(judge_imported(stored, setup(KnobJudge(), stored), FAMILY))

    def test_other_records_are_written_as_before(self, stored: Archive, tmp_path: Path) -> None:
        with Archive.create(tmp_path / "plain", seed_source=PROGRAM, config={"task": "toy"}) as plain:
            settings = replace(setup(KnobJudge(), plain, FAMILY[:1]), budget=Budget(attempts=1))
            [entry] = search(plain, settings)
            kept = git(plain.path, "show", f"{entry.id}:attempt.json")
            assert "claimed" not in json.loads(kept) and record_from_bytes(kept.encode()).claimed is None
            assert json.loads(git(plain.path, "show", "seed:archive.json")) == {"format": 2}


class TestJudged:
    def test_every_distinct_program_is_judged_once_after_its_parents(self, tmp_path: Path) -> None:
        judge, archive = KnobJudge(), archive_at(tmp_path / "run")
        entries = list(judge_imported(archive, setup(judge, archive), FAMILY))
        assert origins(archive) == LINEAGE and [entry.number for entry in entries] == list(range(6))
        assert len(judge.sources) == 5 and entries[5].same_as == entries[3].id
        assert isinstance(entries[2].verdict, Rejected) and entries[0].kind == "seed"
        assert entries[3].claimed is not None and entries[3].inspirations == (entries[2].id,)
        assert verify(archive).ok and not archive.pending()
        result = standing(archive.entries, Pareto(epsilon=1.0))
        assert result.champion is not None and result.champion.number == 1 and result.champion.confirmations

    def test_it_continues_after_an_interruption(self, tmp_path: Path) -> None:
        judge = KnobJudge()
        archive = archive_at(tmp_path / "run")
        with archive, closing(judge_imported(archive, setup(judge, archive), FAMILY)) as going:
            assert [next(going).number for _ in range(3)] == [0, 1, 2]
        with Archive.open(tmp_path / "run") as archive:
            rest = list(judge_imported(archive, setup(judge, archive), FAMILY))
            assert origins(archive) == LINEAGE and len(archive.entries) == 6 and len(rest) <= 3
            assert list(judge_imported(archive, setup(judge, archive), FAMILY)) == []
        assert len(set(judge.sources)) == 5

    def test_the_others_are_judged_if_the_first_is_rejected(self, tmp_path: Path) -> None:
        programs = (program("a", 0.5, rounds=7), program("b", 0.6, "a", rounds=2))
        archive = Archive.create(tmp_path / "run", seed_source=programs[0].source, config={}, imported=True)
        first, second = judge_imported(archive, setup(KnobJudge(), archive, programs), programs)
        assert isinstance(first.verdict, Rejected) and second.scored is not None
        assert standing(archive.entries, Pareto()).champion is None

    def test_a_run_that_a_search_made_takes_no_imports(self, tmp_path: Path) -> None:
        with Archive.create(tmp_path / "run", seed_source=FAMILY[0].source, config={}) as archive:
            with pytest.raises(HarnessError, match="expected a run that an import made"):
                list(judge_imported(archive, setup(KnobJudge(), archive), FAMILY))
            assert not archive.entries

    def test_claims_stand_beside_what_was_measured(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        list(judge_imported(archive, setup(KnobJudge(), archive), FAMILY))
        found = claims(archive.entries, archive.find)
        results = {pair.child.number: pair.result for pair in found.pairs}
        # 1 is faster and worse, 2 is rejected, 3 better and slower; 5 is the program of 3 again.
        assert results == {1: "trade", 2: "refuted", 3: "trade", 5: "undecided"}
        assert found.quality.programs == found.speed.programs == 3
