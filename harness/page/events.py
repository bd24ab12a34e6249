"""What changes, as server-sent events.

Owns: when runs are looked at, and what each listener was told. Does not know: routes, how a run is read.

Runs are looked at about once a second while somebody listens, every other second while much changes, and less often
where that takes long: never for more than a twentieth of a core, so that a search beside it keeps its cores. A long run
is first read in parts, so that a page opens before all of it is read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence

from starlette.concurrency import run_in_threadpool

from harness.page.jobs import Jobs
from harness.page.run import READ_S, Run
from harness.page.words import json_text

PACE_S, BUSY_PACE_S, SHARE = 1.0, 2.0, 20
"""Seconds between two looks, after one that found something, and how many times as long as the processor time of a look
they are at least.
"""
_BREATH_S = 0.02
ALIVE_S = 15.0
_ROWS = 2000
"""About the most rows of one event."""


class Hub:
    """Follows the runs, and tells its listeners."""

    def __init__(self, runs: Sequence[Run], jobs: Jobs) -> None:
        self._runs, self._jobs = runs, jobs
        self._listeners: set[asyncio.Event] = set()
        self._wanted = asyncio.Event()
        self._closed = False

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    async def watch(self) -> None:
        """Look at the runs for ever, while somebody listens or they are not read to the end."""
        while True:
            if not self._reading():
                await self._wanted.wait()
            looks = [await run_in_threadpool(_look, run) for run in self._runs]
            changed = any(changed for changed, _ in looks)
            if changed:
                self.tell()
            pace_s = BUSY_PACE_S if changed else PACE_S
            rest_s = max(pace_s, (SHARE - 1) * sum(took_s for _, took_s in looks))
            await asyncio.sleep(_BREATH_S if self._reading() else rest_s)

    def _reading(self) -> bool:
        return any(run.reading for run in self._runs)

    def tell(self) -> None:
        """Wake all listeners. For the thread of the event loop."""
        for listener in self._listeners:
            listener.set()

    def close(self) -> None:
        """End all streams. For the thread of the event loop."""
        self._closed = True
        self.tell()

    async def stream(self, have: Mapping[int, tuple[str, int]]) -> AsyncIterator[bytes]:
        """Events for one listener, who has this many rows of each run, with their epoch."""
        listener = asyncio.Event()
        listener.set()
        self._listeners.add(listener)
        self._wanted.set()
        listening = _Listening(self._runs, self._jobs, have)
        try:
            while not self._closed:
                try:
                    async with asyncio.timeout(ALIVE_S):
                        await listener.wait()
                except TimeoutError:
                    yield b": alive\n\n"
                    continue
                listener.clear()
                async for event in listening.news():
                    yield event
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self._wanted.clear()


def _look(run: Run) -> tuple[bool, float]:
    """Whether anything is new in a run, and the processor time that the look took, in seconds."""
    begin = time.thread_time()
    changed = run.poll(for_s=READ_S)
    return changed, time.thread_time() - begin


class _Listening:
    """What one listener was told so far."""

    def __init__(self, runs: Sequence[Run], jobs: Jobs, have: Mapping[int, tuple[str, int]]) -> None:
        self._runs, self._jobs = runs, jobs
        self._have = {run.place: have.get(run.place, (run.epoch, 0)) for run in runs}
        self._states: dict[int, str] = {}
        self._heard = jobs.changes

    async def news(self) -> AsyncIterator[bytes]:
        for run in self._runs:
            epoch, rows = self._have[run.place]
            if epoch != run.epoch:
                epoch, rows = self._have[run.place] = (run.epoch, run.size)
                yield self._event("reset", json_text({"run": run.place, "epoch": epoch}))
            while rows < run.size:
                text, rows = await run_in_threadpool(run.rows, rows, _ROWS)
                self._have[run.place] = (epoch, rows)
                yield self._event("attempts", text)
            if self._states.get(run.place) != (state := run.state):
                self._states[run.place] = state
                yield self._event("state", state)
        for job in self._jobs.since(self._heard):
            self._heard = job.change
            yield self._event("job", json_text(job.record()))

    def _event(self, name: str, text: str) -> bytes:
        have = ",".join(f"{place}:{epoch}:{rows}" for place, (epoch, rows) in self._have.items())
        return f"event: {name}\nid: {have}\ndata: {text}\n\n".encode()


def parse_have(text: str) -> dict[int, tuple[str, int]]:
    """What a listener has, from `0:EPOCH:21,1:EPOCH:340`; parts that are not of that form are left out."""
    have: dict[int, tuple[str, int]] = {}
    for part in text.split(",")[:64]:
        place, _, rest = part.partition(":")
        epoch, _, rows = rest.partition(":")
        if all(number.isascii() and number.isdecimal() and len(number) < 10 for number in (place, rows)):
            have[int(place)] = (epoch[:40], int(rows))
    return have
