"""A search at 10 to 10,000 workers, simulated event by event from measured costs.

Owns: the model of a search as queues, what saturates in it, and the tables. Does not know: how costs were measured.

One thread of the search stores answers, archives attempts and proposes (`loop_ms` for each attempt, all of it);
judges take programs from one queue; model calls take `model_s` and cost tokens; a program that beats the champion is
measured against it (`duel_s`), and again if the champion changed meanwhile. Values of programs are random: a child is
usually worse than the champion it was made from, rarely better. With `islands`, the workers are divided among as many
runs, which do not wait for each other.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What one attempt costs: measured, or as a provider says."""

    loop_ms: float
    """Processor time of the search's one thread, for an attempt."""
    judge_s: float = 4.0
    """Seconds of a judge, for a program that is measured; the spread is exponential above a quarter of it."""
    rejected_s: float = 0.3
    """Seconds for a program that is rejected, and the share of those."""
    rejected: float = 0.35
    duel_s: float = 10.0
    model_s: float = 30.0
    """Latency of a call, log-normal with a factor of 1.8."""
    input_tokens: int = 6000
    output_tokens: int = 2500
    usd_per_million: tuple[float, float] = (0.5, 2.0)
    """Dollars per million input and output tokens."""
    tokens_per_minute: float = 10_000_000
    """The provider's limit on all calls together."""
    worker_usd_per_h: float = 0.05
    """One core of a rented machine; a GPU is some 3.00."""

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def model_usd(self) -> float:
        return (self.input_tokens * self.usd_per_million[0] + self.output_tokens * self.usd_per_million[1]) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a simulation came to."""

    workers: int
    islands: int
    attempts: int
    attempts_per_s: float
    judges_busy: float
    """Share of the judges' time."""
    loop_busy: float
    """Share of the time of the search's thread: of one island."""
    model_tokens_per_min: float
    in_flight: int
    lag: float
    """Attempts archived between a proposal and its own archiving, median: how old what it was made from is."""
    duels_again: float
    """Share of duels that were measured again since the champion changed."""
    usd_per_1000: float

    @property
    def limit(self) -> str:
        """What is saturated."""
        if self.loop_busy > 0.9:
            return "the search's one thread"
        if self.judges_busy > 0.9:
            return "judges"
        return "model calls"


