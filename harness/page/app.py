"""The page's addresses: what is asked where, and what is answered.

Owns: the routes and their answers (README.md describes them). Does not know: sockets, who may ask (`guard`), how a run
is read (`run`, `attempt`) or judged.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from harness.archive import ArchiveError
from harness.page.attempt import Attempts
from harness.page.bodies import (
    MOST_ANSWER,
    MOST_BODY,
    answer_of,
    nothing,
    number_of,
    query_of,
    read_object,
    text_of,
)
from harness.page.errors import PageError, error_record, told
from harness.page.events import Hub, parse_have
from harness.page.files import Files
from harness.page.guard import Door, Guard, is_loopback
from harness.page.jobs import MOST_JUDGING, Actions, Answer, Jobs, Told
from harness.page.run import READ_S, Run
from harness.page.tickets import ticket_record, ticket_texts
from harness.page.words import json_text, sound
from harness.types import HarnessError

MOST_ADVICE = 4000
_FRESH_S = 1.0
"""A run that was read so recently is not read again for a request."""
_HITS, _MOST_HITS = 200, 1000
_LOOK_S = 0.2
"""Seconds that one search of programs may take."""
_STREAMS = 64
_GZIP_FROM = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is served: the runs, what may be done to them, and who may ask."""

    runs: Sequence[Run]
    actions: Actions
    door: Door
    version: str


