"""The report of a run as a value: what was found, how, at what cost, and what is open to doubt.

Owns: which facts belong to a report, and taking them from a run's attempts. Does not know: how they are worded,
formats, files, archives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from evaluator import Column, Environment, Interval, Rejected
from harness.accounts import Booked
from harness.document.against import Against, against_reference, against_seed
from harness.readings.comparable import Group
from harness.readings.course import Course, course
from harness.readings.doubts import Doubt, doubts
from harness.readings.lineage import Find, Lineage, Step, change_of_quality, lineage, speed_change
from harness.readings.splits import Splits, splits
from harness.report.stats import Stats, stats, who
from harness.select import Objective
from harness.types import Entry, HarnessError, OnSplit, Unjudged

SCORED, UNJUDGED = "scored", "unjudged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a run beside its attempts: `run` is its folder as the user names it, `program` and `reference`
    are names of files, `same_program` whether both have the same content. `quality` is what the task calls its quality,
    `booked` what all calls of models cost. `damage` has a sentence for each attempt that cannot be read.
    """

    run: str
    root_id: str
    task: str
    quality: str
    columns: tuple[Column, ...]
    objective: Objective
    seed: int
    program: str
    reference: str
    same_program: bool
    config: str
    booked: Booked
    version: str
    made_s: int
    damage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A patch on the way to the champion: what it gained over its parent, each None if that cannot be compared, and the
    change of the program as a unified diff.
    """

    step: Step
    points: Interval | None
    times: Interval | None
    diff: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run that has a champion. `against` compares the champion with others: the seed program, the reference (which
    may be an engine's policy). `measured` are all measurements of the champion, comparable ones together.

    `verdicts` counts outcomes by model: a stage of rejection, `scored` or `unjudged`.
    """

    facts: Facts
    champion: Entry
    seed: Entry
    against: tuple[Against, ...]
    measured: tuple[Group, ...]
    line: Lineage
    links: tuple[Link, ...]
    course: Course
    statistics: Stats
    verdicts: dict[str, Counter[str]]
    doubts: tuple[Doubt, ...]
    splits: Splits
    entries: Sequence[Entry]
    find: Find = field(repr=False)

    @property
    def environment(self) -> Environment:
        """Where the champion was measured."""
        assert self.champion.scored is not None, "a champion has a score"
        return self.champion.scored.environment


Diff = Callable[[Entry, Entry], str]
"""The change from one attempt's program to another's, as a unified diff."""


def report(
    facts: Facts,
    entries: Sequence[Entry],
    find: Find,
    diff: Diff,
    measured: Callable[[Entry], tuple[Group, ...]],
    on_splits: Callable[[Entry], Sequence[OnSplit]] = lambda _: (),
) -> Report:
    """The report of a run's attempts. `measured` gives all measurements of an attempt, `on_splits` those against the
    seed program by split. Raises HarnessError for a run without a champion, or if the chain to it cannot be read.
    """
    way = course(entries, facts.objective)
    champion, seed = way.standing.best, way.standing.seed
    if champion is None or seed is None:
        raise HarnessError(missing(facts.run, entries))
    line = lineage(champion, find, facts.root_id)
    shown = [*way.standing.front, *(step.entry for step in line.steps)]
    assert champion.scored is not None
    return Report(
        facts=facts,
        champion=champion,
        seed=seed,
        against=_against(facts, champion, seed),
        measured=measured(champion),
        line=line,
        links=tuple(_link(step, diff) for step in line.steps[1:]),
        course=way,
        statistics=stats(way.standing, entries, conversations=False),
        verdicts=_verdicts(entries),
        splits=splits(on_splits(champion), way.standing),
        doubts=tuple(doubts(entries, shown, champion.scored.environment, _fewest)),
        entries=entries,
        find=find,
    )


def missing(run: str, entries: Sequence[Entry]) -> str:
    """Why a run has no champion, and what to do."""
    if not entries:
        return f"{run}: no attempt is archived yet, so there is nothing to report: `packsmith search` makes attempts"
    return (
        f"{run}: expected a scored seed program, found {len(entries)} attempts and no score for it, so nothing can be "
        f"compared: `packsmith log {run}` says what became of them, `packsmith export` writes them as files"
    )


def _against(facts: Facts, champion: Entry, seed: Entry) -> tuple[Against, ...]:
    is_seed = facts.same_program and champion.id != seed.id
    reference = against_reference(champion, facts.reference, is_seed=is_seed)
    if facts.same_program or champion.id == seed.id:
        return (reference,)
    return against_seed(champion, seed, facts.program), reference


def _link(step: Step, diff: Diff) -> Link:
    assert step.parent is not None, "only the first step of a chain has no parent"
    return Link(
        step=step,
        points=change_of_quality(step.entry, step.parent),
        times=speed_change(step.entry, step.parent),
        diff=diff(step.parent, step.entry),
    )


def _verdicts(entries: Sequence[Entry]) -> dict[str, Counter[str]]:
    counted: dict[str, Counter[str]] = {}
    for entry in entries:
        if entry.kind != "seed":
            counted.setdefault(who(entry), Counter())[_outcome(entry)] += 1
    return dict(sorted(counted.items()))


def _outcome(entry: Entry) -> str:
    if isinstance(entry.verdict, Rejected):
        return entry.verdict.stage
    return UNJUDGED if isinstance(entry.verdict, Unjudged) else SCORED


def _fewest(entry: Entry) -> tuple[int, int]:
    """The fewest rounds and pairs of its cases."""
    cases = () if entry.scored is None else entry.scored.score.cases
    counts = [
        (len(held.rounds or (1,)), len(held.candidate_us)) for case in cases if (held := case.samples) is not None
    ]
    return min((rounds for rounds, _ in counts), default=0), min((pairs for _, pairs in counts), default=0)
