"""Searches that take turns on this machine, some with a page open beside them: what a page costs a search.

Owns: the turns, and what each search did in its own. Does not know: pages, browsers.

Two searches that run one after the other differ by up to a third on a machine that others use too, many times what a
page costs. So they run in turns of a second or two: all processes of one search, the page's server and browser among
them, are stopped while another has its turn, in the order A B C, C B A. What disturbs the machine for longer than a
turn then disturbs all alike. What a page puts off while it is stopped it does in its next turn, so a page's cost is
rather over- than understated.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_RESAMPLES = 2000


@dataclass(slots=True, kw_only=True)
class Side:
    """A search with what stands beside it. `searching` and `beside` are processes, with all that they started; the
    search writes the time of each attempt (`time.monotonic`), one a line, to the file `times`.
    """

    searching: int
    beside: Sequence[int]
    times: Path
    turns: list[tuple[float, float]] = field(default_factory=list)
    busy_s: float = 0.0
    """Processor time of what stands beside the search, in its turns."""

    def rates(self) -> list[float]:
        """Attempts a second in each turn."""
        at_s = [float(line) for line in self.times.read_text().split("\n")[:-1]]
        return [(bisect_left(at_s, end) - bisect_left(at_s, begin)) / (end - begin) for begin, end in self.turns]

    @property
    def cores(self) -> float:
        """The share of a core that stands beside the search took."""
        return self.busy_s / sum(end - begin for begin, end in self.turns)

    def signal(self, what: signal.Signals) -> None:
        for pid in (*self.beside, self.searching):
            tell(pid, what)

    def have_turn(self, seconds: float, *, counts: bool) -> None:
        """Run alone for this long. Everything is stopped before and after."""
        before_s = sum(map(tree_cpu_s, self.beside))
        self.signal(signal.SIGCONT)
        begin = time.monotonic()
        time.sleep(seconds)
        end = time.monotonic()
        self.signal(signal.SIGSTOP)
        if counts:
            self.turns.append((begin, end))
            self.busy_s += sum(map(tree_cpu_s, self.beside)) - before_s


def take_turns(sides: Sequence[Side], *, rounds: int, turn_s: float) -> None:
    """Let each side have its turn `rounds` times, forwards and backwards; the first round only warms up."""
    for side in sides:
        side.signal(signal.SIGSTOP)
    try:
        for number in range(rounds + 1):
            for side in sides if number % 2 else reversed(sides):
                side.have_turn(turn_s, counts=number > 0)
    finally:
        for side in sides:
            side.signal(signal.SIGCONT)


def ratio(side: Side, other: Side) -> tuple[float, float, float]:
    """The rate of a side by that of another, and its 95 % interval, resampled by round (a percentile bootstrap)."""
    pairs = list(zip(side.rates(), other.rates(), strict=True))

    def of(some: Sequence[tuple[float, float]]) -> float:
        return sum(one for one, _ in some) / max(1e-9, sum(two for _, two in some))

    drawn = random.Random(0)
    found = sorted(of(drawn.choices(pairs, k=len(pairs))) for _ in range(_RESAMPLES))
    return of(pairs), found[_RESAMPLES // 40], found[-_RESAMPLES // 40]


def tell(pid: int, what: signal.Signals) -> None:
    """Signal a process and all that it started."""
    for each in tree(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, what)


def tree(pid: int) -> Iterator[int]:
    """A process and all that it started, and they started."""
    made: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            fields = _stat(int(folder.name))
            if fields:
                made.setdefault(int(fields[1]), []).append(int(folder.name))
    waiting = [pid]
    while waiting:
        yield (one := waiting.pop())
        waiting += made.get(one, [])


def tree_cpu_s(pid: int) -> float:
    """The processor time that a process and all that it started have taken."""
    ticks = (sum(map(int, fields[11:13])) for one in tree(pid) if (fields := _stat(one)))
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """What /proc says of a process, from its state on; [] for one that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
