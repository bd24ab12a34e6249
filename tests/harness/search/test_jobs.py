"""Jobs shared by several judges: which is next, and what becomes of one whose judge is lost or cannot time it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluator import JudgeLost, Rejected, Verdict
from evaluator import Progress as Judging
from harness.archive import Archive
from harness.readings.verify import verify
from harness.search import Progress, SearchSetup, search
from harness.search.budget import Budget
from harness.search.jobs import Job, JobQueue
from harness.select import Pareto, pick_front
from harness.types import Entry
from tests.harness.builders import PROGRAM, KnobJudge, scored
from tests.harness.search.test_search import archive_at, catalogue


def job(ticket: int, **more: Any) -> Job:
    return Job(ticket=ticket, name="x", source="", parent="", program_id="", **more)


def test_lost_jobs_come_first_then_duels_then_checked_then_new_ones_in_order() -> None:
    jobs = JobQueue()
    jobs.put(job(1), to_check=True)
    jobs.put(job(2))
    jobs.put(job(3))
    jobs.put(job(4, checked=True))
    jobs.put(job(5, verdict=scored(1.0, 1.0)))
    jobs.put(job(6, lost=("gone",)))
    taken = [jobs.take() for _ in range(6)]
    assert [each.ticket for each in taken if each] == [6, 5, 4, 2, 3, 1]


def test_checkers_take_new_jobs_only_and_all_end_when_it_closes() -> None:
    jobs = JobQueue()
    jobs.put(job(1, checked=True))
    jobs.put(job(2), to_check=True)
    taken = jobs.take(checks=True)
    assert taken is not None and taken.ticket == 2
    ended: list[Job | None] = []
    thread = threading.Thread(target=lambda: ended.append(jobs.take(checks=True)))
    thread.start()
    jobs.close()
    thread.join(10)
    assert ended == [None] and jobs.take() is None


class Losing(KnobJudge):
    """A judge that is lost when it gets its n-th program, each time it comes to that."""

    def __init__(self, at: int, *, for_good: bool = False, restarts: bool = True) -> None:
        super().__init__()
        self.at, self.for_good, self.restarts = at, for_good, restarts
        self.started = 1

    def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict:
        if len(self.sources) + 1 == self.at:
            self.sources.append(source)
            raise JudgeLost("the judge of core 7 was ended by signal 9", for_good=self.for_good)
        return super().evaluate(source, progress=progress)

    def arrive(self) -> None:
        pass

    def restart(self) -> None:
        if not self.restarts:
            raise JudgeLost("it does not start")
        self.started += 1


def run(archive: Archive, judges: list[Any], **more: Any) -> tuple[list[Entry], list[Progress]]:
    steps: list[Progress] = []
    setup = SearchSetup(
        judges=judges,
        proposer=catalogue(),
        selector=pick_front,
        objective=Pareto(),
        seed=5,
        budget=Budget(attempts=8),
        progress=steps.append,
        **more,
    )
    return list(search(archive, setup)), steps


def test_a_lost_judge_is_started_again_and_its_program_judged_once_more(tmp_path: Path) -> None:
    archive, judge = archive_at(tmp_path / "run"), Losing(3)
    entries, steps = run(archive, [judge])
    assert [entry.number for entry in entries] == list(range(9))
    again = [entry for entry in archive.entries if any("judged again" in each for each in entry.warnings)]
    assert [entry.number for entry in again] == [2] and judge.started == 2
    assert again[0].warnings[-1] == "judged again: the judge of core 7 was ended by signal 9"
    assert judge.sources[2] == judge.sources[3] == archive.source(again[0].id)
    lost = [step.reason for step in steps if step.phase == "lost"]
    assert len(lost) == 1 and "it is started again" in lost[0]
    assert verify(archive).ok


def test_a_judge_lost_for_good_is_retired_and_another_goes_on(tmp_path: Path) -> None:
    archive = archive_at(tmp_path / "run")
    judges = [Losing(1, for_good=True), Losing(2, restarts=False), KnobJudge()]
    entries, _ = run(archive, judges, in_flight=3)
    assert sorted(entry.number for entry in archive.entries) == list(range(9))
    assert len({entry.id for entry in entries}) == 9
    assert len(judges[0].sources) <= 1 and len(judges[1].sources) <= 2


@pytest.mark.parametrize(("failing", "starts", "told"), [(2, 3, ["again", "again"]), (9, 3, ["again", "again", "no"])])
def test_a_judge_lost_on_its_way_is_started_a_few_times(
    tmp_path: Path, failing: int, starts: int, told: list[str]
) -> None:
    class Late(KnobJudge):
        """Its first starts fail."""

        started = 0

        def arrive(self) -> None:
            self.started += 1
            if self.started <= failing:
                raise JudgeLost("judge 2 of the cluster is lost: its node ended")

        def restart(self) -> None:
            self.arrive()

    late = Late()
    with archive_at(tmp_path / "run") as archive:
        _, steps = run(archive, [KnobJudge(), late], in_flight=3)
        assert sorted(entry.number for entry in archive.entries) == list(range(9))
    lost = [step.reason for step in steps if step.phase == "lost"]
    assert late.started == starts
    assert ["again" if "it is started again" in each else "no" for each in lost] == told
    assert told[-1] == "again" or (lost[-1].endswith("its node ended; it takes no programs") and not late.sources)


def test_without_a_judge_left_the_search_ends_and_continues_later(tmp_path: Path) -> None:
    archive = archive_at(tmp_path / "run")
    with pytest.raises(JudgeLost, match="no judge is left"):
        run(archive, [Losing(3, for_good=True)])
    assert len(archive.entries) == 2 and len(archive.pending()) == 1
    archive.close()
    with Archive.open(tmp_path / "run") as again:
        run(again, [KnobJudge()])
        assert [entry.number for entry in again.entries] == list(range(9)) and not again.pending()


def test_a_program_that_loses_every_judge_ends_the_search(tmp_path: Path) -> None:
    class Deadly(Losing):
        def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict:
            if source != PROGRAM:
                raise JudgeLost("gone")
            return KnobJudge.evaluate(self, source, progress=progress)

    with pytest.raises(JudgeLost, match="3 judges in a row were lost while they judged it: gone; gone; gone"):
        run(archive_at(tmp_path / "run"), [Deadly(0), Deadly(0)])


class Checking:
    """Rejects what `refuses` says; `asked` are the programs it saw."""

    def __init__(self, refuses: Callable[[str], Rejected | None]) -> None:
        self.refuses, self.asked = refuses, list[str]()

    def check(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Rejected | None:
        self.asked.append(source)
        return self.refuses(source)


@pytest.mark.parametrize(("reason", "final"), [("answer", True), ("timeout", False)])
def test_a_checker_rejects_what_does_not_depend_on_its_hardware(tmp_path: Path, reason: str, final: bool) -> None:
    """A verdict of speed or memory on other hardware is not one."""
    refused = Rejected(stage="validate" if final else "run", reason=reason, detail="said the checker")
    judge, done = KnobJudge(), threading.Event()
    checker = Checking(lambda source: None if source == PROGRAM else refused)
    measure = judge.evaluate

    def slowly(source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict:
        done.wait(0.05)  # so that the checker is first
        return measure(source, progress=progress)

    judge.evaluate = slowly  # type: ignore[method-assign]
    archive = archive_at(tmp_path / "run")
    run(archive, [judge], checkers=[checker], in_flight=4)
    by_checker = [e for e in archive.entries if isinstance(e.verdict, Rejected) and e.verdict.detail == refused.detail]
    assert checker.asked
    assert bool(by_checker) is final
    if not final:
        assert set(checker.asked) <= set(judge.sources)


def test_one_verdict_is_archived_whichever_judge_gave_it(tmp_path: Path) -> None:
    archive = archive_at(tmp_path / "run")
    run(archive, [Losing(2), Losing(3), Losing(4)], in_flight=4)
    assert len({entry.ticket_number for entry in archive.entries}) == len(archive.entries) == 9
    assert verify(archive).ok