def simulate(costs: Costs, workers: int, *, attempts: int, islands: int = 1, seed: int = 0) -> Outcome:
    """Simulate one of the islands with its share of the workers, to `attempts` in all, in the steady state."""
    share, rng = max(1, workers // islands), random.Random(f"{seed}/{workers}/{islands}")
    mean_s = (1 - costs.rejected) * costs.judge_s + costs.rejected * costs.rejected_s
    wanted = share / mean_s
    # As many calls as keep the judges busy, as far as the provider's limit allows: Little's law.
    allowed = costs.tokens_per_minute / islands / costs.tokens / 60
    in_flight = max(2, math.ceil(1.3 * min(wanted, allowed, 1000 / costs.loop_ms) * costs.model_s))
    one = _Run(costs, rng, share, in_flight, allowed)
    one.run(max(200, attempts // islands))
    span = one.last_s - one.warm_s
    rate = one.counted / span * islands
    usd = costs.model_usd * 1000 + costs.worker_usd_per_h / 3600 * workers / rate * 1000
    return Outcome(
        workers=workers,
        islands=islands,
        attempts=one.counted * islands,
        attempts_per_s=rate,
        judges_busy=min(1.0, one.judged_s / span / share),
        loop_busy=min(1.0, one.loop_s / span),
        model_tokens_per_min=rate * costs.tokens * 60,
        in_flight=in_flight * islands,
        lag=sorted(one.lags)[len(one.lags) // 2] if one.lags else 0,
        duels_again=one.again / one.duels if one.duels else 0.0,
        usd_per_1000=usd,
    )


class _Run:
    """One run. Events: an answer came, a judge is done; what the search's thread does delays them."""

    def __init__(self, costs: Costs, rng: random.Random, workers: int, in_flight: int, calls_per_s: float) -> None:
        self.costs, self.rng, self.in_flight = costs, rng, in_flight
        self.apart_s = 1 / calls_per_s
        self.free, self.waiting = workers, deque[_Program]()
        self.events: list[tuple[float, int, str, _Program]] = []
        self.order = 0
        self.loop_free_s = self.next_call_s = 0.0
        self.champion, self.version, self.archived, self.counted = 0.0, 0, 0, 0
        self.loop_s = self.judged_s = self.warm_s = self.last_s = 0.0
        self.duels = self.again = 0
        self.lags: list[int] = []
        self.most_waiting = 4 * in_flight

    def run(self, attempts: int) -> None:
        for _ in range(self.in_flight):
            self._ask(0.0)
        warm = attempts // 5
        while self.counted < attempts - warm:
            now, _, what, program = heapq.heappop(self.events)
            if what == "answered":
                self.waiting.append(program)
                now = self._loop(now, 0.4)
            elif what == "judged":
                self._judged(now, program)
                if self.archived == warm and not self.warm_s:
                    self.warm_s, self.loop_s, self.judged_s, self.lags = now, 0.0, 0.0, []
                    self.duels = self.again = self.counted = 0
            self._start(now)
            self.last_s = now

    def _loop(self, now: float, part: float) -> float:
        """When the search's thread has done this part of an attempt's work."""
        cost = part * self.costs.loop_ms / 1000
        self.loop_free_s = max(now, self.loop_free_s) + cost
        self.loop_s += cost
        return self.loop_free_s

    def _put(self, at_s: float, what: str, program: _Program) -> None:
        self.order += 1
        heapq.heappush(self.events, (at_s, self.order, what, program))

    def _ask(self, now: float) -> None:
        self.next_call_s = max(now, self.next_call_s + self.apart_s)
        latency = self.costs.model_s * self.rng.lognormvariate(0, math.log(1.8))
        value = self.champion + self.rng.gauss(-2.5, 1.0)
        self._put(self.next_call_s + latency, "answered", _Program(value=value, born=self.archived))

    def _start(self, now: float) -> None:
        while self.free and self.waiting:
            program = self.waiting.popleft()
            self.free -= 1
            if program.duel:
                seconds = self.costs.duel_s
            elif self.rng.random() < self.costs.rejected:
                program.rejected, seconds = True, self.costs.rejected_s
            else:
                seconds = self.costs.judge_s * (0.25 + 0.75 * self.rng.expovariate(1.0))
            program.version = self.version
            self.judged_s += seconds
            self._put(now + seconds, "judged", program)

    def _judged(self, now: float, program: _Program) -> None:
        self.free += 1
        claims = not program.rejected and program.value > self.champion
        if claims and (not program.duel or program.version != self.version):
            self.duels += 1
            self.again += program.duel
            program.duel = True
            self.waiting.appendleft(program)
            return
        if claims:
            self.champion, self.version = program.value, self.version + 1
        self.archived += 1
        self.counted += 1
        self.lags.append(self.archived - program.born)
        self._ask(self._loop(now, 0.6))


@dataclass(slots=True, kw_only=True)
class _Program:
    value: float
    born: int
    version: int = 0
    duel: bool = False
    rejected: bool = False

    def __lt__(self, other: _Program) -> bool:
        return self.born < other.born


def table(costs: Costs, tokens: float, sizes: Sequence[int] = (10, 100, 1000, 10_000)) -> list[Outcome]:
    """One run, and as many islands as the search's thread needs, at each number of workers, for this number of
    tokens of replies at least.
    """
    outcomes = []
    for workers in sizes:
        attempts = max(math.ceil(tokens / costs.tokens), 4 * workers)
        outcomes.append(simulate(costs, workers, attempts=attempts))
        enough = math.ceil(workers / 500)
        if enough > 1:
            outcomes.append(simulate(costs, workers, attempts=attempts, islands=enough))
            larger = replace(costs, tokens_per_minute=costs.tokens_per_minute * 100)
            outcomes.append(simulate(larger, workers, attempts=attempts, islands=enough))
    return outcomes


def shown(outcomes: Sequence[Outcome]) -> str:
    """The table, for a page."""
    lines = [
        "workers islands attempts/s judges  loop  tokens/min in flight   lag duels $ a 1000  limit",
        "               simulated   busy  busy                            again  attempts",
    ]
    for each in outcomes:
        lines.append(
            f"{each.workers:7,} {each.islands:7} {each.attempts_per_s:10.1f} {each.judges_busy:6.0%} "
            f"{each.loop_busy:5.0%} {each.model_tokens_per_min / 1e6:9.1f}M {each.in_flight:9,} {each.lag:5,.0f} "
            f"{each.duels_again:5.0%} {each.usd_per_1000:8.2f}  {each.limit}"
        )
    return "\n".join(lines)


def curve(costs: Costs, sizes: Sequence[int] = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)) -> str:
    """Attempts a second of one run by workers, as bars on a logarithmic scale; the ideal is marked."""
    free = replace(costs, tokens_per_minute=1e12)
    lines = ["workers   attempts/s of one run, if the provider sets no limit (| is the ideal)"]
    for workers in sizes:
        rate = simulate(free, workers, attempts=max(3000, 3 * workers)).attempts_per_s
        mean_s = (1 - costs.rejected) * costs.judge_s + costs.rejected * costs.rejected_s
        bar, ideal = (max(0, round(12 * math.log10(x / 1.0))) for x in (rate, workers / mean_s))
        lines.append(f"{workers:7,} {rate:9.1f} {'█' * bar}{' ' * max(0, ideal - bar)}|")
    return "\n".join(lines)
