"""`check-task` on the task that `init --task new` writes, which passes, and on edits of it that break each clause.

Hosts are in threads of this process and programs are called in it, but where a clause is about processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from evaluator.contract import CLAUSES, Finding, check_task_file, clauses
from evaluator.contract.answering import Program
from evaluator.contract.corrupting import corrupted
from evaluator.task_file.process import LIMIT_S
from evaluator.task_file.starting import start
from evaluator.types import Answer, Call
from evaluator.worker_handle import stop
from tests.evaluator.replay import answer_of, entry_of
from tests.evaluator.task_file.hosts import NEW, edited, in_thread
from tests.pages import ROOT, Page

ABOUT_PROCESSES = ("no torch",)


def here(source: str, entry_point: str, offered: tuple[str, ...], *, call_bytes: int, answer_bytes: int) -> Program:
    """Programs in this process."""
    function = entry_of(source, entry_point)

    def answer(call: Call, seed: int, what: str) -> Answer:
        try:
            return answer_of(function, call)
        except IndexError as error:
            raise stop("run", "raised", f"{what}: {error}") from None

    return answer


def check(source: str, folder: Path, *only: str, limit_s: float = LIMIT_S) -> Iterator[Finding]:
    path = folder / "task.py"
    path.write_text(source)
    for name in ("seed.py", "reference.py"):
        (folder / name).write_text((NEW / name).read_text())
    host = start if set(only) & set(ABOUT_PROCESSES) else in_thread
    return check_task_file(path, here, start=host, limit_s=limit_s, only=only)


def test_the_task_of_init_keeps_the_contract(tmp_path: Path) -> None:
    """Torch is imported in this process, so that clause is left to a process, in the test below and in the tutorial."""
    tried = [name for name in CLAUSES if name not in ABOUT_PROCESSES]
    found = list(check(edited(), tmp_path, *tried))
    assert [(finding.clause, finding.state, finding.advice) for finding in found] == [
        (name, "ok", "") for name in tried
    ]
    said = {finding.clause: finding.said for finding in found}
    assert "38 corrupted answers; refused: NaN in one place, an axis more" in said["refusals"]
    assert "lower: an element missing, its neighbour twice" in said["refusals"]
    assert said["ladder"].startswith("seed.py 0.7999") and "reference.py" in said["ladder"]


DURATIONS = "data=_durations(case.data.shape, rng))"
BROKEN = [
    ("import", ("TASK = ", "HOSTS = open('/etc/passwd').read()\nTASK = "), "opens a file (/etc/passwd)"),
    ("import", ("TASK = ", "print('ready')\nTASK = "), "line 145: prints"),
    ("members", ("version = 1 ", "version = 'one' "), "`version`: expected a whole number of at least 1, found 'one'"),
    ("seeds", ("np.random.default_rng(seed)", "np.random.default_rng()"), "`cases` gives something else"),
    ("draws", (DURATIONS, "data=case.data)"), "some have the data of another, or of the case"),
    ("draws", (DURATIONS, "data=_durations(case.data.shape, np.random.default_rng(1)))"), "a program can remember it"),
    ("alike", (DURATIONS, "data=_durations(case.data.shape, rng) + 900)"), "argument 1 tells them apart"),
    ("alike", (DURATIONS, "data=_durations(case.data.shape, rng).astype(np.int32))"), "int32 [24], int and int64 [24]"),
    ("reference", ('reference = "reference.py"', 'reference = "none.py"'), "no program none.py beside the task file"),
    (
        "reference",
        ("shape != (jobs,)", "shape == (jobs,)"),
        "a program's answer is refused: form: expected one",
    ),
    ("hard cases", ('[3, 1, 2], 1, "one machine"', '[3, 1, 2], 0, "no machine"'), "hard case one_machine (no machine)"),
    ("hard cases", ('plan_axes = ("job",)', 'plan_axes = ("job", "machine")'), "a plan has 1 axes"),
    (
        "room",
        ("return 8 * case.data.shape[1]", "return 4 * case.data.shape[1]"),
        "says 96 bytes, and 192 are needed",
    ),
    ("refusals", ("if outside.any():", "if outside.all() and False:"), "takes a corrupted answer: the least number of"),
    ("refusals", ('"form", f"expected one', '"", f"expected one'), "refused without a proper reason: ''"),
    (
        "refusals",
        ("float(_loads(case, step, plan).max())", "float(case.data[step].sum())"),
        "expected at least 3",
    ),
    ("quality", ("ceiling=1.0", "ceiling=0.5"), "is above its ceiling 0.5"),
    ("quality", ('"idle": idle', '"busy": idle'), "`score` lacks the metrics idle"),
    (
        "quality",
        ("return _bound(case, step) / float(_loads(case, step, plan).max())", "return 1 / (1 + plan.sum())"),
        "exactly as good on other data",
    ),
    ("ladder", ('("seed.py", "reference.py")', '("reference.py", "seed.py")'), "do not score in that order"),
    ("ladder", ("ladder = Ladder(", "ladder = None and Ladder("), "`ladder` is None"),
    ("ladder", ("DAYS = 8", "DAYS = 1"), "the judge would reject honest programs by chance"),
    ("no torch", ("TASK = ", "import sys, types\nsys.modules['torch'] = types\nTASK = "), "has imported torch"),
]


@pytest.mark.parametrize(("clause", "change", "text"), BROKEN, ids=[f"{clause}: {text}" for clause, _, text in BROKEN])
def test_a_broken_task_is_refused_with_the_reason(
    clause: str, change: tuple[str, str], text: str, tmp_path: Path
) -> None:
    [finding] = check(edited(change), tmp_path, clause)
    assert (finding.clause, finding.state) == (clause, "FAILED")
    assert text in finding.said and finding.advice


def test_the_task_of_the_page_keeps_the_contract(tmp_path: Path) -> None:
    for name, text in Page(path=ROOT / "evaluator" / "tasks" / "README.md").files().items():
        (tmp_path / name).write_text(text)
    tried = tuple(name for name in CLAUSES if name not in ABOUT_PROCESSES)
    found = list(check_task_file(tmp_path / "boxes.py", here, start=in_thread, only=tried))
    assert [(finding.clause, finding.state) for finding in found] == [(name, "ok") for name in tried]


def test_an_import_that_computes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clauses, "IMPORT_S", 0.02)
    [finding] = check(edited(("TASK = ", "sum(range(10**7 * 3))\nTASK = ")), tmp_path, "import")
    assert "s of processor time, at most 0.02 are allowed" in finding.said


def test_every_clause_is_broken_once() -> None:
    assert {clause for clause, *_ in BROKEN} == set(CLAUSES) and len(CLAUSES) == 12


def test_what_cannot_be_loaded_is_not_tried_further(tmp_path: Path) -> None:
    states = [finding.state for finding in check("TASK = 1 / 0\n", tmp_path, "import", "members", "draws")]
    assert states == ["FAILED", "not tried", "not tried"]
    states = [finding.state for finding in check(edited(("version = 1", "version = 0")), tmp_path, "members", "draws")]
    assert states == ["FAILED", "not tried"]
    noisy = list(check(edited(("TASK = ", "print()\nTASK = ")), tmp_path, "import", "members", "draws"))
    assert [finding.state for finding in noisy] == ["FAILED", "ok", "ok"]
    slow = edited(("        rng = np.random.default_rng(seed)\n", "        import time\n        time.sleep(0.4)\n"))
    hanging = list(check(slow, tmp_path, "members", "seeds", "draws", "alike", limit_s=0.2))
    assert [finding.state for finding in hanging] == ["ok", "FAILED", "not tried", "not tried"]
    assert hanging[1].said == f"{tmp_path}/task.py: `cases` gave no result within 0.2 s: it hangs, or takes too long"
    without = edited(('reference = "reference.py"', 'reference = "none.py"'))
    assert [finding.state for finding in check(without, tmp_path, "members", "room")] == ["ok", "not tried"]


def test_a_fault_of_the_code_breaks_the_clause_that_meets_it(tmp_path: Path) -> None:
    [finding] = check(edited(("return _bound(case, step) / ", "return 1 / 0 * ")), tmp_path, "quality")
    assert finding.state == "FAILED" and "`step_quality`: ZeroDivisionError" in finding.said


def test_corrupted_answers_differ_from_the_valid_one() -> None:
    """Each changes form or content; those that have to be refused have a form that no valid answer has."""
    for answer in ((np.array([2, 0, 1]),), (np.array([[0.5, 1.0]]), np.array([3]))):
        made = list(corrupted(answer, np.random.default_rng(0)))
        assert len({change.name for change in made}) == len(made) > 15
        for change in made:
            same = len(change.answer) == len(answer) and all(
                one.dtype == other.dtype and np.array_equal(one, other) and one.shape == other.shape
                for one, other in zip(change.answer, answer, strict=True)
            )
            assert not same, change.name
        kept = [change for change in made if not change.must]
        assert all([array.shape for array in change.answer] == [array.shape for array in answer] for change in kept)
