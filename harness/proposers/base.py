"""The protocol of proposers: what they get and what they return.

Owns: the protocol of proposers and their options. Does not know: any proposer, the search, the archive.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol, Self, runtime_checkable

from evaluator import Task
from evaluator.settings import JudgeSettings
from evaluator.types import Rejected
from harness.llm.bandit import BanditSettings
from harness.select import Standing
from harness.types import Entry, HarnessError, Kind, Proposal, Request, Turn

EXTERNAL_PROPOSER, LLM_PROPOSER, MIX = "ask", "llm", "mix"
"""The kinds of proposer that a search treats apart: `packsmith ask` and `tell`, models behind endpoints, and several
proposers at once.
"""


def _nothing(programs: Sequence[Entry], scores: Sequence[Entry]) -> None:
    pass


def _no_reply(entry_id: str) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a proposer sees of a search: its entries by number, its standing, the parents that the selector picked, and
    programs and replies by entry id. `prepare` is told of which entries the program is looked at next, and of which the
    scores case by case.

    `parents` are in the order of preference and never empty once the seed program is scored; a proposer may use other
    parents. `reply` returns the raw text of an attempt's last reply. `open` are the requests and proposals under way,
    oldest first: asked or answered, and not archived yet; `tickets` are their numbers. `advice` are texts that people
    added to the run, oldest first. `entries` grow from one view to the next and stay the same objects; a proposer may
    cache what follows from them.

    A mix of proposers is also told whether a model may be asked: `full` while as many calls are under way as may be,
    `closed` says why none can be, "" where one can.
    """

    entries: Sequence[Entry]
    standing: Standing
    parents: tuple[Entry, ...]
    source: Callable[[str], str]
    reply: Callable[[str], str] = _no_reply
    advice: tuple[str, ...] = ()
    open: tuple[Request | Proposal, ...] = ()
    tickets: tuple[int, ...] = ()
    full: bool = False
    closed: str = ""
    prepare: Callable[[Sequence[Entry], Sequence[Entry]], None] = _nothing


