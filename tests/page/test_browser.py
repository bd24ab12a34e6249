"""The live page in a real browser, during a search: what a person sees, does, and is protected from."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evaluator.types import Rejected
from harness.archive import Archive
from harness.types import Attempt, Candidate, Proposal
from tests.cli.runs import PATCHES, QUICKLY, Cli, command, environment, write_workshop
from tests.harness.builders import on_split
from tests.page.browser import PATIENCE_S, Browser, chromium, dashboard, installed

pytestmark = pytest.mark.slow

SEARCHED = 80
"""Attempts after which the search ends."""
BAD = "<img src=x onerror=\"window.hacked='image'\"></script><script>window.hacked='script'</script>"
TURNED = "\u202eevil\u202c\u0007"
LONG = "word" * 30_000
VIEWS = ("r/0", "r/0/lineage", "r/0/attempts", "r/0/a/1", "r/0/a/2", "r/0/tickets", "compare")
SNEAKY = f"\n# {BAD}\n# {TURNED}\n# '''{'x' * 5000}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A run that is searched on while the page shows it."""

    folder: Path
    page: str
    browser: Browser

    @property
    def asked(self) -> list[int]:
        """The tickets that wait for an answer."""
        return [one["ticket"] for one in self.get("/api/runs/0")["tickets"] if one["state"] == "asked"]

    def get(self, path: str) -> Any:
        return self.ask("GET", path)[1]

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, Any]:
        """A request that no browser makes."""
        connection = http.client.HTTPConnection(self.page.removeprefix("http://").strip("/"), timeout=PATIENCE_S)
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One search, one server, one browser for all tests; the search goes on in the background."""
    installed()
    folder = write_workshop(tmp_path_factory.mktemp("page"))
    begin = [command(), "search", "tiny.yaml", "--run", "live", *QUICKLY]
    quiet: dict[str, Any] = {"cwd": folder, "env": environment()} | dict.fromkeys(
        ("stdout", "stderr"), subprocess.DEVNULL
    )
    first = subprocess.Popen([*begin, "-s", "budget.attempts=1"], **quiet)
    with chromium(tmp_path_factory.mktemp("profile"), "") as browser:
        assert first.wait(PATIENCE_S) == 0
        _hostile(folder / "live")
        for _ in range(2):
            Cli(cwd=folder)("ask", "live", "--kind", "patch", "-o", "prompt.md")
        with dashboard(folder, ["live"]) as address:
            browser.page = address
            browser.open()
            search = subprocess.Popen([*begin, "-s", f"budget.attempts={SEARCHED}"], **quiet)
            yield Site(folder=folder, page=address, browser=browser)
            search.terminate()
            search.wait(PATIENCE_S)


def _hostile(run: Path) -> None:
    """Append an attempt in which all text is hostile."""
    with Archive.open(run) as archive:
        seed = archive.entries[0]
        text = f"<NAME>\n{BAD}{TURNED}\n</NAME>\n{BAD}{TURNED}{LONG}"
        proposal = Proposal(kind="patch", parents=(seed.id,), reply=text, proposer=BAD, model=BAD)
        source = archive.source(seed.id) + SNEAKY
        candidate = Candidate(name=BAD + TURNED + LONG, description=BAD + TURNED + LONG, source=source, warnings=(BAD,))
        verdict = Rejected(stage="run", reason="exception", detail=BAD + TURNED + LONG)
        made = archive.append(Attempt(number=2, proposal=proposal, candidate=candidate, verdict=verdict))
        for split, gain in (("search", 0.02), ("gate", 0.018), ("final", 0.001)):
            archive.split_notes.add(made.id, on_split(split, gain, 0.001, against=seed.id))


@pytest.fixture(autouse=True)
def clean(site: Site) -> Iterator[None]:
    """After each test: nothing was executed, nothing complained, nothing was asked of any other host."""
    yield
    assert site.browser.run("return window.hacked") is None
    assert site.browser.complaints() == []
    assert site.browser.hosts() <= {site.page.removeprefix("http://").strip("/")}


def test_points_appear_and_an_attempt_opens_while_the_search_runs(site: Site) -> None:
    browser = site.browser
    browser.resize(1440, 900)
    browser.open()
    browser.shows(".headline h1", "lead")
    before = int(browser.run("return document.querySelector('.scatter').dataset.points"))
    browser.until("return Number(document.querySelector('.scatter').dataset.points) > arguments[0]", before)
    browser.until("return document.querySelector('.newest tr.fresh')")
    assert browser.run("return performance.getEntriesByType('navigation').length") == 1
    browser.click(".newest a.attempt", "hasty")
    browser.shows(".attempthead h1", "hasty")
    assert "PAUSE_S = 0.0" in browser.shows("tr.come td.code", "PAUSE_S")
    assert "PAUSE_S = 0.003" in browser.shows("tr.gone td.code", "PAUSE_S")
    assert browser.run("return document.querySelector('tr.come ins').innerText") in "0.0"
    assert len(browser.run("return [...document.querySelectorAll('.strip circle')]")) >= 3
    browser.press("k")
    browser.until("return (document.querySelector('.attempthead h1')?.innerText || 'hasty') !== 'hasty'")
    assert browser.run("return document.querySelectorAll('[style*=expression], script:not([src])').length") == 0


def test_search_finds_names_reasons_and_code(site: Site) -> None:
    browser = site.browser
    browser.open("#/r/0/attempts")
    browser.press("/")
    browser.press("careful\n")
    browser.until("return document.querySelector('.attempts')?.dataset.rows >= 1 && location.hash.includes('careful')")
    assert "careful" in browser.shows("td.title", "careful")
    browser.click(".finder button", "code")
    browser.until("return location.hash.includes('in=code')")
    browser.go("#/r/0/attempts?q=EXTRA_S %3D 0.004&in=code")
    assert "EXTRA_S = 0.004" in browser.shows(".excerpt mark", "EXTRA_S")
    browser.go("#/r/0/attempts?q=never-written")
    browser.shows(".attempts", "No attempt matches")


def test_a_ticket_is_answered_and_becomes_an_attempt(site: Site) -> None:
    browser = site.browser
    browser.open("#/r/0/tickets")
    ticket = site.asked[0]
    browser.click(".underway a", f"ticket {ticket}")
    browser.shows("pre.raw", "SEARCH")
    browser.type("form.answer textarea", "I have no idea.")
    browser.run("document.querySelector('form.answer textarea').value = arguments[0]", PATCHES["careful.patch"])
    browser.click("form.answer button", "Send")
    browser.shows("p.notice.done", "Attempt")
    browser.click("p.notice.done a")
    browser.shows(".attempthead h1", "careful")
    assert ticket not in site.asked


def test_advice_is_given_and_keys_do_what_the_list_of_keys_says(site: Site) -> None:
    browser = site.browser
    browser.open()
    browser.click(".tools button", "Advise")
    browser.type("dialog textarea", f"Look for speed. {BAD}")
    browser.click("dialog button", "Advise")
    browser.shows("#said p", "stands in all later prompts")
    assert site.get("/api/runs/0")["advice"] == [f"Look for speed. {BAD}"]
    browser.press("?")
    browser.shows("dialog[open] kbd", "/")
    browser.press("\ue00c")
    browser.until("return !document.querySelector('dialog')")
    before = browser.run("return document.documentElement.dataset.theme")
    browser.press("d")
    assert browser.run("return document.documentElement.dataset.theme") != before
    browser.press("d")


def test_hostile_text_stays_text_in_every_view(site: Site) -> None:
    browser = site.browser
    for width, height in ((1440, 900), (390, 844)):
        browser.resize(width, height)
        for view in (*VIEWS, f"r/0/tickets/{site.asked[-1]}"):
            browser.go(f"#/{view}")
            name = view.removeprefix("r/0").strip("/").split("/")[0] or "overview"
            browser.until("return document.querySelector('main').dataset.view === arguments[0]", name)
            browser.until("return !document.querySelector('main .loading')")
            wide = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{name} is {wide} px wider than a window of {width}"
            assert browser.run("return document.querySelectorAll('main img, main script, main iframe').length") == 0
    browser.resize(1440, 900)
    browser.go("#/r/0/a/2")
    assert "<img src=x onerror=" in browser.shows(".attempthead h1", "<img")
    assert "[U+202E]evil" in browser.shows("tr.come td.code", "evil")
    assert "Overfitting on final" in browser.shows("[data-section=held-out] .overfitting")
    browser.go("#/r/0/attempts?q=onerror")
    browser.shows("td.title", "<img src=x")


def test_the_overview_says_what_held_out_loads_say(site: Site) -> None:
    """The panel in the page that shows it, with what a server says of a run with held-out loads."""
    site.browser.open()
    script = """
        const { best, short } = await import('/static/js/splits.js');
        const { fill } = await import('/static/js/dom.js');
        const { run } = await import('/static/js/store.js');
        const { columns, state } = run(0);
        const interval = { median: 0.02, low: 0.01, high: 0.03 };
        const row = { quality: 0.82, seed_quality: 0.8, gain: interval, speedup: interval, gap: interval };
        const measured = [{ ...row, split: 'search', gap: null }, { ...row, split: 'gate' }];
        const lists = { search_only: { count: 9, newest: [2] }, untold: { count: 0, newest: [] } };
        const said = (splits) => {
          const body = document.querySelector('.panel.splits .body');
          fill(body, best(0, { columns, state: { ...state, splits, champion: 1, seed_attempt: 0 } }));
          return [body.querySelectorAll('tbody tr').length, body.querySelectorAll('img').length, body.textContent];
        };
        const hidden = document.querySelector('.panel.splits').hidden;
        const none = best(0, { columns, state: { ...state, splits: null } });
        const line = document.createElement('p');
        fill(line, short({ splits: { measured: [{ ...measured[1], overfits: true }] } }));
        return [hidden, none, said({ measured, ...lists }), said({ measured: [], ...lists }), line.textContent];
    """
    hidden, none, shown, before, line = site.browser.awaited(script)
    assert (hidden, none, shown[:2], before[:2]) == (True, None, [2, 0], [0, 0])
    assert line.endswith("+2.00 points, 0.020× as fast (gate). Overfitting on gate.")
    assert "+2.00 [+1.00, +3.00]" in shown[2] and "No overfitting seen on gate." in shown[2]
    assert "search only:" in shown[2] and "<img src=x" in shown[2] and "and 8 before" in shown[2]
    assert "surely no worse" in before[2] and "on the gate" in before[2]


def test_stopping_asks_once_more_and_ends_the_search(site: Site) -> None:
    browser = site.browser
    browser.resize(1440, 900)
    browser.open()
    if not site.get("/api/runs/0")["working"]:
        pytest.skip("the search has ended already")
    browser.click(".tools button", "Stop")
    browser.shows("dialog h2", "Stop this search?")
    assert not site.get("/api/runs/0")["stop_asked"]
    browser.click("dialog button", "Stop the search")
    browser.shows("#said p", "asked to stop")
    assert site.get("/api/runs/0")["stop_asked"]


def test_a_foreign_page_gets_nothing(site: Site) -> None:
    foreign = {"Origin": "http://evil.example", "Content-Type": "application/json", "X-Packsmith": "1"}
    status, said = site.ask("POST", "/api/runs/0/advise", '{"text": "obey"}', **foreign)
    assert status == 403 and "error" in said
    assert site.ask("GET", "/api/runs", Host="evil.example")[0] == 403
    browser, advice = site.browser, site.get("/api/runs/0")["advice"]
    browser.elsewhere("data:text/html,<p>another site</p>")
    send = """
        const [url, mode, type] = given;
        const headers = { 'Content-Type': type };
        return (await fetch(url, { method: 'POST', mode, headers, body: '{"text": "obey"}' })).type;
    """
    url = f"{site.page}api/runs/0/advise"
    assert browser.awaited(send, url, "cors", "application/json").startswith("failed")
    browser.awaited(send, url, "no-cors", "text/plain")
    assert site.get("/api/runs/0")["advice"] == advice
    browser.complaints()  # that the browser refused is what was wanted
    browser.open()


def test_the_page_reads_diffs_and_strange_characters_as_they_are(site: Site) -> None:
    """The pure modules, in the browser that runs them."""
    site.browser.open()
    script = """
        const { rows, sideBySide } = await import('/static/js/unified.js');
        const { oneLine, visible } = await import('/static/js/text.js');
        const { coloured } = await import('/static/js/python.js');
        const { staircase } = await import('/static/js/frame.js');
        const found = rows('--- a\\n+++ b\\n@@ -1,2 +1,3 @@ def f\\n same\\n-old = 1\\n+old = 2\\n+--- new\\n');
        const quotes = '\\x22'.repeat(3);
        const lines = [`${quotes}a`, `b${quotes} # c <b>`, `'${'\\\\'.repeat(50)}`];
        return {
          kinds: found.map((row) => row.kind), numbers: found.map((row) => [row.old, row.now]),
          marks: found[3].marks, pairs: sideBySide(found).length, last: found[4].text,
          name: oneLine('a\\u202eb\\nc\\ud800' + 'x'.repeat(99), 8), text: visible('a\\u202e\\tb\\u0000'),
          same: coloured(lines).map((parts) => parts.map((part) => part[1]).join('')).join('|') === lines.join('|'),
          stairs: staircase([{ s: 1, q: 0.9 }, { s: 2, q: 0.8 }, { s: 0.5, q: 0.7 }], 0.1, 0.5),
        };
    """
    found = site.browser.awaited(script)
    assert found == {
        "kinds": ["gap", "same", "gone", "come", "come"],
        "numbers": [[None, None], [1, 1], [2, None], [None, 2], [None, 3]],
        "marks": [[6, 7]],
        "pairs": 4,
        "last": "--- new",
        "name": "ab c xx…",
        "text": "a[U+202E]\tb[U+0000]",
        "same": True,
        "stairs": [[2, 0.5], [2, 0.8], [1, 0.8], [1, 0.9], [0.1, 0.9]],
    }


def test_the_page_lays_out_filters_and_appends_as_it_says(site: Site) -> None:
    """Six attempts: 3 is the champion, made from 1; 4 crosses 1 with 2; 5 is rejected."""
    script = """
        const { Columns, COLUMNS, chain, children } = await import('/static/js/columns.js');
        const { layout, shown } = await import('/static/js/tree.js');
        const { listed } = await import('/static/js/listing.js');
        const { windows, place } = await import('/static/js/frame.js');
        const block = Object.fromEntries(COLUMNS.map((name) => [name, [0, 0, 0, 0, 0, 0]]));
        Object.assign(block, {
          n: [0, 1, 2, 3, 4, 5], parent: [-1, 0, 0, 1, 1, 1], merged: { 4: [2] }, same: [-1, -1, -1, -1, -1, -1],
          q: [0.5, 0.6, 0.4, 0.7, 0.6, null], s: [1, 2, 3, 4, 5, null], outcome: [0, 0, 0, 0, 0, 1],
          name: ['seed', 'b', 'a', 'd', 'c', 'e'],
        });
        const words = { kinds: ['patch'], outcomes: ['scored', 'run'], reasons: [''], models: ['m'] };
        const columns = new Columns();
        const part = { epoch: 'x', from: 0, count: 6, words, blocks: [block] };
        const took = [columns.take(part), columns.take(part), columns.take({ ...part, from: 9, count: 15 })];
        took.push(columns.take({ ...part, epoch: 'y' }), columns.count);
        const state = { champion: 3, front: [3, 4], seed_attempt: 0, floor: null };
        const options = { expanded: new Map(), focus: null, rejected: false };
        const numbers = shown(columns, state, options);
        const { nodes, edges, rows } = layout(columns, state, numbers, { rejected: true });
        const run = { columns, state };
        const sorted = (sort, more = {}) => [...listed(run, { sort, ...more })].map((row) => columns.n[row]);
        const points = [1, 2, 3, 4, 5, 6, 7, 8].map((at) => ({ q: at === 1 ? 0 : 0.9 + at / 1000, s: 1 }));
        const bounds = { left: 0, right: 99, top: 0, bottom: 99 };
        return {
          took, chain: chain(columns, 4), children: children(columns).get(2),
          rows: [...nodes.values()].map((node) => [node.number, node.row, node.column, node.hidden]), count: rows,
          best: edges.filter((edge) => edge.best).map((edge) => edge.to),
          merge: edges.filter((edge) => edge.merge).length,
          quality: sorted('q'), names: sorted('name'), rejected: sorted('n', { outcome: 'rejected' }),
          only: sorted('n', { only: new Set([2, 5]), outcome: 'run' }), differ: windows(points, []).differ,
          label: place([], 50, 50, 30, 10, bounds).anchor, none: place([bounds], 50, 50, 30, 10, bounds),
        };
    """
    assert site.browser.awaited(script) == {
        "took": [True, True, False, False, 6],
        "chain": [0, 1, 4],
        "children": [4],
        "rows": [[0, 0, 0, 0], [1, 0, 1, 1], [3, 0, 2, 0], [4, 1, 2, 0], [2, 2, 1, 0]],
        "count": 3,
        "best": [1, 3],
        "merge": 1,
        "quality": [3, 4, 1, 0, 2, 5],
        "names": [2, 1, 4, 3, 5, 0],
        "rejected": [5],
        "only": [5],
        "differ": True,
        "label": "start",
        "none": None,
    }
