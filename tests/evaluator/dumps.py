"""Files of torch for tests that read them.

Owns: how they are written without another process. Does not know: what they hold.
"""

from __future__ import annotations

import contextlib
from pathlib import Path


def write_dumps(folder: Path, code: str) -> None:
    """Run code that saves files with torch in a folder. The suite imports torch anyway; another process would take more
    than a second to do so.
    """
    with contextlib.chdir(folder):
        exec(code, {})
