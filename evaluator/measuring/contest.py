"""Measuring one program against another on the cases of a task.

Owns: what a scored call is: secret loads, both answers validated, the time and the quality of each; fresh processes
for each round. Does not know: statistics, how a process starts, how the samples are used.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median, pstdev

import numpy as np

from evaluator.chained import quality_in_pass
from evaluator.measuring import stats, timing
from evaluator.measuring.clocks import Clocks
from evaluator.measuring.draws import Draws, new_secret
from evaluator.measuring.passes import Plans, read_answer
from evaluator.measuring.warmup import Form, form
from evaluator.settings import TimingSettings
from evaluator.task_protocol import Task
from evaluator.types import Answer, Call, Case, HardCase, OtherFailed, Plan, Samples
from evaluator.worker_handle import Stopped, Worker, stop

PINGS = 5
"""Empty calls per round."""

SCATTERED = 0.1
"""On a quiet machine, call times of one program differ from call to call by at most this much (a log ratio)."""

MOST_CALLS = 1000
"""The scatter of a program's quality is taken over at most this many calls."""

NULL_PAIR_NS, NULL_PAIRS = 50_000_000, 12
"""To measure how quiet the machine is, we repeat a call twice if it takes at most this many nanoseconds, at most this
many times in a measurement.
"""


class Strays:
    """How much a program's quality varies from call to call on one case, over all measurements that it took part in."""

    def __init__(self) -> None:
        self._qualities: deque[float] = deque(maxlen=MOST_CALLS)
        self._strays: deque[float] = deque(maxlen=MOST_CALLS)

    def __len__(self) -> int:
        return len(self._qualities)

    def add(self, quality: float, planned: float) -> None:
        """Add a call: the quality of its plan, and that on what the plan was made for."""
        self._qualities.append(quality)
        self._strays.append(quality - planned)

    @property
    def scatter(self) -> float:
        """The standard deviation of a call's quality because what a plan is scored on differs from what it was made
        for; where the two are the same, because loads differ. Taken to be larger if few calls show it.
        """
        return (pstdev(self._strays) or pstdev(self._qualities)) * stats.for_few(len(self))


@dataclass(slots=True)
class _Course:
    """Calls on draws in their order: the number of the next one, and the plans in its draw so far of both programs."""

    draws: Draws
    call: int = 0
    plans: tuple[Plans, Plans] = ((), ())

    def begin_draw(self) -> None:
        """Leave the rest of a draw that has begun."""
        self.call = math.ceil(self.call / self.draws.steps) * self.draws.steps


