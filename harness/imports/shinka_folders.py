"""Folders of generations of ShinkaEvolve, for results whose database is missing.

Owns: `gen_<number>` folders as shinka-evolve 0.0.7 (`shinka/edit/apply_diff.py`, `shinka/core/wrap_eval.py`) and
earlier versions write them. Does not know: the database, runs, how programs are judged.

A folder holds the program (`main.py`), its parent's text without trailing blanks (`original.py`), the model's reply
(`search_replace.txt` or `rewrite.txt`) and, unless somebody left them out, `results/metrics.json` and
`results/correct.json`. So the parent is the latest earlier generation with that text. `meta_memory.json` may hold the
whole records of the last generations, with scores and inspirations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.imports.files import numbered, read_object, read_program
from harness.imports.foreign import ForeignProgram, ImportProblem, Unordered, label, prose, scores_of, unique

_NAME = re.compile(r"<NAME>\s*(.*?)\s*</NAME>", re.DOTALL)
_DESCRIPTION = re.compile(r"<DESCRIPTION>\s*(.*?)\s*</DESCRIPTION>", re.DOTALL)
_MOST_REPLY_SHOWN = 200_000


def read(path: Path) -> Unordered:
    """The programs of a results folder. Raises ImportProblem."""
    folders = [(number, folder) for number, folder in numbered(path, "gen") if (folder / "main.py").is_file()]
    if not folders:
        raise ImportProblem(
            f"{path}: expected the database of ShinkaEvolve (programs.sqlite, in earlier versions "
            f"evolution_db.sqlite) or folders gen_<number> with main.py, found neither"
        )
    return Unordered(
        programs=unique(_programs(folders, _claims(path)), str(path)),
        notes=("there is no database: parents are found by their text, and scores where files hold them",),
    )


def _programs(folders: list[tuple[int, Path]], claims: Mapping[int, dict[str, float]]) -> Iterator[ForeignProgram]:
    by_text: dict[str, str] = {}
    for number, folder in folders:
        source = read_program(folder / "main.py")
        scores, notes = _scores(folder)
        parent, missing = _parent(folder, by_text)
        name, description = _titles(folder)
        yield ForeignProgram(
            id=f"gen_{number}",
            source=source,
            parents=parent,
            scores=scores or claims.get(number, {}),
            name=name or ("initial program" if number == 0 else ""),
            description=description,
            place=(float(number), 0.0),
            notes=(*notes, *missing),
        )
        by_text[_stripped(source)] = f"gen_{number}"


def _parent(folder: Path, by_text: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The id of the parent, and a note where no earlier generation has its text."""
    original = folder / "original.py"
    if not original.is_file():
        return (), ()
    found = by_text.get(_stripped(read_program(original)))
    return ((found,), ()) if found else ((), ("no earlier generation has the text of its parent",))


def _stripped(text: str) -> str:
    """The text without trailing blanks, as ShinkaEvolve stores a parent."""
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip()


def _scores(folder: Path) -> tuple[dict[str, float], tuple[str, ...]]:
    metrics, correct = folder / "results" / "metrics.json", folder / "results" / "correct.json"
    if not metrics.is_file():
        return {}, ()
    record = read_object(metrics, "metrics")
    own, odd = scores_of({"combined_score": record.get("combined_score")})
    scores, notes = scores_of(record.get("private"), record.get("public"))
    if correct.is_file() and not read_object(correct, "a verdict").get("correct", True):
        notes = (*notes, "ShinkaEvolve took it for incorrect")
    return {**own, **scores}, (*odd, *notes)


def _titles(folder: Path) -> tuple[str, str]:
    """Name and description in the model's reply; "" without one."""
    for reply in (folder / "search_replace.txt", folder / "rewrite.txt"):
        if reply.is_file():
            text = read_program(reply)[:_MOST_REPLY_SHOWN]
            name, description = _NAME.search(text), _DESCRIPTION.search(text)
            return label(name[1]) if name else "", prose(description[1]) if description else ""
    return "", ""


def _claims(path: Path) -> dict[int, dict[str, float]]:
    """Scores by generation, from the records in `meta_memory.json`."""
    memory = path / "meta_memory.json"
    if not memory.is_file():
        return {}
    records = read_object(memory, "ShinkaEvolve's memory").get("unprocessed_programs")
    claims = {}
    for record in records if isinstance(records, list) else ():
        if isinstance(record, dict) and type(record.get("generation")) is int:
            own, _ = scores_of({"combined_score": record.get("combined_score")})
            scores, _ = scores_of(record.get("public_metrics"))
            claims[record["generation"]] = {**own, **scores}
    return claims