class Proposer(Protocol):
    """Makes proposals. The same view and the same state of `rng` give the same proposal.

    Both methods are called in the search's thread.
    """

    def propose(self, view: View, rng: random.Random) -> Proposal | Request | None:
        """The next proposal to judge, or the next request for a model; None where this view allows none.

        None ends the search only when nothing is open: otherwise the proposer is called again after the next attempt
        is archived, since the new view may allow more.
        """
        ...

    def repair(self, request: Request, turns: tuple[Turn, ...], verdict: Rejected) -> Request | None:
        """The request for one more turn, after the answer to `request` was rejected; None to archive the rejection.

        `request` is the last one that was answered, `turns` are all answers of the conversation so far, oldest first.
        The result's `messages[-1].text` is what the model reads. Depends on the arguments alone.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """Entries of which a proposal needs the program, and of which the scores case by case, that it has not read yet."""

    programs: tuple[Entry, ...] = ()
    scores: tuple[Entry, ...] = ()


@runtime_checkable
class Foreseeing(Protocol):
    """A proposer that can say beforehand what a proposal needs, so that what many need is read in one pass."""

    def foresee(self, view: View, rng: random.Random) -> Needed:
        """What `propose` needs with an equal view and an equal state of `rng`."""
        ...


@runtime_checkable
class Explaining(Protocol):
    """A proposer that can say why it has nothing left to propose."""

    def why_idle(self) -> str:
        """What of its material was of no use, as a clause; "" where nothing is to be said."""
        ...


@runtime_checkable
class Sharing(Protocol):
    """A proposer of which a part may go on where another cannot, as a mix of proposers."""

    @property
    def offline(self) -> bool:
        """Whether it may have proposals where no model can be asked."""
        ...

    def left_out(self) -> Mapping[str, str]:
        """The parts that had nothing when the last proposal was made, each with the reason."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchText:
    """A patch in the format of a model's reply, and its name."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How often each kind of proposal is made, relative to the others. A kind that is not possible yet (a crossover
    needs two programs, a repair a failed one) leaves its share to the others.
    """

    patch: float = 6.0
    rewrite: float = 1.0
    crossover: float = 2.0
    repair: float = 1.0

    def __post_init__(self) -> None:
        shares = [share for _, share in self.items()]
        if not all(math.isfinite(share) and share >= 0 for share in shares) or not any(shares):
            raise ValueError(f"expected shares of at least 0, one of them above 0, found {self}")

    def items(self) -> Iterator[tuple[Kind, float]]:
        """The kinds in a fixed order, each with its share."""
        yield from (("patch", self.patch), ("rewrite", self.rewrite))
        yield from (("crossover", self.crossover), ("repair", self.repair))

    @classmethod
    def only(cls, kind: Kind) -> Self:
        """One kind alone. Raises HarnessError for a kind that is never requested."""
        names = [share.name for share in fields(cls)]
        if kind not in names:
            raise HarnessError(f"expected a kind of {', '.join(names)}, found {kind!r}")
        return cls(**{name: float(name == kind) for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A model that may be asked, by its name in the config (and in the archive, as `Entry.model`)."""

    name: str
    weight: float = 1.0
    """How often it is asked, relative to the others; with a bandit, the factor of its sampled quotient."""
    kinds: tuple[Kind, ...] = ()
    """The kinds of proposal it is asked for; () is all kinds."""
    context_tokens: int | None = None
    """The most tokens of its prompts; None is the options' `context_tokens`."""
    max_output_tokens: int | None = None
    """Copied into the request."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"expected a weight above 0, found {self.weight}")

    def takes(self, kind: Kind) -> bool:
        return not self.kinds or kind in self.kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A recorded answer, to be replayed.

    `number` is that of the recorded attempt. Parents and inspirations are numbers of recorded attempts; an answer from
    a folder has none.
    """

    number: int
    name: str
    """Its name in messages: the file, or the attempt."""
    kind: Kind
    reply: Callable[[], str]
    title: str = ""
    """The name of its program."""
    program_id: str = ""
    model: str = ""
    parents: tuple[int, ...] = ()
    inspirations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposerOptions:
    """The options of all proposers; each uses its own."""

    patches: tuple[PatchText, ...] = ()
    """catalogue: the patches it tries."""

    models: tuple[Contender, ...] = ()
    """llm: the models that may be asked; () makes requests to the model "", to be answered from outside."""
    bandit: BanditSettings | None = None
    """llm: None chooses models by their weights alone."""
    shares: Shares = field(default_factory=Shares)
    """llm: how often each kind of proposal is made."""
    merges: float = 0.5
    """llm: the share of crossovers that begin with git's merge of two programs; a model is asked where it conflicts."""
    repairs: int = 2
    """llm: the most further turns of a conversation after a rejected answer."""
    inspirations: int = 3
    """llm: how many other programs a prompt shows; half of them are from the front."""
    rejections: int = 4
    """llm: how many rejected attempts of the parent's lineage a prompt shows, latest first."""
    ideas: int = 12
    """llm: how many ideas a prompt lists with what each bought in the search; 0 lists the parent's children instead."""
    summary_every: int | None = None
    """llm: after how many prompts a model is asked for a summary of the search; None for never."""
    error_texts: bool = True
    """llm: whether prompts and repairs show what a program said while it ran; else a line number alone."""
    context_tokens: int = 32_000
    """llm: the most tokens of a prompt, repairs included, at three bytes a token."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """llm: the texts of the prompts by name, as `harness.prompt.read_templates` returns them."""
    task: Task | None = None
    """llm: the task that prompts describe."""
    judge: JudgeSettings = field(default_factory=JudgeSettings)
    """llm: the limits that prompts state."""

    recorded: tuple[Recorded, ...] = ()
    """replay: the answers, in order."""

    mix: Mapping[str, float] = field(default_factory=dict)
    """mix: the share of each proposer, relative to the others."""

    def __post_init__(self) -> None:
        for name, value in (("repairs", self.repairs), ("inspirations", self.inspirations)):
            if value < 0:
                raise ValueError(f"expected {name} of at least 0, found {value}")
        if not 0 <= self.merges <= 1:
            raise ValueError(f"expected merges from 0 to 1, found {self.merges}")
        if self.ideas < 0 or (self.summary_every is not None and (self.summary_every < 1 or not self.ideas)):
            raise ValueError(f"expected ideas >= 0, and above 0 with a summary_every >= 1, found {self}")
        if self.rejections < 0 or self.context_tokens < 1:
            raise ValueError(f"expected rejections >= 0 and context_tokens >= 1, found {self}")