class TimedCase:
    """Pairs of calls on one case: passes over secret draws, every answer validated and scored."""

    def __init__(
        self,
        task: Task,
        case: Case,
        secret: str,
        *,
        small: Mapping[Form, HardCase],
        strays: Strays,
        failed: Callable[[Stopped], OtherFailed],
        report: Callable[[], None],
    ) -> None:
        """`small`: a small call of each form that there is one of. `strays` grows with the other program's calls."""
        self._task, self._case, self._small = task, case, small
        self._failed, self._report = failed, report
        self._scored = _Course(Draws(task, case, secret))
        self._warming = _Course(Draws(task, case, new_secret()))
        self._strays = strays
        self._clocks = Clocks()
        self._last: Call | None = None
        self._other_ns = self._taken = 0
        self._answered: set[Form] = set()

    def begin(self, candidate: Worker, other: Worker, answered: set[Form]) -> timing.TimedPair:
        """Start a round with these processes; returns its pair function. `answered`: the forms of calls that both have
        answered, which grows.

        A round starts a new draw, unless rounds are too short for a whole one: then draws go on from round to round.
        """
        self._candidate, self._other, self._answered = candidate, other, answered
        if self._taken >= self._scored.draws.steps:
            self._scored.begin_draw()
        self._warming.call = self._taken = 0
        self._scored.draws.at(self._scored.call)  # drawn now: between warm-up and first pair, that would cool caches
        return self._pair

    def _pair(self, other_first: bool, *, warm_up: bool = False) -> timing.Pair:
        """One call of each program on the same loads: those of the scored draws, or of draws that only serve to warm
        up. Raises Stopped, OtherFailed.
        """
        task, course = self._task, self._warming if warm_up else self._scored
        number = course.call
        case, step = course.draws.at(number)
        if step == 0:
            course.plans = (), ()
        if self._taken == 0:
            self._report()
        mine, theirs = (task.call(case, step, plans) for plans in course.plans)
        self._meet(form(mine), course)
        seed, what = course.draws.seed(number), f"case {case.name}, a scored call"
        answer, candidate_ns, other, other_ns = None, 0, None, 0
        for turn in (other_first, not other_first):
            if turn:
                other, other_ns = self._call_other(theirs, seed)
            else:
                answer, candidate_ns = self._candidate.call(mine, seed, what=what)
        assert answer is not None and other is not None
        self._clocks.add(
            elapsed_ns=candidate_ns,
            own_ns=self._candidate.own_ns,
            other_elapsed_ns=other_ns,
            other_own_ns=self._other.own_ns,
        )
        plan, other_plan = read_answer(task, case, answer, what), self._read_other(case, other)
        course.plans = (*course.plans[0], plan), (*course.plans[1], other_plan)
        quality = quality_in_pass(task, case, step, course.plans[0])
        other_quality = self._note_other(case, step, course.plans[1])
        course.call, self._taken = number + 1, self._taken + (not warm_up)
        self._last, self._other_ns = theirs, other_ns
        return timing.Pair(
            candidate_ns=candidate_ns - self._candidate.waited_ns,
            reference_ns=other_ns - self._other.waited_ns,
            candidate_quality=quality,
            reference_quality=other_quality,
            call=number,
            draw=number // course.draws.steps,
        )

    def _meet(self, kind: Form, course: _Course) -> None:
        """Make a call of this form untimed, unless the processes have answered one: what a program compiles when it
        meets new types is not timed. A small call does, so this costs slow programs nothing; without one, it is a call
        on a draw of its own. Raises Stopped.
        """
        if kind in self._answered:
            return
        self._answered.add(kind)
        if kind in self._small:
            case, call = self._small[kind].case, self._small[kind].call
        else:
            case, step = Draws(self._task, self._case, new_secret()).at(course.call)
            call = self._task.call(case, step, course.plans[0])
        seed, what = course.draws.seed(course.call), f"case {case.name}, an untimed call"
        read_answer(self._task, case, self._candidate.call(call, seed, what=what)[0], what)
        # The other program need not answer hard cases; if its process has ended, the next call says so.
        with contextlib.suppress(Stopped):
            self._other.call(call, seed, what=what)

    def check_clock(self, patience_s: float) -> None:
        """Check that the clocks of the candidate's processes agree with the judge's. Raises Stopped if they do not.

        If they seem to disagree, we first take more pairs for at most `patience_s` seconds, because the machine may be
        the cause.
        """
        end = time.monotonic() + patience_s
        while self._clocks.doubtful and time.monotonic() < end:
            self._pair(other_first=False)
        if dispute := self._clocks.dispute():
            raise stop("measure", "clock_disputed", f"case {self._case.name}: {dispute}")

    def null_pair(self) -> list[float]:
        """|ln(time / time)| of the other program called twice on the last inputs; [] if that takes too long."""
        if self._last is None or self._other_ns > NULL_PAIR_NS:
            return []
        first, second = (self._call_other(self._last, 0)[1] for _ in range(2))
        return [abs(math.log(first / second))]

    def scatter(self, patience_s: float) -> float:
        """How much the other program's quality varies from call to call (see `Strays`). If its calls were few, it is
        called more often, untimed, for at most `patience_s` seconds. Raises OtherFailed.
        """
        end = time.monotonic() + patience_s
        draws = Draws(self._task, self._case, new_secret())
        plans: Plans = ()
        for number in range(max(0, stats.ENOUGH_CALLS - len(self._strays))):
            if time.monotonic() > end:
                break
            case, step = draws.at(number)
            plans = plans if step else ()
            answer, _ = self._call_other(self._task.call(case, step, plans), draws.seed(number))
            plans = (*plans, self._read_other(case, answer))
            self._note_other(case, step, plans)
        return self._strays.scatter

    def _note_other(self, case: Case, step: int, plans: Plans) -> float:
        """The quality of the last of the other program's plans, which is kept to see how much it varies."""
        quality = quality_in_pass(self._task, case, step, plans)
        self._strays.add(quality, self._task.step_quality(case, step, plans[-1]))
        return quality

    def _call_other(self, call: Call, seed: int) -> tuple[Answer, int]:
        try:
            return self._other.call(call, seed, what=f"case {self._case.name}")
        except Stopped as stopped:
            raise self._failed(stopped) from None

    def _read_other(self, case: Case, answer: Answer) -> Plan:
        try:
            return read_answer(self._task, case, answer, f"case {case.name}")
        except Stopped as stopped:
            raise self._failed(stopped) from None


