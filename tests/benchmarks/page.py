"""How fast the live page opens and answers as a run grows to 100,000 attempts, and whether it slows the search.

    python tests/benchmarks/page.py [--quick] [--json]

Archives are filled as `loop.py` fills its own: one attempt a commit, all of one parent. For each size (--quick: not
100,000), a server is started in a process of its own, as `packsmith dashboard` does, and asked over the loopback
interface:

`open_s`      from the first request until the page is drawn, in a real Chromium, the median of three times. Without a
              browser: the time of all requests that the page makes when it opens, one after another
`view_ms`     the slowest of the views: an attempt, the difference of two, both kinds of search, verdicts, spend; each
              the median of five times, with five different attempts or words
`memory_mb`   the most memory that the server held, the page open and all that asked
`start_s`     from the start of the command until it prints the address
`loop_ratio`  the rate of a search with a scripted model that answers at once, the page open beside it in a Chromium
              that draws with the same cores, divided by the rate without. The searches take turns (see `beside.py`), 24
              of 2 s each (--quick: 8 of 1 s), and `_interval` is the 95 % interval of the ratio. The search is
              `loop.py`'s, whose every attempt is durable; it is many times as fast as any real one
`loop_ratio_server`  the same beside a server alone, with a listener that draws nothing; the only one without a Chromium
`page_cores`  the share of a core that server and browser took meanwhile; `page_cores_server`: a server alone
`loop_rate`   attempts a second of the search alone, in its turns
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.archive import Archive
from harness.config import load
from tests.benchmarks import beside, loop, machine
from tests.page.browser import chromium

TARGETS: Mapping[str, str] = {
    "open_s": "< 2 at 10,000, < 6 at 100,000",
    "view_ms": "< 300",
    "memory_mb": "< 300",
    "loop_ratio": ">= 0.95",
}
ROOT = Path(__file__).resolve().parents[2]
SIZES = (1_000, 10_000, 100_000)
TIMES = 5
ROUNDS = {False: (24, 2.0), True: (8, 1.0)}
"""With --quick and without: how many turns each search has, and their seconds."""
WARM = 100
FOLLOWS_S = 10.0
"""How long after a search has ended the page may still lack an attempt."""
OPENING = ("/", "/api/runs", "/api/runs/0/attempts?since=0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A page's server: its process, its address, and how long it took to start."""

    process: subprocess.Popen[str]
    url: str
    start_s: float

    def get(self, path: str) -> bytes:
        where = urlsplit(self.url)
        with contextlib.closing(http.client.HTTPConnection(where.netloc, timeout=60)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{path}: expected an answer, found {answer.status}: {body[:300]!r}")
            return body

    def cpu_s(self) -> float:
        """The processor time that the process has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """The most memory that the process has held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


@contextlib.contextmanager
def served(run: Path) -> Iterator[Served]:
    """`packsmith dashboard` of a run, until the block ends."""
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "harness", "dashboard", str(run), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("packsmith dashboard ended")
        yield Served(process=process, url=url, start_s=time.monotonic() - begin)
    finally:
        process.terminate()
        process.wait()


def create(folder: Path) -> Archive:
    """An archive as a search makes it: a page reads its config."""
    config = load(str(ROOT / "configs/quickstart.yaml")).resolved()
    return Archive.create(folder, seed_source=loop.PROGRAM, config=config)


def fill(folder: Path, attempts: int) -> None:
    """In a process of its own, so that its memory is gone."""
    command = [sys.executable, __file__, "--folder", str(folder), "--fill", str(attempts)]
    subprocess.run(command, check=True)


def seconds(work: Callable[[], object]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def opened_s(page: Served, folder: Path) -> tuple[float, str]:
    """Seconds until the page is drawn, and in what that was measured."""
    try:
        with chromium(folder / "profile", page.url) as browser:
            times = [seconds(browser.open) for _ in range(3)]
        return statistics.median(times), "Chromium"
    except pytest.skip.Exception:
        times = [seconds(lambda: [page.get(path) for path in OPENING]) for _ in range(3)]
        return statistics.median(times), "requests"


def views(size: int) -> dict[str, list[str]]:
    """The paths of each view, for different attempts or words."""
    numbers = [1 + (size - 2) * part // (TIMES - 1) for part in range(TIMES)]
    run = "/api/runs/0"
    return {
        "attempt": [f"{run}/attempts/{number}" for number in numbers],
        "way": [f"{run}/way/{number}" for number in numbers],
        "difference": [f"{run}/diff?a={number}&b={max(1, number // 2)}" for number in numbers],
        "search": [f"{run}/search?q={quote(word)}" for word in ("step", "more there", "step_77", "#42", "absent")],
        "search of code": [f"{run}/search?where=code&q={word}" for word in ("7777", "next", "STEPS", "absent", "4")],
        "verdicts": [f"{run}/verdicts"] * TIMES,
        "spend": [f"{run}/spend"] * TIMES,
        "state": [run] * TIMES,
    }


def page_figures(run: Path, size: int) -> dict[str, Any]:
    """Opening, views and memory for one run."""
    with served(run) as page:
        open_s, how = opened_s(page, run.with_name(f"browser-{size}"))
        view_ms = {
            name: 1000 * statistics.median(seconds(lambda path=path: page.get(path)) for path in paths)  # type: ignore[misc]
            for name, paths in views(size).items()
        }
        figures = {"open_s": open_s, "view_ms": max(view_ms.values()), "memory_mb": page.memory_mb()}
        return {**figures, "start_s": page.start_s, "opened_in": how, "views_ms": view_ms}


@contextlib.contextmanager
def searching(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A search in a process of its own that writes down the time of each attempt, until the block ends. It is stopped
    after `WARM` attempts: all searches begin their turns at the same length.
    """
    create(folder).close()
    command = [sys.executable, __file__, "--folder", str(folder), "--search"]
    with times_of(folder).open("wb") as times, subprocess.Popen(command, stdout=times) as process:
        try:
            while times_of(folder).read_bytes().count(b"\n") < WARM:
                time.sleep(0.01)
            beside.tell(process.pid, signal.SIGSTOP)
            yield process
        finally:
            process.kill()


def times_of(folder: Path) -> Path:
    return folder.with_suffix(".times")


@contextlib.contextmanager
def followed(folder: Path) -> Iterator[beside.Side]:
    """A search and a page's server, with a listener that throws away what it is told."""
    with searching(folder) as search, served(folder) as page:
        connection = http.client.HTTPConnection(urlsplit(page.url).netloc, timeout=600)
        connection.request("GET", "/api/events")
        answer = connection.getresponse()
        threading.Thread(target=lambda: [None for _ in answer], daemon=True).start()
        yield beside.Side(searching=search.pid, beside=[page.process.pid], times=times_of(folder))
        end = time.monotonic() + FOLLOWS_S
        while json.loads(page.get("/api/runs/0"))["count"] < WARM:
            if time.monotonic() > end:
                raise RuntimeError("the page did not follow the search")
            time.sleep(0.2)


@contextlib.contextmanager
def shown(folder: Path) -> Iterator[beside.Side]:
    """A search and a page's server, whose overview is open in a Chromium that draws by this machine's cores."""
    with (
        searching(folder) as search,
        served(folder) as page,
        chromium(folder.with_suffix(".browser"), page.url) as browser,
    ):
        browser.open()
        around = [page.process.pid, browser.pid]
        yield beside.Side(searching=search.pid, beside=around, times=times_of(folder))
        if int(browser.run("return document.querySelector('.scatter').dataset.points")) < WARM:
            raise RuntimeError("the page did not draw the search")


def loop_figures(folder: Path, *, quick: bool) -> dict[str, Any]:
    """`loop_ratio` and the figures beside it."""
    rounds, turn_s = ROUNDS[quick]
    with contextlib.ExitStack() as stack:
        search = stack.enter_context(searching(folder / "alone"))
        sides = {"alone": beside.Side(searching=search.pid, beside=(), times=times_of(folder / "alone"))}
        sides["server"] = stack.enter_context(followed(folder / "server"))
        with contextlib.suppress(pytest.skip.Exception):
            sides["browser"] = stack.enter_context(shown(folder / "browser"))
        beside.take_turns(list(sides.values()), rounds=rounds, turn_s=turn_s)
    figures: dict[str, Any] = {"loop_rate": statistics.fmean(sides["alone"].rates())}
    for side, suffix in ((sides.get("browser", sides["server"]), ""), (sides["server"], "_server")):
        found, low, high = beside.ratio(side, sides["alone"])
        figures |= {f"loop_ratio{suffix}": found, f"loop_ratio{suffix}_interval": [low, high]}
        figures[f"page_cores{suffix}"] = side.cores
    return figures


def part(options: argparse.Namespace) -> None:
    """What a process of its own does: fill an archive, or search in one."""
    loop.create = create
    if options.fill:
        loop.fill(options.folder, options.fill)
        with Archive.open(options.folder) as archive:
            archive.maintain()  # as in a search, which packs as it goes
        return
    for _ in loop.endless(options.folder):
        print(time.monotonic(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="about a minute")
    parser.add_argument("--json", action="store_true", help="print one object of figures")
    parser.add_argument(
        "--folder", type=Path, help="where to create archives (default: the folder for temporary files)"
    )
    parser.add_argument("--fill", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--search", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill or options.search:
        part(options)
        return
    begin = time.monotonic()
    by_size: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="packsmith-page-", dir=options.folder, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for size in SIZES[:2] if options.quick else SIZES:
            fill(folder / str(size), size)
            for key, value in page_figures(folder / str(size), size).items():
                by_size.setdefault(key, {})[str(size)] = value
        figures: dict[str, Any] = {**by_size, **loop_figures(folder, quick=options.quick)}
    figures["seconds"] = time.monotonic() - begin
    figures = rounded(figures)
    if options.json:
        print(json.dumps({**figures, "machine": machine.describe()}))
        return
    for key, value in figures.items():
        print(f"{key:<12} {json.dumps(value)}   {TARGETS.get(key, '')}".rstrip())
    print(machine.describe())


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return round(value, 3) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
