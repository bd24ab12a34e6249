"""The pool of judges, each in its own thread.

Owns: these threads, what they do (judge a program; if its score claims the champion's place, measure it against the
champion; if it beats the best program, measure it against that on held-out loads), how they are stopped, and what
becomes of a job whose judge is lost. Does not know: archives, proposals, models, where a judge works.

Verdicts and failures are put in a queue for the search's thread.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType

from evaluator.fate import Settled
from evaluator.splits import Split
from evaluator.types import Environment, JudgeLost, OtherFailed, Rejected, Scored, Verdict
from evaluator.types import Progress as Judging
from harness.fate import decided, settled
from harness.gate import GATE_LEVEL, Allowed, GatedStanding, next_step
from harness.search.events import Event, Judged, JudgeFailed, JudgeProgress
from harness.search.jobs import Job, JobQueue
from harness.search.judge import Checker, Judge, RacingJudge, Restartable, Stoppable
from harness.select import Claim, Standing, confirmation_level, needs_confirmation
from harness.types import Confirmation, Entry, Gate, HarnessError

_PATIENCE_S = 5.0
_MOST_LOST = 3
"""So often in a row judges are lost with one program before the search ends: it may be what ends them."""
_MOST_STARTS = 3
"""So often a judge that is lost before it takes a program is started before it is given up."""
_DEPENDS_ON_HARDWARE = frozenset({"timeout", "memory", "killed", "crashed", "exited"})
"""Reasons for which a program may be rejected on one kind of hardware and not on another."""


def same_machine(first: Environment, second: Environment) -> bool:
    """Whether run times taken in two environments are comparable, so that both may be in one run.

    A new kernel, another sandbox level, a busy machine or another GPU of one kind do not matter: see `Environment`.
    """
    return first.fingerprint == second.fingerprint


def owes(
    standing: GatedStanding,
    program_id: str,
    syntax_hash: str,
    verdict: Scored,
    confirmations: Sequence[Confirmation],
    gates: Sequence[Gate] | None,
) -> bool:
    """Whether a scored program has to be measured against the champion or the best program before it is archived."""
    if owes_duel(standing, program_id, syntax_hash, verdict, confirmations):
        return True
    facts = program_id, syntax_hash, verdict
    return gates is not None and next_step(standing, *facts, confirmations, gates) != "none"


def owes_duel(
    standing: Standing, program_id: str, syntax_hash: str, verdict: Scored, confirmations: Sequence[Confirmation]
) -> bool:
    """Whether a score claims the champion's place and has not been measured against that champion yet."""
    if not needs_confirmation(standing.claim(program_id, verdict, syntax_hash), verdict.score):
        return False
    assert standing.champion is not None
    return all(confirmation.against != standing.champion.id for confirmation in confirmations)


@dataclass(slots=True)
class _JudgeThread:
    judge: Judge | None
    checker: Checker | None = None
    thread: threading.Thread | None = None
    busy: bool = False
    retired: bool = False


