"""Results of GEPA: a result exported as JSON, or the JSON files of a run's folder.

Owns: `GEPAResult.to_dict()` and the files `candidates.json` and `run_log.json` as gepa 0.1.4 (`gepa/core/result.py`,
`gepa/core/state.py`) writes them. Does not know: runs, how programs are judged.

The state of a run, `gepa_state.bin`, is a pickle: reading it would execute whatever its author put there, so it is
never read. The exported result has candidates, parents and scores; the folder's JSON files have candidates and, where
an iteration tried one candidate only, parents, but no scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.imports.files import listed, read_json, read_object
from harness.imports.foreign import (
    ForeignProgram,
    ImportProblem,
    Unordered,
    program_text,
    scores_of,
    shown,
    unique,
)

_STATE = "gepa_state.bin"
_EXPORT = (
    "export the result as JSON, in the Python that made it: "
    'json.dump(gepa.optimize(...).to_dict(), open("result.json", "w"), default=str), and import that file'
)
_SCORE = "val_aggregate_score"


def read(path: Path, component: str) -> Unordered:
    """The candidates of an exported result or of a run's folder. Raises ImportProblem."""
    if path.is_file():
        return _read_result(path, component)
    results = [file for file in listed(path, ".json") if file.name in ("result.json", "gepa_result.json")]
    if results:
        return _read_result(results[0], component)
    if (path / "candidates.json").is_file():
        return _read_folder(path, component)
    found = f"only {_STATE}, a pickle, which would run its author's code" if (path / _STATE).exists() else "neither"
    raise ImportProblem(f"{path}: expected a result of GEPA as JSON, or candidates.json, found {found}: {_EXPORT}")


def _read_result(path: Path, component: str) -> Unordered:
    if path.suffix in (".bin", ".pkl", ".pickle"):
        raise ImportProblem(f"{path}: a pickle, which would run its author's code: {_EXPORT}")
    result = read_object(path, "a result of GEPA")
    candidates = _candidates(result.get("candidates"), path)
    parents, totals = (_rows(result.get(key), len(candidates), f"{path}: {key}") for key in _KEYS[:2])
    details = result.get(_KEYS[2])
    per_objective = [None] * len(candidates) if details is None else _rows(details, len(candidates), f"{path}: scores")
    key = _component(candidates, component or _text_key(result), path)
    return Unordered(
        programs=unique(_from_result(candidates, key, parents, totals, per_objective, str(path)), str(path))
    )


_KEYS = ("parents", "val_aggregate_scores", "val_aggregate_subscores")


def _text_key(result: Mapping[str, Any]) -> str:
    key = result.get("_str_candidate_key")
    return key if isinstance(key, str) else ""


def _from_result(
    candidates: Sequence[Mapping[str, Any]],
    key: str,
    parents: Sequence[Any],
    totals: Sequence[Any],
    details: Sequence[Any],
    path: str,
) -> Iterator[ForeignProgram]:
    for at, candidate in enumerate(candidates):
        where = f"{path}: candidate {at}"
        scores, notes = scores_of(details[at])
        own, odd = scores_of({_SCORE: totals[at]})
        yield _program(candidate, key, at, _parent_ids(parents[at], where), {**own, **scores}, (*odd, *notes), where)


def _parent_ids(value: Any, where: str) -> tuple[str, ...]:
    """The ids of parents, given as a list of indices; None among them is no parent. Raises ImportProblem."""
    if not isinstance(value, list) or not all(index is None or type(index) is int for index in value):
        raise ImportProblem(f"{where}: expected a list of the parents' indices, found {shown(value)}")
    return tuple(dict.fromkeys(f"candidate_{index}" for index in value if index is not None))


def _read_folder(path: Path, component: str) -> Unordered:
    candidates = _candidates(read_json(path / "candidates.json", "GEPA's candidates"), path / "candidates.json")
    key = _component(candidates, component, path)
    log = path / "run_log.json"
    trace = read_json(log, "GEPA's log") if log.is_file() else []
    if not isinstance(trace, list):
        raise ImportProblem(f"{log}: expected a list of iterations, found {shown(trace)}")
    parents = _traced(trace)
    programs = []
    for at, candidate in enumerate(candidates):
        where = f"{path / 'candidates.json'}: candidate {at}"
        lost = () if at == 0 or at in parents else ("the log does not say which candidate it was made from",)
        programs.append(_program(candidate, key, at, parents.get(at, ()), {}, lost, where))
    note = f"there are no scores in these files ({_STATE}, a pickle, is never read): {_EXPORT}"
    return Unordered(programs=unique(programs, str(path)), notes=(note,))


def _traced(trace: Sequence[Any]) -> dict[int, tuple[str, ...]]:
    """The parents of candidates by index, from the iterations of a log, as far as it says."""
    parents: dict[int, tuple[str, ...]] = {}
    for iteration in trace:
        if not isinstance(iteration, dict):
            continue
        made = iteration.get("new_program_indices") or [iteration.get("new_program_idx")]
        merged, chosen = iteration.get("merged_entities"), iteration.get("selected_program_candidate")
        tasks = iteration.get("tasks")
        tried = [task.get("parent_idx") for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []
        if isinstance(merged, list) and len(merged) == 3:
            sources: list[Any] = merged[:2]
        elif all(index == chosen for index in tried):
            sources = [chosen]
        else:
            continue  # several parents were tried at once, and the log does not say which child is whose
        if all(type(index) is int for index in sources):
            ids = tuple(dict.fromkeys(f"candidate_{index}" for index in sources))
            parents |= {index: ids for index in made if type(index) is int} if isinstance(made, list) else {}
    return parents


def _candidates(value: Any, path: Path) -> list[dict[str, Any]]:
    if isinstance(value, list) and value and all(isinstance(item, dict) and item for item in value):
        return value
    raise ImportProblem(f"{path}: expected a list of candidates, each a mapping of components, found {shown(value)}")


def _rows(value: Any, count: int, where: str) -> list[Any]:
    if isinstance(value, list) and len(value) == count:
        return value
    raise ImportProblem(f"{where}: expected a list of {count} entries, one for each candidate, found {shown(value)}")


def _component(candidates: Sequence[Mapping[str, Any]], wanted: str, path: Path) -> str:
    """The name of the component that is the program. Raises ImportProblem unless there is exactly one such."""
    names = list(dict.fromkeys(name for candidate in candidates for name in candidate))
    if wanted in names:
        return wanted
    if not wanted and len(names) == 1:
        return names[0]
    found = ", ".join(map(shown, names[:10]))
    what = f"the component {shown(wanted)}" if wanted else "candidates of one component"
    raise ImportProblem(f"{path}: expected {what}, found {found}: name the program's with --component NAME")


def _program(
    candidate: Mapping[str, Any],
    key: str,
    at: int,
    parents: tuple[str, ...],
    scores: dict[str, float],
    notes: tuple[str, ...],
    where: str,
) -> ForeignProgram:
    return ForeignProgram(
        id=f"candidate_{at}",
        source=program_text(candidate.get(key), where),
        parents=parents,
        scores=scores,
        name="initial program" if at == 0 else "",
        place=(float(at), 0.0),
        notes=notes,
    )
