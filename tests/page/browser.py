"""A real browser that looks at the live page, and the page's server as a user starts it.

Owns: starting and ending both, what a person does with a page, and what the browser saw go wrong. Does not know: what
the page shows. Tests are skipped where Chromium or its driver is not installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cli.runs import command, environment

PATIENCE_S = 30.0
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps"),
    *("--disable-extensions", "--no-default-browser-check", "--window-size=1440,900", "--lang=en"),
)


class Browser:
    """Chromium without a window. `page` is where its addresses begin: `http://127.0.0.1:PORT/`."""

    def __init__(self, driver: Any, page: str) -> None:
        self._driver, self.page = driver, page

    @property
    def pid(self) -> int:
        """The process that started all others of the browser."""
        return int(self._driver.service.process.pid)

    def open(self, address: str = "") -> None:
        """Load the page anew at a hash address, and wait until it has drawn its view."""
        self._driver.get("about:blank")
        self._driver.get(self.page + address)
        self.until("return document.documentElement.dataset.ready === 'yes'")

    def go(self, address: str) -> None:
        """Change the hash address, as a link does."""
        self.run("location.hash = arguments[0]", address)

    def elsewhere(self, url: str) -> None:
        """Load another page."""
        self._driver.get(url)

    def run(self, script: str, *arguments: object) -> Any:
        """The value of a script in the page."""
        return self._driver.execute_script(script, *arguments)

    def awaited(self, script: str, *arguments: object) -> Any:
        """The value of a script that may wait: the body of an asynchronous function."""
        wrapped = "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);"
        wrapped += f"(async (...given) => {{ {script} }})(...given).then(done, (error) => done('failed: ' + error))"
        return self._driver.execute_async_script(wrapped, *arguments)

    def until(self, script: str, *arguments: object) -> Any:
        """Wait until a script gives something true, which is returned."""
        from selenium.webdriver.support.ui import WebDriverWait

        waiting = WebDriverWait(self._driver, PATIENCE_S, poll_frequency=0.05)
        return waiting.until(lambda driver: driver.execute_script(script, *arguments), f"never true: {script}")

    def shows(self, selector: str, text: str = "") -> str:
        """Wait until an element with this text is on the page; its whole text."""
        script = """
            const found = [...document.querySelectorAll(arguments[0])].find((e) => e.innerText.includes(arguments[1]));
            return found ? found.innerText + " " : ""
        """
        return str(self.until(script, selector, text))

    def click(self, selector: str, text: str = "") -> None:
        """Click the first element with this text, as a mouse would; again if the page replaced it just then."""
        from selenium.common.exceptions import StaleElementReferenceException

        script = "return [...document.querySelectorAll(arguments[0])].find((e) => e.innerText.includes(arguments[1]))"
        for _ in range(20):
            self.shows(selector, text)
            with suppress(StaleElementReferenceException):
                element = self.run(script, selector, text)
                self.run("arguments[0].scrollIntoView({block: 'center'})", element)
                element.click()
                return
        raise AssertionError(f"{selector} is replaced all the time")

    def type(self, selector: str, text: str) -> None:
        """Write into a field."""
        self.until("return document.querySelector(arguments[0])", selector).send_keys(text)

    def press(self, keys: str) -> None:
        """Press keys where the focus is."""
        self._driver.switch_to.active_element.send_keys(keys)

    def resize(self, width: int, height: int) -> None:
        """Show the page as a window of this size would, however narrow."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def screenshot(self, file: Path) -> None:
        """What the window shows, as a PNG."""
        file.write_bytes(self._driver.get_screenshot_as_png())

    def complaints(self) -> list[str]:
        """What the console was told since the last call: errors of scripts, and what the page's policy blocked."""
        return [line["message"] for line in self._driver.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]

    def hosts(self) -> set[str]:
        """The hosts and ports that were asked for something since the last call."""
        messages = (json.loads(line["message"])["message"] for line in self._driver.get_log("performance"))
        urls = (m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent")
        return {urlsplit(url).netloc for url in urls if urlsplit(url).scheme in ("http", "https", "ws", "wss")}


def installed() -> tuple[str, str]:
    """The paths of Chromium and its driver; without both, or without selenium, the test is skipped."""
    pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("no chromium and chromedriver on the path (Debian: chromium, chromium-driver)")
    return program, driver


@contextmanager
def chromium(profile: Path, page: str) -> Iterator[Browser]:
    """A browser with an empty profile; without one on this machine, the test is skipped."""
    program, driver = installed()
    from selenium import webdriver as selenium

    options = selenium.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = selenium.ChromeService(executable_path=driver, env=environment())
    running = selenium.Chrome(options=options, service=service)
    try:
        running.set_script_timeout(PATIENCE_S)
        yield Browser(running, page)
    finally:
        running.quit()


@contextmanager
def dashboard(folder: Path, runs: Sequence[str], *options: str) -> Iterator[str]:
    """The server as `packsmith dashboard RUN...` starts it; the page's address."""
    words = [command(), "dashboard", *runs, "--port", "0", *options]
    with subprocess.Popen(words, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://"), f"no address: {address!r}"
            yield address
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
