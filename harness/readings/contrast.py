"""Several runs side by side: which of them compare, on which scale, and above which reference point. Pure.

Owns: the groups of runs that compare, what sets groups apart, the scale of quality and the reference point of a group.
Does not know: archives, configs beyond the parts that make scores, how a comparison is shown.

Runs compare if their scores do: equal conditions (`Environment.fingerprint`, which covers the machine, the reference
program, the versions and the task) and the same workload. A run's conditions are those of its champion. Runs of other
seeds were judged on other loads of the same kind, so their qualities have different levels: among them quality counts
as the gain over the reference, which answers the same calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluator.types import Environment, Interval
from harness.readings.course import Change, Course
from harness.readings.hypervolume import Figures, ReferencePoint, hypervolume
from harness.types import Entry

BELOW, SLOWER = 0.01, 10.0
"""By default the reference point lies one point below the lowest seed program's quality, at a tenth of the slowest's
speed, so that programs which trade one for the other still count.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A run in a comparison. `quality_key` is its task's word for the quality, `workload` what its scores are of: the
    task's identity and the files of its loads.
    """

    name: str
    quality_key: str
    course: Course
    workload: Mapping[str, Any]
    seed: int

    @property
    def champion(self) -> Entry:
        """Raises ValueError for a run without one."""
        if self.course.standing.best is None:
            raise ValueError(f"{self.name} has no champion")
        return self.course.standing.best

    @property
    def environment(self) -> Environment:
        scored = self.champion.scored
        assert scored is not None, "a champion has a score"
        return scored.environment

    @property
    def mixed(self) -> tuple[str, ...]:
        """How the conditions of programs on its front differ from its champion's; () if they do not."""
        here = self.environment
        others = (entry.scored.environment for entry in self.course.standing.front if entry.scored is not None)
        return tuple(dict.fromkeys(words for other in others for words in here.differences(other)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Runs that compare. `differs`: how they differ from the first group, in words, () for the first.

    `relative`: quality is the gain over the reference, since seeds differ; else the quality that counts.
    """

    members: tuple[Contestant, ...]
    differs: tuple[str, ...]
    relative: bool
    above: ReferencePoint

    @property
    def quality_key(self) -> str:
        """The word for the quality, which all members share, as they share the task."""
        return self.members[0].quality_key

    def quality(self, entry: Entry) -> Interval:
        """The quality of a scored entry on the group's scale, with its 95 % interval."""
        return quality_of(entry, relative=self.relative)

    def figures(self, entry: Entry) -> Figures:
        assert entry.scored is not None, "only scored entries have figures"
        return self.quality(entry), entry.scored.score.speedup

    def hypervolume(self, change: Change) -> Interval:
        """That of the front after a change."""
        return hypervolume((self.figures(entry) for entry in change.front), self.above)


def quality_of(entry: Entry, *, relative: bool) -> Interval:
    """The quality of a scored entry, or with `relative` its gain over the reference, with the 95 % interval."""
    assert entry.scored is not None, "only scored entries have a quality"
    score = entry.scored.score
    return score.gain if relative and score.gain is not None else score.quality_interval


def levels(runs: Sequence[Contestant], above: ReferencePoint | None = None) -> tuple[Level, ...]:
    """The runs in groups that compare, the first run's first. `above` is the reference point instead of the default,
    which follows from the seed programs of each group.
    """
    alike: dict[tuple[str, str, bool, int], list[Contestant]] = {}
    for run in runs:
        # Scores of earlier versions have no gain, so that only those of one seed have one level.
        paired = _paired(run)
        key = (run.environment.fingerprint, _text(run.workload), paired, 0 if paired else run.seed)
        alike.setdefault(key, []).append(run)
    first = runs[0]
    return tuple(
        _level(members, () if members[0] is first else tuple(_differences(first, members[0])), above)
        for members in alike.values()
    )


def _level(members: Sequence[Contestant], differs: tuple[str, ...], above: ReferencePoint | None) -> Level:
    relative = len({run.seed for run in members}) > 1
    if above is None:
        seeds = [run.course.standing.seed or run.champion for run in members]
        speeds = [seed.scored.score.speedup.median for seed in seeds if seed.scored is not None]
        lowest = min(quality_of(seed, relative=relative).median for seed in seeds)
        above = ReferencePoint(quality=lowest - BELOW, speedup=min(speeds) / SLOWER)
    return Level(members=tuple(members), differs=differs, relative=relative, above=above)


def _paired(run: Contestant) -> bool:
    return all(entry.scored is not None and entry.scored.score.gain is not None for entry in run.course.standing.front)


def _differences(first: Contestant, other: Contestant) -> Iterator[str]:
    yield from first.environment.differences(other.environment)
    mine, theirs = first.workload, other.workload
    for key in dict.fromkeys([*mine, *theirs]):
        if _text(mine.get(key)) != _text(theirs.get(key)):
            yield f"the task's {key.replace('_', ' ')}{_both(mine.get(key), theirs.get(key))}"
    if _paired(first) != _paired(other):
        yield "scores of an earlier version, without a gain over the reference"
    elif not _paired(first) and first.seed != other.seed:
        yield f"seed {first.seed} and {other.seed}, in scores of an earlier version"


def _both(mine: object, theirs: object) -> str:
    """Both values, where each is a word or a number."""
    plain = all(isinstance(value, str | int | float) for value in (mine, theirs))
    return f" {mine} and {theirs}" if plain else ""


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
