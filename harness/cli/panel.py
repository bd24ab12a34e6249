"""A panel at the bottom of a terminal, below lines that scroll.

Owns: drawing it, wiping it and drawing it again several times a second, also in a window whose size changes, and
leaving the terminal as it was. Does not know: what the panel or the lines say.

The panel's lines end with a line break and the cursor rests below them. To wipe them it goes up by as many rows as
they take at the present width: a terminal that was made narrower has wrapped them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

_PERIOD_S = 0.2

Layout = Callable[[int, int], Sequence[Text]]
"""The lines of the panel, given the columns and the rows that it may have. Called from any thread."""


class Panel:
    """A panel on a console that is a terminal. Its methods may be called from any thread."""

    def __init__(self, console: Console, layout: Layout) -> None:
        self._console, self._layout = console, layout
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._redraw, name="panel", daemon=True)
        self._drawn: list[int] = []
        self._above: list[Text] = []
        self._hidden = 0

    def __enter__(self) -> Self:
        self._console.show_cursor(False)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Print the lines that are left, and remove the panel."""
        self._ended.set()
        with self._lock:
            self._hidden += 1
            try:
                self._wipe()
                self._print_above()
            finally:
                self._console.show_cursor(True)
        self._thread.join()

    def above(self, line: Text) -> None:
        """Print a line above the panel, when that is drawn next."""
        with self._lock:
            self._above.append(line)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Take the panel away while something else is printed on the same terminal."""
        with self._lock:
            self._wipe()
            self._print_above()
            self._hidden += 1
            try:
                yield
            finally:
                self._hidden -= 1
                self.draw()

    def _redraw(self) -> None:
        # A terminal that is gone ends the panel; the command learns of it by a signal.
        with contextlib.suppress(OSError):
            while not self._ended.wait(_PERIOD_S):
                self.draw()

    def draw(self) -> None:
        """Replace the panel, at once, so that it does not flicker: all of it is written in one piece."""
        with self._lock:
            if self._hidden or self._ended.is_set():
                return
            size = self._console.size
            with self._console:
                self._wipe()
                self._print_above()
                lines = self._layout(size.width - 1, size.height - 1)
                for line in lines:
                    self._console.print(line)
            self._drawn = [line.cell_len for line in lines]

    def _wipe(self) -> None:
        if self._drawn:
            row = (ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)
            steps = row * rows_of(self._drawn, self._console.size.width)
            # What a user typed is shown on the row of the cursor, as ^C is.
            here = ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)
            self._console.control(Control(*here, *steps))
        self._drawn = []

    def _print_above(self) -> None:
        lines, self._above = self._above, []
        for line in lines:
            self._console.print(line)


def rows_of(widths: Sequence[int], width: int) -> int:
    """How many rows lines of these widths take where each wraps at `width` columns; an empty line takes one."""
    return sum(max(1, -(-cells // max(1, width))) for cells in widths)
