"""What a proposer is given and what it gives.

Owns: the protocol of proposers and their options. Does not know: any proposer, the loop, the archive.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol, Self

from evaluator import Task
from evaluator.settings import JudgeSettings
from evaluator.types import Rejected
from harness.llm.bandit import BanditSettings
from harness.select import Standing
from harness.types import Entry, HarnessError, Kind, Proposal, Request, Turn

EXTERNAL_PROPOSER, LLM_PROPOSER = "ask", "llm"
"""Two kinds of proposer that a search treats apart: `packsmith ask` and `tell`, and models behind endpoints."""


def _no_reply(entry_id: str) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a proposer sees of a search: its entries by number, where it stands, the parents the rule picked, and
    programs and replies by entry id.

    `parents` come in the order of preference and are never empty once the seed program is scored; a proposer may
    prefer others and says so in its proposal. `reply` gives the raw text of an attempt's last reply. `open` are the
    requests and proposals that are out, oldest first: asked or answered, and not archived yet. `advice` is what
    people added to the run, oldest first. `entries` grow from one view to the next and are the same objects; a
    proposer may remember what follows from them.
    """

    entries: Sequence[Entry]
    standing: Standing
    parents: tuple[Entry, ...]
    source: Callable[[str], str]
    reply: Callable[[str], str] = _no_reply
    advice: tuple[str, ...] = ()
    open: tuple[Request | Proposal, ...] = ()


class Proposer(Protocol):
    """Makes proposals. The same view and the same state of `rng` give the same proposal.

    Both methods are called in one thread, the loop's.
    """

    def propose(self, view: View, rng: random.Random) -> Proposal | Request | None:
        """What to judge next, or what to ask a model for; None where this view leaves nothing to propose.

        None is final only when nothing is open: what is open may give a view that leaves more, so the loop asks again
        after the next attempt is archived.
        """
        ...

    def repair(self, request: Request, turns: tuple[Turn, ...], verdict: Rejected) -> Request | None:
        """The conversation with one more turn, after the answer to `request` was rejected; None to leave it at that.

        `request` is the one that was answered last, `turns` are all answers of the conversation so far, oldest first.
        The text that the model is told is `messages[-1].text` of what comes back. Depends on the arguments alone.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchText:
    """A patch in the format of a model's reply, and what it is called."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How often each kind of proposal is made, relative to the others; what cannot be made yet leaves its share to the
    others (a crossover needs two programs, a repair one that failed).
    """

    patch: float = 6.0
    rewrite: float = 1.0
    crossover: float = 2.0
    repair: float = 1.0

    def __post_init__(self) -> None:
        found = [share for _, share in self.items()]
        if not all(math.isfinite(share) and share >= 0 for share in found) or not any(found):
            raise ValueError(f"expected shares of at least 0, one of them above 0, found {self}")

    def items(self) -> Iterator[tuple[Kind, float]]:
        """The kinds in a fixed order, each with its share."""
        yield from (("patch", self.patch), ("rewrite", self.rewrite))
        yield from (("crossover", self.crossover), ("repair", self.repair))

    @classmethod
    def only(cls, kind: Kind) -> Self:
        """Nothing but one kind. Raises HarnessError for a kind that no one is asked for."""
        names = [share.name for share in fields(cls)]
        if kind not in names:
            raise HarnessError(f"expected a kind of {', '.join(names)}, found {kind!r}")
        return cls(**{name: float(name == kind) for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A model that may be asked, by the name under which it is configured (and archived, in `Entry.model`)."""

    name: str
    weight: float = 1.0
    """How often it is asked, relative to the others; beside a bandit, by how much its prospects are multiplied."""
    kinds: tuple[Kind, ...] = ()
    """The kinds of proposal it is asked for; () is every kind."""
    context_tokens: int | None = None
    """How large its prompts may be; None is the options' `context_tokens`."""
    max_output_tokens: int | None = None
    """Handed on in the request."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"expected a weight above 0, found {self.weight}")

    def takes(self, kind: Kind) -> bool:
        return not self.kinds or kind in self.kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An answer that was recorded, to be given again.

    `number` is that of the recorded attempt. Parents and inspirations are recorded attempts too; an answer from a
    folder has none.
    """

    number: int
    name: str
    """How it is called in messages: the file, or the attempt."""
    kind: Kind
    reply: Callable[[], str]
    title: str = ""
    """What its program was called."""
    program_id: str = ""
    model: str = ""
    parents: tuple[int, ...] = ()
    inspirations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposerOptions:
    """What a proposer is built from; each takes what it needs."""

    patches: tuple[PatchText, ...] = ()
    """catalogue: the patches it tries."""

    models: tuple[Contender, ...] = ()
    """llm: who may be asked; () makes requests to the model "", for somebody else to answer."""
    bandit: BanditSettings | None = None
    """llm: None chooses among models by their weights alone."""
    shares: Shares = field(default_factory=Shares)
    """llm: how often each kind of proposal is made."""
    repairs: int = 2
    """llm: how many further turns a rejected answer gets in its conversation."""
    inspirations: int = 3
    """llm: how many other programs a prompt shows, half of them from the front."""
    rejections: int = 4
    """llm: how many rejected attempts of the parent's lineage a prompt tells of, the latest first."""
    context_tokens: int = 32_000
    """llm: how large a prompt may be, its repairs included, at three bytes a token."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """llm: the texts of the prompts by name, as `harness.prompt.read_templates` returns them."""
    task: Task | None = None
    """llm: what the brief is about."""
    judge: JudgeSettings = field(default_factory=JudgeSettings)
    """llm: the limits that the brief states."""

    recorded: tuple[Recorded, ...] = ()
    """replay: the answers to give, in order."""

    def __post_init__(self) -> None:
        for name, value in (("repairs", self.repairs), ("inspirations", self.inspirations)):
            if value < 0:
                raise ValueError(f"expected {name} of at least 0, found {value}")
        if self.rejections < 0 or self.context_tokens < 1:
            raise ValueError(f"expected rejections >= 0 and context_tokens >= 1, found {self}")
