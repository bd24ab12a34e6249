"""Other programs that are drawn beside a run's attempts, such as the policies of engines.

Owns: reading them from the lines that `packsmith evaluate --json` prints, and whether their figures compare with the
run's. Does not know: how they were measured, how they are drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.page.words import whole
from harness.types import HarnessError

MOST_BYTES, MOST_MARKS = 50_000_000, 200


class MarksError(HarnessError):
    """A file of marks that cannot be used: says what was expected and found, and where."""


def read_marks(path: Path) -> list[dict[str, Any]]:
    """The scored programs of a file, one JSON object a line; lines of rejected programs are passed over.

    Raises MarksError.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise MarksError(f"{path}: expected at most {MOST_BYTES:,} bytes of marks, found {path.stat().st_size:,}")
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise MarksError(f"{path}: {error.strerror}; expected what `packsmith evaluate --json` printed") from error
    except UnicodeDecodeError as error:
        raise MarksError(f"{path}: byte {error.start} is not UTF-8; expected JSON lines") from error
    numbered = ((f"{path}:{at}", line) for at, line in enumerate(lines, 1) if line.strip())
    marks = [mark for where, line in numbered if (mark := _mark(where, line)) is not None]
    if not 1 <= len(marks) <= MOST_MARKS:
        raise MarksError(f"{path}: expected 1 to {MOST_MARKS} scored programs, found {len(marks)}")
    return marks


def compared(mark: Mapping[str, Any], *, task: str, quality: str, fingerprint: str) -> dict[str, Any]:
    """A mark for one run: its figures, and whether they compare with those that have this fingerprint ("" for a run
    without a score yet); `why` not, in words.
    """
    why = ""
    if mark["task"] != task or mark["quality_name"] not in ("", quality):
        why = f"another task: {mark['task']}"
    elif fingerprint and mark["fingerprint"] != fingerprint:
        why = "measured under other conditions, such as another machine, number of threads or reference"
    shown = ("name", "quality", "quality_low", "quality_high", "speedup", "speedup_low", "speedup_high")
    return {**{name: mark[name] for name in shown}, "comparable": not why, "why": whole(why, 200)}


def _mark(where: str, line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MarksError(f"{where}: expected a JSON object, found other text: {error}") from error
    if not isinstance(record, dict) or "verdict" not in record:
        raise MarksError(f"{where}: expected a line of `packsmith evaluate --json`, found another JSON value")
    if record["verdict"] != "scored":
        return None
    try:
        quality = record["quality"]["value"]
        gain, speedup = record.get("gain"), record["speedup"]
        below = gain["median"] - gain["low"] if gain else 0.0
        above = gain["high"] - gain["median"] if gain else 0.0
        figures = {
            "quality": quality,
            "quality_low": quality - below,
            "quality_high": quality + above,
            "speedup": speedup["median"],
            "speedup_low": speedup["low"],
            "speedup_high": speedup["high"],
        }
        texts = {
            "name": whole(Path(str(record["program"])).stem, 80),
            "task": str(record["task"]),
            "quality_name": str(record["quality"].get("name", "")),
            "fingerprint": str((record.get("environment") or {}).get("fingerprint", "")),
        }
        finite = all(type(value) in (int, float) and math.isfinite(value) for value in figures.values())
    except (KeyError, TypeError, AttributeError) as error:
        raise MarksError(f"{where}: expected a scored program's quality and speed-up, found no {error}") from error
    if not finite or figures["speedup_low"] <= 0:
        raise MarksError(f"{where}: expected finite figures and a speed-up above 0, found {figures}")
    return {**texts, **figures}