class JudgePool:
    """The judges. `standing()` and `source(id)` are called in the judges' threads. `checkers` find invalid programs
    before a judge takes time for them.

    A job whose judge is lost is judged again, by whichever judge is free next; the judge is started again, or retired.
    """

    def __init__(
        self,
        judges: Sequence[Judge],
        checkers: Sequence[Checker],
        events: queue.SimpleQueue[Event],
        *,
        standing: Callable[[], GatedStanding],
        source: Callable[[str], str],
        clock: Callable[[], float],
    ) -> None:
        self._events, self._standing, self._source, self._clock = events, standing, source, clock
        self._jobs = JobQueue()
        self._threads = [_JudgeThread(judge) for judge in judges]
        self._threads += [_JudgeThread(None, checker) for checker in checkers]
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._archived = self._open = self._with_best = 0

    def count_duels(self, entries: Iterable[Entry], *, ours: bool) -> None:
        """Count the duels of further entries of the archive. Each duel of a run has its own number, and so its level;
        duels with a best program that does not lead are counted on their own, since the search must not show them.
        """
        for entry in entries:
            duels = len(entry.confirmations)
            with self._lock:
                self._archived += duels
                self._open -= duels if ours else 0
                self._with_best += 0 if ours else sum(gate.search is not None for gate in entry.gates or ())

    def submit(self, job: Job) -> None:
        """Queue a job: in the order of submission, confirmations first."""
        for number, worker in enumerate(self._threads, start=1):
            if worker.thread is None:
                worker.thread = threading.Thread(target=self._work, args=(worker,), name=f"judge {number}", daemon=True)
                worker.thread.start()
        checked = any(worker.checker is not None and not worker.retired for worker in self._threads)
        self._jobs.put(job, to_check=checked and job.is_new)

    def stop(self) -> None:
        """Stop the judges and their threads. A judge that does not stop within a few seconds is left running."""
        self._stopping.set()
        self._jobs.close()
        deadline_s = time.monotonic() + _PATIENCE_S
        for worker in self._threads:
            while worker.thread is not None and worker.thread.is_alive() and time.monotonic() < deadline_s:
                # Repeated, since the judge may have begun just after it was stopped.
                judge = worker.judge or worker.checker
                if worker.busy and isinstance(judge, Stoppable):
                    judge.stop()
                worker.thread.join(0.1)

    def _work(self, worker: _JudgeThread) -> None:
        """A judge's thread."""
        judge = worker.judge or worker.checker
        if isinstance(judge, Restartable):
            with _PassErrors(self._events):
                self._await(worker, judge, judge.arrive)
        while not worker.retired and (job := self._jobs.take(checks=worker.judge is None)) is not None:
            with _PassErrors(self._events):
                worker.busy = True
                try:
                    self._do(worker, job)
                except JudgeLost as lost:
                    self._lose(worker, job, lost)
                finally:
                    worker.busy = False

    def _do(self, worker: _JudgeThread, job: Job) -> None:
        if worker.judge is not None:
            self._events.put(self._judge(worker.judge, job))
            return
        assert worker.checker is not None
        begun = self._clock()
        refused = worker.checker.check(job.source, progress=self._saying(job))
        if refused is None or refused.reason in _DEPENDS_ON_HARDWARE:
            self._jobs.put(replace(job, checked=True))
            return
        seconds = max(0.0, self._clock() - begun)
        self._events.put(Judged(ticket=job.ticket, verdict=refused, seconds=seconds, lost=job.lost))

    def _lose(self, worker: _JudgeThread, job: Job, lost: JudgeLost) -> None:
        """Have a job judged again, and start its judge again or retire it. Raises JudgeLost if that is of no use."""
        if self._stopping.is_set():
            return
        reasons = (*job.lost, str(lost))
        if len(reasons) >= _MOST_LOST:
            raise JudgeLost(
                f"{job.name}: {len(reasons)} judges in a row were lost while they judged it: {'; '.join(reasons)}. "
                f"Everything so far is archived: the same command continues"
            )
        judge = worker.judge or worker.checker
        again = isinstance(judge, Restartable) and not lost.for_good
        then = "it is started again" if again else "it takes no further programs"
        told = f"{lost}; {then}, and {job.name or 'its program'} is judged again"
        self._events.put(JudgeProgress(ticket=job.ticket, name=job.name, lost=told))
        self._jobs.put(replace(job, lost=reasons))
        if not again:
            self._retire(worker, lost)
            return
        assert isinstance(judge, Restartable)
        self._await(worker, judge, judge.restart)

    def _await(self, worker: _JudgeThread, judge: Restartable, start: Callable[[], None]) -> None:
        """Wait for a judge. One that is lost on its way, as where its node ends, is started again a few times. Raises
        JudgeLost if it was the last that measures.
        """
        for left in reversed(range(_MOST_STARTS)):
            try:
                start()
            except JudgeLost as lost:
                if self._stopping.is_set():
                    return
                again = left > 0 and not lost.for_good
                then = "it is started again" if again else "it takes no programs"
                self._events.put(JudgeProgress(ticket=0, name="", lost=f"{lost}; {then}"))
                if not again:
                    self._retire(worker, lost)
                    return
                start = judge.restart
            else:
                return

    def _retire(self, worker: _JudgeThread, lost: JudgeLost) -> None:
        """Let a judge take no further jobs. Raises JudgeLost if it was the last that measures."""
        if self._stopping.is_set():
            return
        worker.retired = True
        if all(other.retired for other in self._threads if other.judge is not None):
            raise JudgeLost(f"no judge is left; the last one: {lost}. Everything so far is archived") from lost

    def _saying(self, job: Job) -> Callable[[Judging], None]:
        def say(step: Judging) -> None:
            self._events.put(JudgeProgress(ticket=job.ticket, name=job.name, step=step))

        return say

    def _judge(self, judge: Judge, job: Job) -> Judged:
        begun, say = self._clock(), self._saying(job)
        verdict = job.verdict or self._measure(judge, job, say)
        confirmations, gates = job.confirmations, job.gates
        if isinstance(verdict, Scored):
            standing = self._standing()
            _check_machine(standing, verdict)
            if owes_duel(standing, job.program_id, job.syntax_hash, verdict, confirmations):
                made = standing.claim(job.program_id, verdict, job.syntax_hash)
                outcome = self._confirm(judge, job, standing, made, say)
                if isinstance(outcome, Rejected):
                    verdict, confirmations = outcome, ()
                else:
                    confirmations = (*confirmations, outcome)
        if isinstance(verdict, Scored) and gates is not None:
            now = replace(job, verdict=verdict, confirmations=confirmations, gates=gates)
            gates = (*gates, *self._hold(judge, now, self._standing(), say))
        seconds = max(0.0, self._clock() - begun)
        return Judged(
            ticket=job.ticket,
            verdict=verdict,
            confirmations=confirmations,
            gates=gates,
            seconds=seconds,
            lost=job.lost,
        )

    def _measure(self, judge: Judge, job: Job, say: Callable[[Judging], None]) -> Verdict:
        """Judge a program, no longer than its fate is open if the judge can race."""
        if not isinstance(judge, RacingJudge):
            return judge.evaluate(job.source, progress=say)
        standing = self._standing()
        parent = next((entry for entry in standing.valid if entry.id == job.parent), None)
        return judge.race(job.source, partial(decided, standing, parent), progress=say)

    def _confirm(
        self, judge: Judge, job: Job, standing: Standing, made: Claim, say: Callable[[Judging], None]
    ) -> Confirmation | Rejected:
        champion = standing.champion
        assert champion is not None
        with self._lock:
            self._open += 1
            level = confirmation_level(self._archived + self._open)
        name, ends = f"the champion, attempt {champion.number}", partial(settled, standing, made)
        outcome = self._against(judge, job, champion, name, level, ends, say)
        if isinstance(outcome, Rejected):
            with self._lock:
                self._open -= 1
        return outcome

    def _hold(
        self, judge: Judge, job: Job, standing: GatedStanding, say: Callable[[Judging], None]
    ) -> tuple[Gate, ...]:
        """The measurement on held-out loads that a scored program owes, if any."""
        scored, best = job.verdict, standing.best
        assert scored is not None and job.gates is not None
        facts = job.program_id, job.syntax_hash, scored
        step, search = next_step(standing, *facts, job.confirmations, job.gates), None
        if step == "none" or best is None or best.scored is None:
            return ()
        name = f"the best program, attempt {best.number}"
        if step == "duel":
            with self._lock:
                self._with_best += 1
                level = confirmation_level(self._with_best)
            seen = standing.seen_from_best
            ends = partial(settled, seen, seen.claim(job.program_id, scored, job.syntax_hash))
            outcome = self._against(judge, job, best, name, level, ends, say)
            if isinstance(outcome, Rejected):
                return (Gate(against=best.id, rejection=_told(outcome)),)
            search = outcome
            if next_step(standing, *facts, (*job.confirmations, search), job.gates) != "gate":
                return (Gate(against=best.id, search=search),)

        def unnamed(step: Judging) -> None:
            say(replace(step, stage="held-out loads", case=""))

        allowed = Allowed.by(scored.score, best.scored.score)
        held = self._against(judge, job, best, name, GATE_LEVEL, allowed.told, unnamed, split="gate")
        if isinstance(held, Rejected):
            return (Gate(against=best.id, rejection=_told(held), search=search),)
        return (Gate(against=best.id, duel=held.duel, failure=held.failure, search=search),)

    def _against(
        self,
        judge: Judge,
        job: Job,
        other: Entry,
        name: str,
        level: float,
        ends: Settled,
        say: Callable[[Judging], None],
        split: Split = "search",
    ) -> Confirmation | Rejected:
        """Measure a program against an attempt, until `ends` says that it is enough."""
        try:
            duel = judge.compare(
                job.source,
                self._source(other.id),
                level=level,
                other_name=name,
                settled=ends,
                progress=say,
                split=split,
            )
        except OtherFailed as error:
            return Confirmation(against=other.id, failure=str(error))
        return duel if isinstance(duel, Rejected) else Confirmation(against=other.id, duel=duel)


def _told(rejected: Rejected) -> str:
    return f"{rejected.stage}: {rejected.reason}: {rejected.detail}"


class _PassErrors:
    """Passes any exception to the search's thread, which raises it."""

    def __init__(self, events: queue.SimpleQueue[Event]) -> None:
        self._events = events

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None:
            self._events.put(JudgeFailed(error=error))
        return True


def _check_machine(standing: Standing, verdict: Scored) -> None:
    """Raises HarnessError where a score was taken in an environment that does not compare with the seed program's."""
    if standing.seed is None or standing.seed.scored is None:
        return
    mine, now = standing.seed.scored.environment, verdict.environment
    if not same_machine(mine, now):
        raise HarnessError(
            f"expected the environment in which this run began, found another (then and now): "
            f"{'; '.join(mine.differences(now))}. Run times taken in the two do not compare. Start a new run with "
            f"--run DIR, or undo the difference to continue; packsmith remeasure measures single attempts here"
        )
