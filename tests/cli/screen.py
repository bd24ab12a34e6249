"""A terminal in software: what is on its screen after a command wrote to it.

Owns: printing, wrapping, line breaks, moving up, wiping a row, hiding the cursor, and another width, at which wrapped
lines flow anew as most terminals have it. Anything else that moves the cursor is an error.
"""

from __future__ import annotations

import re

_PART = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|([\x00-\x1f\x7f])|([^\x00-\x1f\x7f]+)")


class Screen:
    """A terminal with a number of columns, and as many rows as are needed. Each character takes one column."""

    def __init__(self, columns: int) -> None:
        self.columns, self.shows_cursor = columns, True
        self._rows, self._continues = [""], [False]
        self._row = self._column = 0

    @property
    def lines(self) -> list[str]:
        """What is on the screen, row by row."""
        return [row.rstrip() for row in self._rows]

    def feed(self, text: str) -> Screen:
        """Write to it."""
        end = 0
        for part in _PART.finditer(text):
            assert part.start() == end, f"cannot read {text[end : part.start() + 9]!r}"
            end = part.end()
            number, letter, control, printed = part.groups()
            if printed:
                for character in printed:
                    self._put(character)
            elif control:
                self._control(control)
            elif letter == "A":
                self._row = max(0, self._row - int(number or 1))
            elif (number, letter) == ("2", "K"):
                self._rows[self._row] = ""
            elif (number, letter) in (("?25", "h"), ("?25", "l")):
                self.shows_cursor = letter == "h"
            else:
                assert letter == "m", f"an unusual control sequence: {part[0]!r}"
        assert end == len(text)
        return self

    def resize(self, columns: int) -> None:
        """Give it another width; the cursor is at the beginning of a row."""
        rows, continues, place = [""], [False], 0
        for at, (row, goes_on) in enumerate(zip(self._rows, self._continues, strict=True)):
            if at == self._row:
                place = len(rows) - 1
            rows[-1] += row
            if not goes_on:
                parts = [rows[-1][start : start + columns] for start in range(0, max(1, len(rows[-1])), columns)]
                rows[-1:], continues[-1:] = [*parts, ""], [*(True for _ in parts[1:]), False, False]
        self._rows, self._continues, self._row, self.columns = rows[:-1], continues[:-1], place, columns

    def _put(self, character: str) -> None:
        if self._column == self.columns:
            self._continues[self._row] = True
            self._down()
        row = self._rows[self._row].ljust(self._column)
        self._rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
        self._column += 1

    def _control(self, control: str) -> None:
        assert control in "\r\n", f"an unusual control character: {control!r}"
        if control == "\n":
            self._down()
        self._column = 0

    def _down(self) -> None:
        self._row, self._column = self._row + 1, 0
        if self._row == len(self._rows):
            self._rows.append("")
            self._continues.append(False)
