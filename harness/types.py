"""The value types that the rooms of the harness exchange.

Owns: patches, requests, proposals, tickets, candidates, attempts and archived entries, as types.
Does not know: how any of them is made, judged or stored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from evaluator.types import Duel, Environment, Scored, Verdict

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Tier = Literal["exact", "blanks", "indent"]
"""How a SEARCH matched: exactly; ignoring trailing blanks and line ends; after one uniform shift of indentation."""

Kind = Literal["seed", "patch", "rewrite", "crossover", "repair", "import"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class HarnessError(Exception):
    """Something the user can fix: says what was expected, what was found, where, and what to do. Exit code 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One SEARCH/REPLACE block. Both texts are whole lines, without a final newline; "" is no line.

    Lines that are all empty are one "\\n" each, which tells a single empty line ("\\n") from no line.
    """

    search: str
    replace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A parsed reply: either edits in order or a whole program (`rewrite`). Raises ValueError for both or neither."""

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
    """A question to a model: the whole conversation so far, and the programs that the answer applies to.

    `parents[0]` is the program that every reply of the conversation applies to, repairs included. Raises ValueError
    without a parent or a message.
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
"""How a model's answer ended; `no_reply`: no answer came, though the call was or may have been paid for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts of a call; `cached_tokens` are part of `input_tokens`."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a call of a model cost and how it ended, without the text it returned.

    `usd` is what is booked for it, failed tries included; `seconds` is how long it took; `note` says what was unusual.
    `refusal` is the text that asked the model to repair this answer, "" for the last call of a proposal.
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
class TurnRecord(Call):
    """A turn as archived: the call, and the length of its text, which is `length` bytes of the attempt's `reply.md`."""

    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What another framework recorded of a program: `id` is its own name for it, `scores` are its scores by name.

    Hearsay: nothing is decided by it. Raises ValueError for a score that is not finite.
    """

    framework: str
    id: str
    scores: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, score in self.scores.items():
            if not math.isfinite(score):
                raise ValueError(f"expected finite scores, found {name} {score}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A program of another framework's archive, beside its text: what was recorded of it there."""

    claimed: Claimed
    name: str = ""
    description: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjudged:
    """The outcome of an imported program that no judge has seen: neither a score nor a rejection."""


Outcome = Verdict | Unjudged
"""What an attempt is archived with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposer's output: a reply, and the entries (commit ids) it was made from.

    `parents[0]` is the program the reply applies to; a crossover has two parents. `turns` is the conversation with a
    model, oldest first; `reply` is then the text of the last turn, `usd` and `tokens` the sums over all. The reply of
    kind `import` is the whole program, and `imported` says what was recorded of it. Raises ValueError for an unknown
    kind or without a parent.
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
    imported: Imported | None = field(default=None, metadata={"omitted": True})

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"expected a kind of {', '.join(KINDS)}, found {self.kind!r}")
        if not self.parents:
            raise ValueError("expected at least one parent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A ticket: a request without an answer yet, or an answer that is not archived yet.

    `proposal` is the answer so far, with all turns received; `request` is the last request, None if there was none.
    `answered`: the reply to it has arrived; otherwise `bound_usd` and `bound_tokens` are the most that the call in
    progress may cost. `owner` is the token of the process that works on it, or "ask": open until an answer is given.
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
        """Whether a model call is in progress, or was when the owner died."""
        return self.request is not None and not self.answered and self.owner != "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A program made by applying a reply to its parent. `tiers` has one item for each edit that was applied."""

    name: str
    description: str
    source: str
    tiers: tuple[Tier, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A paired re-evaluation of a program against the current champion, the entry whose commit id is `against`.

    `duel` is None if the champion itself failed twice when it was run again; `failure` says how. Raises ValueError
    unless exactly one of the two is given.
    """

    against: str
    duel: Duel | None = None
    failure: str = ""

    def __post_init__(self) -> None:
        if (self.duel is None) != bool(self.failure):
            raise ValueError("expected either a duel or a failure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A program against the best program of the time, the entry `against`, on held-out loads (the split `gate`).

    `duel` is None if one of the two failed: `failure` says how the best program did, `rejection` how this one did.
    `search` is their duel on the loads of the search, where `confirmations` hold none because another program led the
    search; alone, if this one did not win it. Raises ValueError for other combinations.
    """

    against: str
    duel: Duel | None = None
    failure: str = ""
    rejection: str = ""
    search: Confirmation | None = None

    def __post_init__(self) -> None:
        given = (self.duel is not None) + bool(self.failure) + bool(self.rejection)
        if given > 1 or (given == 0 and self.search is None):
            raise ValueError("expected either a duel, a failure or a rejection")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A proposal with its outcome, ready to be archived. `candidate` is None if the reply gave no program, and so was
    rejected at `patch`.

    `number` is the lowest number it may get; `ticket` the ticket that holds its reply, 0 for none. `title` is the name
    and the description of a reply that gave no program. `syntax_hash` is the hash of the program's normalised syntax,
    "" for none; `same_as` the commit id of an entry with the same program, whose verdict was copied, "" for none.
    `gates` are its measurements on held-out loads, None in a run without any.
    """

    number: int
    proposal: Proposal
    candidate: Candidate | None
    verdict: Outcome
    seconds: float = 0.0
    confirmations: tuple[Confirmation, ...] = ()
    gates: tuple[Gate, ...] | None = None
    ticket: int = 0
    title: tuple[str, str] = ("", "")
    syntax_hash: str = ""
    same_as: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFacts:
    """The facts of an archived attempt, common to its record on disk and its entry in memory.

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
    verdict: Outcome
    usd: float
    tokens: int
    seconds: float
    confirmations: tuple[Confirmation, ...] = ()
    turns: Sequence[TurnRecord] = ()
    """The conversation with a model it came from, oldest first; () if no model was asked."""
    ticket_number: int = 0
    """The ticket it was requested under; 0 for none."""
    syntax_hash: str = ""
    """The hash of the program's normalised syntax: equal hashes mean the same program up to comments and layout."""
    same_as: str = ""
    """The commit id of the entry with the same program, whose verdict was copied; "" if it was judged itself."""
    claimed: Claimed | None = field(default=None, metadata={"omitted": True})
    """What another framework recorded of the program; None if it was not imported."""
    gates: tuple[Gate, ...] | None = field(default=None, metadata={"omitted": True})
    """Its measurements on held-out loads, by which it may become the best program; None in a run without any."""


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
    """A later verdict on an archived program: when it was reached (Unix time), with which seed, and where."""

    verdict: Verdict
    when_s: int
    seed: int
    environment: Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSplit:
    """A program against the seed program, the entry `against`, on the loads of a split; `when_s` is a Unix time."""

    split: str
    against: str
    duel: Duel
    when_s: int
