"""The values the search speaks in.

Owns: what a patch, a proposal, a candidate, an attempt and an archived entry are.
Does not know: how any of them is made, judged or stored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from evaluator.types import Duel, Environment, Scored, Verdict

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Tier = Literal["exact", "blanks", "indent"]
"""How a SEARCH matched: exactly; trailing blanks and line ends ignored; under one uniform indentation shift."""

Kind = Literal["seed", "patch", "rewrite", "crossover", "repair"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class HarnessError(Exception):
    """Something the user can fix: says what was expected, what was found, where, and what to do. Exit code 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One SEARCH/REPLACE block. Both texts are whole lines, without a final newline; "" is no line at all.

    Lines that are all empty are one "\\n" each, so that a single empty line ("\\n") is not taken for none.
    """

    search: str
    replace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A parsed reply: edits in order, or a whole program in `rewrite` (then there are no edits)."""

    name: str = ""
    description: str = ""
    edits: tuple[Edit, ...] = ()
    rewrite: str | None = None

    def __post_init__(self) -> None:
        if bool(self.edits) == (self.rewrite is not None):
            raise ValueError("expected either edits or a rewrite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a model is to be asked: the whole conversation so far, and what the answer is to be applied to.

    `parents[0]` is the program that every reply of the conversation applies to, repairs included.
    """

    kind: Kind
    parents: tuple[str, ...]
    model: str
    messages: tuple[Message, ...]
    max_output_tokens: int | None = None
    inspirations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.parents or not self.messages:
            raise ValueError("expected at least one parent and one message")


Finish = Literal["stop", "length", "refusal", "empty", "no_reply"]
"""How a model's answer ended; `no_reply`: the call was paid for, or may have been, and nothing came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of a call; the cached ones are among those of the input."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a call of a model cost and how it ended, without the text it returned.

    `usd` is what is booked for it, failed tries included, and `seconds` how long it took; `note` says what is unusual
    about it. `refusal` is the text that asked the model to repair this answer, "" for the last call of a proposal.
    """

    model: str
    finish: Finish = "stop"
    usage: Usage = Usage()
    usd: float = 0.0
    seconds: float = 0.0
    tries: int = 1
    note: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Call):
    """A model's answer, unchanged, and the call that produced it."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnNote(Call):
    """A turn as archived: the call, and the length of its text, which is `length` bytes of the attempt's `reply.md`."""

    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a proposer hands to the loop: a reply, and the entries (commit ids) it was made from.

    `parents[0]` is the program the reply applies to; a crossover has two parents. `turns` are those of the
    conversation with a model, oldest first; `reply` is then the text of the last one, `usd` and `tokens` their sums.
    """

    kind: Kind
    parents: tuple[str, ...]
    reply: str
    proposer: str
    inspirations: tuple[str, ...] = ()
    model: str = ""
    usd: float = 0.0
    tokens: int = 0
    turns: tuple[Turn, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"expected a kind of {', '.join(KINDS)}, found {self.kind!r}")
        if not self.parents:
            raise ValueError("expected at least one parent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A ticket: what is asked for, or answered and not archived yet.

    `proposal` is what there is of the answer, with every turn that has come; `request` is what was asked last, None
    where nobody was asked. `answered`: the reply to it is here; else `bound_usd` and `bound_tokens` are what the call
    under way may cost at most. `owner` is the process that works on it, by the token of its archive, or "ask": open
    until somebody tells the answer.
    """

    ticket: int
    proposal: Proposal
    request: Request | None = None
    answered: bool = False
    bound_usd: float = 0.0
    bound_tokens: int = 0
    owner: str = ""

    @property
    def calling(self) -> bool:
        """Whether a call of a model is under way, or was when its owner died."""
        return self.request is not None and not self.answered and self.owner != "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A program made from a parent by a patch. `tiers` has one entry an edit that was applied."""

    name: str
    description: str
    source: str
    tiers: tuple[Tier, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A program measured head to head against the champion of the moment, the entry `against`, which it is to replace.

    `duel` is None where the champion failed when it was run again, and again; `failure` says how.
    """

    against: str
    duel: Duel | None = None
    failure: str = ""

    def __post_init__(self) -> None:
        if (self.duel is None) != bool(self.failure):
            raise ValueError("expected either a duel or a failure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One turn of the loop. `candidate` is None where the reply gave no program: then it is rejected at `patch`.

    `number` is the lowest it may be archived under; `ticket` the one under which its reply is held, 0 for none. `title`
    is the name and the description of a reply that gave no program. `syntax_hash` is that of the program's normalised
    syntax, "" where it has none; `same_as` the entry whose program this is again, and whose verdict was taken over.
    """

    number: int
    proposal: Proposal
    candidate: Candidate | None
    verdict: Verdict
    seconds: float = 0.0
    confirmations: tuple[Confirmation, ...] = ()
    ticket: int = 0
    title: tuple[str, str] = ("", "")
    syntax_hash: str = ""
    same_as: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFacts:
    """What an archived attempt says of itself, wherever it is held: its record on disk and its entry in memory.

    `parents` and `inspirations` are commit ids. `usd`, `tokens` and `seconds` are what the proposal cost and how long
    the attempt took; `tiers` has one item for each edit that was applied.
    """

    number: int
    kind: Kind
    name: str
    description: str
    parents: tuple[str, ...]
    inspirations: tuple[str, ...]
    proposer: str
    model: str
    tiers: tuple[Tier, ...]
    warnings: tuple[str, ...]
    verdict: Verdict
    usd: float
    tokens: int
    seconds: float
    confirmations: tuple[Confirmation, ...] = ()
    turns: Sequence[TurnNote] = ()
    """The conversation with a model it came from, oldest first; () where no model was asked."""
    ticket_number: int = 0
    """The ticket it was requested under; 0 for none."""
    syntax_hash: str = ""
    """The hash of the program's normalised syntax: equal hashes are the same program but for comments and layout."""
    same_as: str = ""
    """The commit id of the entry with the same program, whose verdict was copied; "" where it was judged itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(AttemptFacts):
    """An attempt as archived; `id` is its commit. Light: programs and replies are read from the archive by id."""

    id: str
    program_id: str
    """The git blob of `program.py`: equal ids are equal programs."""
    when_s: int
    """Unix time of the commit."""

    @property
    def scored(self) -> Scored | None:
        return self.verdict if isinstance(self.verdict, Scored) else None


def base_fields(base: type[DataclassInstance], value: DataclassInstance) -> dict[str, Any]:
    """The fields that `value` inherits from `base`, by name, to make another subclass of `base` from them."""
    return {field.name: getattr(value, field.name) for field in fields(base)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A verdict on an archived program, reached again: when (Unix time), under which seed, and where."""

    verdict: Verdict
    when_s: int
    seed: int
    environment: Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """What tries have cost."""

    usd: float = 0.0
    tokens: int = 0
    calls: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.usd) and self.usd >= 0 and self.tokens >= 0 and self.calls >= 0):
            raise ValueError(f"expected finite dollars, tokens and calls of at least 0, found {self}")