class App:
    """The application. `hub` is what its streams listen to."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._attempts = [Attempts(run) for run in page.runs]
        self._jobs = Jobs()
        self._files = Files()
        self.hub = Hub(page.runs, self._jobs)
        application = Starlette(
            routes=self._routes(),
            exception_handlers={
                PageError: _page_error,
                HTTPException: _http_error,
                HarnessError: _harness_error,
                500: _our_error,
            },
            lifespan=self._alive,
        )
        # Outside of it, so that the answer to an error of ours has the headers too.
        self.asgi = Guard(application, page.door)

    def _routes(self) -> list[Route]:
        run = "/api/runs/{run:int}"
        answers = {
            "/api/runs": self._runs,
            run: self._state,
            f"{run}/attempts": self._rows,
            f"{run}/attempts/{{number:int}}": self._attempt,
            f"{run}/way/{{number:int}}": self._way,
            f"{run}/diff": self._difference,
            f"{run}/search": self._search,
            f"{run}/verdicts": self._verdicts,
            f"{run}/spend": self._spend,
            f"{run}/tickets": self._tickets,
            f"{run}/tickets/{{ticket:int}}": self._ticket,
        }
        posts = {
            f"{run}/advise": self._advise,
            f"{run}/stop": self._stop,
            f"{run}/tickets/{{ticket:int}}/answer": self._answer,
        }
        return [
            Route("/", self._index),
            Route("/favicon.ico", self._icon),
            Route("/static/{name:path}", self._static),
            Route("/api/events", self._events),
            *(Route(path, _json(endpoint)) for path, endpoint in answers.items()),
            *(Route(path, _json(endpoint), methods=["POST"]) for path, endpoint in posts.items()),
        ]

    @contextlib.asynccontextmanager
    async def _alive(self, _: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(self.hub.watch())
        watching.add_done_callback(self._unwatched)
        try:
            yield
        finally:
            watching.cancel()

    def _unwatched(self, watching: asyncio.Task[None]) -> None:
        """Say in the terminal why runs are no longer followed, if that is a bug; the page sees that its streams end."""
        self.hub.close()
        if not watching.cancelled() and (error := watching.exception()) is not None:
            about = {"message": "runs are no longer followed", "exception": error, "task": watching}
            asyncio.get_running_loop().call_exception_handler(about)

    # Files

    async def _index(self, request: Request) -> Response:
        return self._file("index.html", request)

    async def _icon(self, request: Request) -> Response:
        return self._file("favicon.svg", request)

    async def _static(self, request: Request) -> Response:
        return self._file(request.path_params["name"], request)

    def _file(self, name: str, request: Request) -> Response:
        response = self._files.answer(name, request)
        if response is None:
            raise PageError(404, "a file of this page", name)
        return response

    # Answers

    async def _runs(self, request: Request) -> Any:
        states = [json.loads(await self._fresh(run)) for run in self._page.runs]
        return {"version": self._page.version, "readonly": self._page.door.readonly, "runs": states}

    async def _state(self, request: Request) -> Any:
        return await self._fresh(self._run(request))

    async def _rows(self, request: Request) -> Any:
        run = self._run(request)
        await self._fresh(run)
        text, _ = await run_in_threadpool(run.rows, number_of(request, "since", 0))
        return text

    async def _attempt(self, request: Request) -> Any:
        run = self._run(request)
        await self._fresh(run)
        return await run_in_threadpool(self._attempts[run.place].record, request.path_params["number"])

    async def _way(self, request: Request) -> Any:
        run = self._run(request)
        return await run_in_threadpool(self._attempts[run.place].way, request.path_params["number"])

    async def _difference(self, request: Request) -> Any:
        run = self._run(request)
        pair = number_of(request, "a", 0), number_of(request, "b", 0)
        return await run_in_threadpool(self._attempts[run.place].difference, *pair)

    async def _search(self, request: Request) -> Any:
        run, query = self._run(request), query_of(request)
        most = number_of(request, "limit", _HITS, most=_MOST_HITS)
        where = request.query_params.get("where", "text")
        if where == "text":
            await self._fresh(run)
            return await run_in_threadpool(run.find, query, most)
        if where != "code":
            raise PageError(400, "`where` text or code", where)
        before = number_of(request, "before", -1)
        return await run_in_threadpool(self._search_code, run, query, None if before < 0 else before, most)

    def _search_code(self, run: Run, query: str, before: int | None, most: int) -> dict[str, Any]:
        end, hits, looked, following = time.monotonic() + _LOOK_S, list[Any](), 0, None
        for number, hit in self._attempts[run.place].lines(query, before):
            looked += 1
            hits += [hit] if hit else []
            if time.monotonic() > end or len(hits) >= most:
                following = number
                break
        answer = {"q": sound(query), "where": "code", "total": len(hits), "hits": hits}
        return {**answer, "looked": looked, "next": following or None}

    async def _verdicts(self, request: Request) -> Any:
        run = self._run(request)
        await self._fresh(run)
        return await run_in_threadpool(run.verdicts)

    async def _spend(self, request: Request) -> Any:
        run = self._run(request)
        await self._fresh(run)
        return await run_in_threadpool(run.spend)

    async def _tickets(self, request: Request) -> Any:
        state = json.loads(await self._fresh(self._run(request)))
        return {"run": state["run"], "tickets": state["tickets"]}

    async def _ticket(self, request: Request) -> Any:
        return await run_in_threadpool(self._ticket_record, self._run(request), request.path_params["ticket"])

    def _ticket_record(self, run: Run, number: int) -> dict[str, Any]:
        pending, job = run.feed.ticket(number), self._jobs.of(run.place, number)
        if pending is None:
            what = f"no open ticket {number}"
            if job is not None and job.told is not None:
                what += f": {job.told.words}"
            raise PageError(404, f"an open ticket of run {run.place}", what)
        return {
            **ticket_record(run.feed, pending, run.number),
            **ticket_texts(run.feed, pending),
            "job": None if job is None else job.record(),
        }

    async def _events(self, request: Request) -> Response:
        if self.hub.listeners >= _STREAMS:
            raise PageError(503, f"at most {_STREAMS} pages that listen", "as many", do="close one")
        have = parse_have(request.headers.get("last-event-id") or request.query_params.get("have", ""))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self.hub.stream(have), headers=headers, media_type="text/event-stream")

    # What the page may do

    async def _advise(self, request: Request) -> Any:
        run = self._run(request)
        text = text_of(await read_object(request, MOST_BODY), MOST_ADVICE)
        number = await run_in_threadpool(self._page.actions.advise, run.subject.folder, text)
        await self._changed(run)
        return {"number": number}

    async def _stop(self, request: Request) -> Any:
        run = self._run(request)
        nothing(await read_object(request, MOST_BODY))
        await run_in_threadpool(self._page.actions.stop, run.subject.folder)
        await self._changed(run)
        return {"asked": True}

    async def _answer(self, request: Request) -> Any:
        run, ticket = self._run(request), request.path_params["ticket"]
        answer = answer_of(await read_object(request, MOST_ANSWER))
        record = await run_in_threadpool(self._ticket_record, run, ticket)
        job = record["job"]
        if not record["answerable"] or (job is not None and job["state"] == "judging"):
            found = "it is being judged" if record["answerable"] else f"its state is {record['state']}"
            raise PageError(409, f"ticket {ticket} to be open for an answer", found)
        if self._jobs.judging >= MOST_JUDGING:
            raise PageError(409, f"at most {MOST_JUDGING} answers under way", "as many", do="wait for one of them")
        loop = asyncio.get_running_loop()

        def ended() -> None:
            run.poll(for_s=READ_S)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self.hub.tell)

        started = self._jobs.start(run.place, ticket, lambda: self._told(run, ticket, answer), ended)
        self.hub.tell()
        return 202, started.record()

    def _told(self, run: Run, ticket: int, answer: Answer) -> Told:
        try:
            return self._page.actions.answer(run.subject.folder, ticket, answer)
        except (HarnessError, OSError) as error:
            return Told(number=None, outcome="", words=str(error))

    def _run(self, request: Request) -> Run:
        place: int = request.path_params["run"]
        if place >= len(self._page.runs):
            raise PageError(404, f"a run from 0 to {len(self._page.runs) - 1}", str(place))
        return self._page.runs[place]

    async def _fresh(self, run: Run) -> str:
        """The state of a run, read again where it was not read for a while."""
        if await run_in_threadpool(run.poll, _FRESH_S, READ_S):
            self.hub.tell()
        return run.state

    async def _changed(self, run: Run) -> None:
        await run_in_threadpool(run.poll, 0.0, READ_S)
        self.hub.tell()


def _json(endpoint: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers with JSON: with a value, a status and a value, or text that is JSON already."""

    async def answer(request: Request) -> Response:
        value = await endpoint(request)
        status, value = value if isinstance(value, tuple) else (200, value)
        text = value if isinstance(value, str) else json_text(value)
        body, headers = text.encode(), dict[str, str]()
        away = request.client is not None and not is_loopback(request.client.host)
        if away and len(body) > _GZIP_FROM and "gzip" in request.headers.get("accept-encoding", ""):
            body = await run_in_threadpool(gzip.compress, body, 1)
            headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return Response(body, status, headers, media_type="application/json")

    return answer


def _error(status: int, record: Mapping[str, Any]) -> Response:
    return Response(json.dumps(record), status, media_type="application/json")


async def _page_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PageError)
    return _error(error.status, error.record)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    found = f"{request.method} {request.url.path}"
    expected = "another method" if error.status_code == 405 else "an address of this page"
    return _error(error.status_code, error_record(expected, found))


async def _harness_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HarnessError)
    status = 404 if isinstance(error, ArchiveError) and request.method == "GET" else 409
    return _error(status, told(error))


async def _our_error(request: Request, error: Exception) -> Response:
    record = error_record("an answer", f"a bug in packsmith: {type(error).__name__}", do="see the terminal")
    return _error(500, record)
