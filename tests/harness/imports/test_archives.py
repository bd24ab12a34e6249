"""Archives that the frameworks' own packages wrote (see tests/data/imports) are read with lineage and claims."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import get_args

from harness.cli.commands.import_ import Framework
from harness.imports import IMPORTERS, ForeignArchive, read_archive

DATA = Path(__file__).resolve().parents[2] / "data" / "imports"


def numbered(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def lineage(archive: ForeignArchive) -> dict[str, list[str]]:
    """The parents of each program, by the short form of their ids."""
    return {one.id[-6:].lstrip("0"): [id_[-6:].lstrip("0") for id_ in one.parents] for one in archive.programs}


def test_the_command_names_every_importer() -> None:
    [choices, _] = get_args(Framework)
    assert set(get_args(choices)) == set(IMPORTERS)


def test_openevolve_takes_all_checkpoints_together() -> None:
    archive = read_archive("openevolve", DATA / "openevolve")
    *chain, migrant = archive.programs
    assert [program.id for program in chain[:3]] == [numbered(1), numbered(2), numbered(3)]
    by_id = {program.id: program for program in archive.programs}
    assert by_id[numbered(5)].parents == (numbered(4),) and by_id[numbered(4)].parents == (numbered(3),)
    assert by_id[numbered(3)].parents == by_id[numbered(2)].parents == (numbered(1),)
    assert chain[0].parents == () and chain[0].name == "initial program"
    copy = next(program for program in archive.programs if program.id.startswith("6c8a1c61"))
    assert copy.parents == (numbered(4),) and copy.source == by_id[numbered(4)].source
    assert by_id[numbered(5)].scores == {"combined_score": 0.72, "speed_score": 1.0}
    assert (by_id[numbered(3)].name, by_id[numbered(3)].model) == ("Change 1: sort more", "some-model")
    assert migrant.notes == () and archive.notes == ()


def test_a_single_checkpoint_lacks_what_the_population_dropped() -> None:
    last = read_archive("openevolve", DATA / "openevolve" / "checkpoints" / "checkpoint_4")
    orphan = next(program for program in last.programs if program.id == numbered(4))
    assert orphan.parents == () and orphan.notes == (f"its parent '{numbered(3)}' is not in the archive",)


def test_skydiscover_records_what_a_prompt_showed() -> None:
    archive = read_archive("skydiscover", DATA / "skydiscover")
    assert lineage(archive) == {"1": [], "2": ["1"], "3": ["1"]}
    assert archive.programs[2].inspirations == (numbered(2),)
    assert archive.programs[1].scores == {"combined_score": 0.55}


def test_shinka_is_read_and_nothing_is_written_beside_it(tmp_path: Path) -> None:
    results = Path(shutil.copytree(DATA / "shinka", tmp_path / "results"))
    archive = read_archive("shinka", results)
    assert lineage(archive) == {"1": [], "2": ["1"], "3": ["2"], "4": ["3"]}
    third, fourth = archive.programs[2:]
    # The parent shows in every prompt, so that it is no inspiration besides.
    assert third.inspirations == (numbered(1),) and fourth.inspirations == (numbered(2),)
    assert (third.name, third.description, third.model) == ("by_turns", "What by_turns does.", "some-model")
    assert third.scores == {"combined_score": 0.7, "balance": 0.35}
    assert fourth.notes == ("ShinkaEvolve took it for incorrect",)
    assert [path.name for path in results.iterdir()] == ["programs.sqlite"]
    assert read_archive("shinka", results / "programs.sqlite") == archive


def test_gepa_is_read_from_its_exported_result() -> None:
    for path in (DATA / "gepa", DATA / "gepa" / "result.json"):
        archive = read_archive("gepa", path)
        assert {program.id: program.parents for program in archive.programs} == {
            "candidate_0": (),
            "candidate_1": ("candidate_0",),
            "candidate_2": ("candidate_1",),
            "candidate_3": ("candidate_2",),
        }
        assert [program.scores["val_aggregate_score"] for program in archive.programs] == [0.5, 0.6, 0.7, 0.75]


def test_gepa_is_read_from_the_json_files_of_a_run() -> None:
    exported, archive = read_archive("gepa", DATA / "gepa"), read_archive("gepa", DATA / "gepa_run")
    assert [(one.id, one.source, one.parents) for one in archive.programs] == [
        (one.id, one.source, one.parents) for one in exported.programs
    ]
    assert not any(program.scores for program in archive.programs) and "no scores" in archive.notes[0]


def test_a_merge_of_gepa_has_two_parents(tmp_path: Path) -> None:
    (tmp_path / "candidates.json").write_text(json.dumps([{"p": f"x = {number}"} for number in range(5)]))
    (tmp_path / "run_log.json").write_text(
        json.dumps(
            [
                {"new_program_idx": 1, "selected_program_candidate": 0, "tasks": [{"parent_idx": 0}]},
                {"new_program_idx": 2, "selected_program_candidate": 0},
                {"new_program_idx": 3, "merged_entities": [1, 2, 0]},
                {
                    "new_program_idx": 4,
                    "selected_program_candidate": 0,
                    "tasks": [{"parent_idx": 0}, {"parent_idx": 1}],
                },
            ]
        )
    )
    programs = read_archive("gepa", tmp_path).programs
    assert [program.parents for program in programs[1:4]] == [
        ("candidate_0",),
        ("candidate_0",),
        ("candidate_1", "candidate_2"),
    ]
    last = next(program for program in programs if program.id == "candidate_4")
    assert last.parents == () and "does not say" in last.notes[0]


def test_generations_of_shinka_find_their_parents_by_text(tmp_path: Path) -> None:
    def generation(number: int, source: str, original: str | None, reply: str = "", score: float | None = None) -> None:
        folder = tmp_path / f"gen_{number}"
        (folder / "results").mkdir(parents=True)
        (folder / "main.py").write_text(source)
        if original is not None:
            (folder / "original.py").write_text(original)
            (folder / "search_replace.txt").write_text(reply)
        if score is not None:
            record = {"combined_score": score, "public": {"speed": 2}, "private": {}}
            (folder / "results" / "metrics.json").write_text(json.dumps(record))

    generation(0, "x = 0  \n\n", None, score=0.5)
    generation(1, "x = 1\n", "x = 0", "<NAME>\nmore\n</NAME>\n<DESCRIPTION>\nAdds.\n</DESCRIPTION>")
    generation(2, "x = 2\n", "x = 1")
    generation(10, "x = 3\n", "x = 7")
    memory = {"unprocessed_programs": [{"generation": 2, "combined_score": 0.7, "public_metrics": {"text": "a"}}]}
    (tmp_path / "meta_memory.json").write_text(json.dumps(memory))
    archive = read_archive("shinka", tmp_path)
    assert lineage(archive) == {"gen_0": [], "gen_1": ["gen_0"], "gen_2": ["gen_1"], "gen_10": []}
    first, second, third, last = archive.programs
    assert (first.scores, third.scores) == ({"combined_score": 0.5, "speed": 2.0}, {"combined_score": 0.7})
    assert (second.name, second.description, second.scores) == ("more", "Adds.", {})
    assert "no earlier generation" in last.notes[0] and "no database" in archive.notes[0]
