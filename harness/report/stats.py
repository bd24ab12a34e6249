"""Statistics of proposals: one row for each model and kind, and why proposals were refused.

Owns: what is counted, from the archive's entries alone. Pure. Does not know: how it is shown, what is in progress.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from evaluator import Rejected
from harness.select import Standing, improves
from harness.types import Entry, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The proposals of one model and kind; "" and None stand for all models and all kinds.

    `applied`: gave a program. `known`: gave a program that was judged before. `valid`: scored. `better`: new, above the
    floor, and with better quality or clearly higher speed than its nearest scored ancestor. `repaired`: applied after
    more than one turn.
    """

    model: str
    kind: Kind | None
    proposals: int = 0
    applied: int = 0
    repaired: int = 0
    known: int = 0
    valid: int = 0
    better: int = 0
    turns: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    tokens: int = 0
    usd: float = 0.0
    model_s: float = 0.0
    """Seconds from request to answer, summed over all calls, concurrent ones too."""
    judge_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A reason for getting no score: how many proposals, from which models and kinds, and the detail of the newest."""

    stage: str
    reason: str
    count: int
    models: tuple[str, ...]
    kinds: tuple[Kind, ...]
    newest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Rows by model and kind, their sum, and refusals, the most frequent first. The seed program is not counted."""

    rows: tuple[Row, ...]
    total: Row
    refusals: tuple[Refusal, ...]


def who(entry: Entry) -> str:
    """The model an entry came from, or its proposer if no model was asked."""
    return entry.model or entry.proposer


def stats(standing: Standing, entries: Iterable[Entry], *, conversations: bool = True) -> Stats:
    """The statistics of entries, in any order; `standing` is theirs.

    Without `conversations`, which are read from each attempt's record, no tokens are told apart and `model_s` is 0:
    that takes a fraction of the time.
    """
    proposals = [entry for entry in sorted(entries, key=lambda entry: entry.number) if entry.kind != "seed"]
    by_id = {entry.id: entry for entry in proposals} | ({standing.seed.id: standing.seed} if standing.seed else {})
    above = {entry.id for entry in standing.valid}
    better = {entry.id for entry in proposals if entry.id in above and _improved(entry, by_id)}
    groups: dict[tuple[str, Kind], list[Entry]] = {}
    for entry in proposals:
        groups.setdefault((who(entry), entry.kind), []).append(entry)
    rows = tuple(_row(*key, group, better, conversations) for key, group in sorted(groups.items()))
    return Stats(
        rows=rows,
        total=_sum(rows),
        refusals=_refusals(proposals),
    )


def _improved(entry: Entry, by_id: Mapping[str, Entry]) -> bool:
    """Whether an entry improves on its nearest scored ancestor: the parent of a repair has no score."""
    above = by_id.get(entry.parents[0])
    while above is not None and above.scored is None:
        above = by_id.get(above.parents[0])
    return above is not None and improves(entry, above)


def _sum(rows: Sequence[Row]) -> Row:
    """All rows together: every figure of a row is a sum over its proposals."""
    figures = [field.name for field in fields(Row) if field.name not in ("model", "kind")]
    return Row(model="", kind=None, **{name: sum(getattr(row, name) for row in rows) for name in figures})


def _row(model: str, kind: Kind, entries: list[Entry], better: set[str], conversations: bool) -> Row:
    applied = [entry for entry in entries if not _refused_as_patch(entry)]
    turns = [turn for entry in entries for turn in entry.turns] if conversations else []
    return Row(
        model=model,
        kind=kind,
        proposals=len(entries),
        applied=len(applied),
        repaired=sum(len(entry.turns) > 1 for entry in applied),
        known=sum(entry.same_as != "" for entry in entries),
        valid=sum(entry.scored is not None for entry in entries),
        better=sum(entry.id in better for entry in entries),
        turns=sum(len(entry.turns) for entry in entries),
        input_tokens=sum(turn.usage.input_tokens for turn in turns),
        cached_tokens=sum(turn.usage.cached_tokens for turn in turns),
        output_tokens=sum(turn.usage.output_tokens for turn in turns),
        tokens=sum(entry.tokens for entry in entries),
        usd=sum(entry.usd for entry in entries),
        model_s=sum(turn.seconds for turn in turns),
        judge_s=sum(entry.seconds for entry in entries),
    )


def _refused_as_patch(entry: Entry) -> bool:
    return isinstance(entry.verdict, Rejected) and entry.verdict.stage == "patch"


def _refusals(entries: list[Entry]) -> tuple[Refusal, ...]:
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if isinstance(entry.verdict, Rejected):
            groups.setdefault((entry.verdict.stage, entry.verdict.reason), []).append(entry)
    refusals = [
        Refusal(
            stage=stage,
            reason=reason,
            count=len(group),
            models=tuple(model for model, _ in Counter(who(entry) for entry in group).most_common()),
            kinds=tuple(kind for kind, _ in Counter(entry.kind for entry in group).most_common()),
            newest=_detail(group[-1]),
        )
        for (stage, reason), group in groups.items()
    ]
    return tuple(sorted(refusals, key=lambda refusal: (-refusal.count, refusal.stage, refusal.reason)))


def _detail(entry: Entry) -> str:
    return entry.verdict.detail if isinstance(entry.verdict, Rejected) else ""