class Contest:
    """Measures a program against another. `open_*` start a new process and load a program; `end` ends all of them."""

    def __init__(
        self,
        task: Task,
        cases: Sequence[Case],
        *,
        hard_cases: Sequence[HardCase],
        open_candidate: Callable[[], Worker],
        open_other: Callable[[], Worker],
        end: Callable[[], None],
        other_name: str,
        report: Callable[[int], None],
        until_steady: bool = False,
        strays: Mapping[str, Strays] | None = None,
        usual_ns: Sequence[tuple[float, float]] = (),
    ) -> None:
        """`hard_cases` serve as small calls. `report` receives the index of a case whenever a round starts it.
        `until_steady`: warm up until calls no longer get faster, as on a GPU, instead of a fixed number of times.
        `strays`, by case: those of the other program's earlier measurements, which grow. `usual_ns`: what a call of
        the two takes in each case, where that is known.
        """
        strays = strays or {case.name: Strays() for case in cases}
        self._until_steady = until_steady
        self._open_candidate, self._open_other, self._end = open_candidate, open_other, end
        self._other_name, self.secret, self._usual_ns = other_name, new_secret(), usual_ns
        small = {form(hard.call): hard for hard in hard_cases}
        self._timed = [
            TimedCase(
                task,
                case,
                self.secret,
                small=small,
                strays=strays[case.name],
                failed=self._failed,
                report=partial(report, at),
            )
            for at, case in enumerate(cases)
        ]
        self._noise = timing.NoiseProbe()
        self._pings_ns: list[int] = []
        self._scatter: list[float] = []
        self._round = 0

    @property
    def empty_call_us(self) -> int:
        """Median time of an empty call, in microseconds."""
        return int(median(self._pings_ns) / 1000)

    @property
    def scatter(self) -> float:
        """How much the other program's time varies: the median of |ln(time / time)| of two successive calls."""
        return median(self._scatter) if self._scatter else 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings that the machine was disturbed; () if it was quiet."""
        if self.scatter <= SCATTERED:
            return self._noise.warnings()
        scatter = f"{self._other_name} varied by {math.expm1(self.scatter):.0%} from one call to the next (median)"
        return (*self._noise.warnings(), f"{scatter}: the machine was disturbed, so run times are less certain")

    def measure(
        self,
        settings: TimingSettings,
        *,
        budget_s: float,
        rounds: int,
        enough: Callable[[Sequence[Samples]], bool],
        loaded: Worker | None = None,
    ) -> tuple[Samples, ...]:
        """The samples of each case, in order. `budget_s` seconds are divided among all cases and `rounds` rounds;
        `enough` ends the measurement early; `loaded` is a running process of the candidate for the first round.

        Raises Stopped if the candidate fails, OtherFailed if the other program fails.
        """

        def begin_round(other_first: bool) -> list[timing.TimedPair]:
            return self._begin(other_first, loaded if self._round == 0 else None)

        rng = np.random.default_rng(secrets.randbits(128))
        samples = timing.measure(
            begin_round,
            settings,
            budget_s=budget_s,
            rounds=rounds,
            enough=enough,
            rng=rng,
            until_steady=self._until_steady,
            usual_ns=self._usual_ns,
        )
        self._look()
        for timed in self._timed:
            timed.check_clock(settings.budget_s)
        return samples

    def quality_scatter(self, patience_s: float) -> tuple[float, ...]:
        """For each case, how much the other program's quality varies from call to call (see `TimedCase.scatter`).
        Raises OtherFailed.
        """
        return tuple(timed.scatter(patience_s) for timed in self._timed)

    def _look(self) -> None:
        """Measure how quiet the machine is after a round: by the probe loop, and by two equal calls."""
        self._noise.look()
        if len(self._scatter) < NULL_PAIRS:
            self._scatter += self._timed[0].null_pair()

    def _begin(self, other_first: bool, loaded: Worker | None) -> list[timing.TimedPair]:
        if self._round:
            self._look()
            self._end()
        else:
            self._noise.look()
        self._round += 1
        if loaded is not None:
            candidate, other = loaded, self._start_other()
        elif other_first:
            other = self._start_other()
            candidate = self._open_candidate()
        else:
            candidate = self._open_candidate()
            other = self._start_other()
        answered: set[Form] = set()
        return [timed.begin(candidate, other, answered) for timed in self._timed]

    def _start_other(self) -> Worker:
        try:
            other = self._open_other()
            self._pings_ns += [other.ping() for _ in range(PINGS)]
        except Stopped as stopped:
            raise self._failed(stopped) from None
        return other

    def _failed(self, stopped: Stopped) -> OtherFailed:
        verdict = stopped.verdict
        return OtherFailed(f"{self._other_name} failed at {verdict.stage} ({verdict.reason}): {verdict.detail}")
