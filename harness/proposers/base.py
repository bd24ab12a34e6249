"""What a proposer is given and what it gives.

Owns: the protocol of proposers and their options. Does not know: any proposer, the loop, the archive.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.git import encode
from harness.select import Standing
from harness.types import Entry, Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a proposer sees of a search: its entries, where it stands, the parents the rule picked, and programs by
    entry id.

    `parents` come in the order of preference and are never empty; a proposer may prefer others and says so in its
    proposal.
    """

    entries: tuple[Entry, ...]
    standing: Standing
    parents: tuple[Entry, ...]
    source: Callable[[str], str]


class Proposer(Protocol):
    """Makes proposals. The same view and the same state of `rng` give the same proposal."""

    def propose(self, view: View, rng: random.Random) -> Proposal | None:
        """The next proposal, or None where nothing is left to propose."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchText:
    """A patch in the format of a model's reply, and what it is called."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposerOptions:
    """What a proposer is built from; each takes what it needs."""

    patches: tuple[PatchText, ...] = ()


def program_id(source: str) -> str:
    """The id git gives a program of this text, as in `Entry.program_id`."""
    data = encode(source)
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
