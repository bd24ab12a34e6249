"""Where the shipped programs and configs are: beside the packages in a checkout, inside this one in an installed wheel.

Owns: finding shipped files. Does not know: what is in them.
"""

from __future__ import annotations

from pathlib import Path


def shipped(relative: str) -> Path:
    """The path of a shipped file such as `configs/quickstart.yaml`.

    Raises FileNotFoundError, naming the file, where this installation does not hold it.
    """
    here = Path(__file__).resolve().parent
    for root in (here.parent, here / "_shipped"):
        if (root / relative).exists():
            return root / relative
    raise FileNotFoundError(f"{relative} is not part of this installation of packsmith")
