"""A merge of two programs in a prompt: what each changed, and where the two changes conflict.

Owns: these values, for templates. Does not know: how programs are merged, how a prompt is rendered. Pure.

Programs and blocks keep their characters, since a model copies lines of them; templates fence each of them. The places
of a conflict are shown one by one, in a fence for each program, and not between marks of a merge: lines of a program
that look like such marks are lines like any others.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """One place that both programs changed, and differently: its lines in each of them and in their ancestor; "" for
    no line.
    """

    first: str
    base: str
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """The merge that a model is to finish. `base` names the latest ancestor of the two parents.

    `first` and `second` are their changes since then, as blocks against it; "" for one that is left out. `rest` are the
    blocks, against the first parent, that make the part of the second one's change that does not conflict; "" for none.
    Raises ValueError without a conflict.
    """

    base: str
    conflicts: tuple[Clash, ...]
    first: str = ""
    second: str = ""
    rest: str = ""

    def __post_init__(self) -> None:
        if not self.conflicts:
            raise ValueError("expected at least one conflict, found none")
