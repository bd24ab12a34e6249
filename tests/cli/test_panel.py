"""The panel of a search on a terminal: drawn below the attempts, gone at the end, absent where it is not wanted."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import signal
import struct
import termios
import time
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from harness.cli.next_steps import next_steps
from harness.cli.panel import Panel, rows_of
from harness.cli.verbs import verbs
from tests.cli.runs import PATIENCE_S, QUICKLY, command, environment
from tests.cli.screen import Screen

FACTS = ["── run ──", "best  7", "now   timing"]


class Terminal(io.StringIO):
    """What a panel is written to."""

    def isatty(self) -> bool:
        return True


def console(file: Terminal, width: int) -> Console:
    return Console(file=file, force_terminal=True, width=width, height=20, _environ={"NO_COLOR": "1"})


def facts(width: int, height: int) -> list[Text]:
    return [Text(line, style="red", no_wrap=True, end="\n") for line in FACTS]


def wait_for(file: Terminal, text: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while text not in file.getvalue():
        assert time.monotonic() < deadline_s, file.getvalue()
        time.sleep(0.01)


def test_lines_scroll_above_the_panel_and_it_goes_when_it_ends() -> None:
    file = Terminal()
    with Panel(console(file, 40), facts) as panel:
        wait_for(file, "now")
        panel.above(Text("   1  first"))
        wait_for(file, "first")
        time.sleep(0.05)  # until that drawing is whole
        with panel.aside():
            assert [line for line in Screen(40).feed(file.getvalue()).lines if line] == ["   1  first"]
            file.write("note: something\n")
        during = Screen(40).feed(file.getvalue())
        panel.above(Text("   2  last"))
    after = Screen(40).feed(file.getvalue())
    assert during.lines == ["   1  first", "note: something", *FACTS, ""] and not during.shows_cursor
    assert [line for line in after.lines if line] == ["   1  first", "note: something", "   2  last"]
    assert after.shows_cursor
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", file.getvalue()), "NO_COLOR is respected"


def test_an_error_leaves_the_terminal_clean() -> None:
    file = Terminal()
    with pytest.raises(KeyboardInterrupt), Panel(console(file, 40), facts) as panel:
        wait_for(file, "now")
        file.write("^C")  # as a terminal shows it
        with panel.aside():
            raise KeyboardInterrupt
    screen = Screen(40).feed(file.getvalue())
    assert not any(screen.lines) and screen.shows_cursor


def test_a_window_that_is_made_narrower_keeps_no_piece_of_the_panel() -> None:
    """The terminal wraps the old lines; they are wiped with all their rows."""
    file = Terminal()
    shrinking = console(file, 40)
    panel = Panel(shrinking, lambda width, height: [Text("x" * min(width, 30)), Text("now")])
    panel.draw()
    screen, before = Screen(40).feed(file.getvalue()), len(file.getvalue())
    assert screen.lines == ["x" * 30, "now", ""]
    screen.resize(12)
    shrinking.width = 12
    assert screen.lines == ["x" * 12, "x" * 12, "x" * 6, "now", ""]
    panel.draw()
    screen.feed(file.getvalue()[before:])
    assert [line for line in screen.lines if line] == ["x" * 11, "now"]


def test_rows_that_lines_take() -> None:
    assert rows_of([], 10) == 0
    assert rows_of([0, 1, 10, 11, 25], 10) == 1 + 1 + 1 + 2 + 3


def test_what_to_do_next_names_verbs_and_fits_the_width() -> None:
    wide = next_steps(Path("runs/my first"), 7, 80)
    assert wide[0] == "next:" and wide[1].startswith("  packsmith best 'runs/my first'  ")
    assert wide[2].startswith("  packsmith show 'runs/my first' 7  ")
    narrow = next_steps(Path("r"), 1, 50)
    assert narrow[3:] == ["  packsmith report r -o report.html", "  packsmith dashboard r"]
    assert {line.split()[1] for line in narrow[1:]} <= verbs().keys()


class Session:
    """The command on a terminal, read as it goes."""

    def __init__(self, folder: Path, columns: int, *words: str) -> None:
        self.seen = ""
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            os.execve(command(), [command(), *words], environment(TERM="xterm"))
        self.resize(columns)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def read_until(self, pattern: str) -> None:
        while not re.search(pattern, self.seen):
            assert self._read(), self.seen

    def interrupt(self) -> None:
        """What Ctrl-C does, but that it throws away what the terminal has not shown yet."""
        os.kill(self._pid, signal.SIGINT)

    def end(self) -> int:
        """Read the rest; the exit code."""
        while self._read():
            pass
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _read(self) -> bool:
        try:
            some = os.read(self._terminal, 1 << 16)
        except OSError:  # how a terminal says that the last one who had it open is gone
            return False
        self.seen += some.decode(errors="replace")
        return bool(some)


@pytest.mark.slow
def test_a_search_on_a_terminal_is_interrupted_and_goes_on_plainly(workshop: Path) -> None:
    words = ("search", "tiny.yaml", "--run", "run", *QUICKLY)
    live = Session(workshop, 60, *words)
    live.read_until(r" 1  careful")
    live.resize(70)
    live.interrupt()
    assert live.end() == 130
    for word in ("── run · ", "attempts  ", "starting", "best  ", " over solver.py"):
        assert word in live.seen, word
    screen = Screen(70).feed(live.seen)
    assert screen.shows_cursor
    shown = "\n".join(screen.lines)
    assert "   0  seed" in shown and "   1  careful" in shown and "interrupted: everything so far" in shown
    for gone in ("── run", "attempts  ", "rate  ", "now  "):
        assert gone not in shown, "nothing of the panel is left"

    plain = Session(workshop, 80, *words, "-s", "budget.attempts=1", "--plain")
    assert plain.end() == 0
    rest = plain.seen.replace("\r\n", "\n")
    assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f]*", rest), "no control characters"
    assert "search ended: all 1 attempts are made" in rest and "best program:  run/best.py" in rest
    assert "\nnext:\n  packsmith best run  " in rest
