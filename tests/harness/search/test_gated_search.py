"""Searches with held-out loads: who becomes the best, that nothing steers by it, and how often luck passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from evaluator import Duel, Progress, Rejected, Samples, Scored, Split
from evaluator.fate import OpenDuel, Settled
from evaluator.measuring import stats, timing
from evaluator.measuring.race import ROUND_PAIRS
from evaluator.scoring import score_duel
from harness import patch
from harness.archive import Archive
from harness.gate import GATE_LEVEL, Allowed, gated_standing
from harness.search import Judge, SearchSetup, search
from harness.search.budget import Budget
from harness.select import Pareto, confirmation_level, confirms, pick_front
from harness.types import Confirmation, Entry
from tests.harness.builders import ENVIRONMENT, PROGRAM, KnobJudge, duel, scored
from tests.harness.search.test_promotion import RESOLUTION, SETTINGS, Machine
from tests.harness.search.test_search import SEED, Scripted, catalogue

OBJECTIVE = Pareto()
TUNED = "SLACK = 0.25"


class SplitJudge(KnobJudge):
    """On the gate, a program with a setting that is tuned to the loads of the search is worse than any other."""

    def __init__(self, tuned: str = TUNED) -> None:
        super().__init__()
        self.tuned, self.splits = tuned, list[Split]()

    def compare(
        self,
        source: str,
        other: str,
        *,
        level: float,
        other_name: str = "",
        settled: Settled | None = None,
        progress: Callable[[Progress], None] | None = None,
        split: Split = "search",
    ) -> Duel | Rejected:
        self.splits.append(split)
        mine, theirs = self._verdict(source), self._verdict(other)
        assert isinstance(mine, Scored) and isinstance(theirs, Scored)
        gain = mine.score.quality.value - theirs.score.quality.value
        if split == "gate":
            gain = -0.05 if self.tuned in source else max(gain, 0.0)
        return duel(mine.score.speedup.median / theirs.score.speedup.median, level=level, gain=gain)


def gated(path: Path) -> Archive:
    return Archive.create(path, seed_source=PROGRAM, config={"task": {"name": "toy", "held_out": {}}})


def run(archive: Archive, judge: Judge, proposer: object = None, attempts: int = 12) -> Iterator[Entry]:
    setup = SearchSetup(
        judges=[judge],
        proposer=proposer or catalogue(),  # type: ignore[arg-type]
        selector=pick_front,
        objective=OBJECTIVE,
        budget=Budget(attempts=attempts),
        seed=SEED,
    )
    return search(archive, setup)


def reply(name: str, *changes: tuple[str, str]) -> str:
    changed = PROGRAM
    for before, after in changes:
        changed = changed.replace(before, after)
    return patch.render(patch.diff(PROGRAM, changed, name=name, description=name))


def steered(archive: Archive) -> list[tuple[object, ...]]:
    """All of an attempt that a later proposal can depend on."""
    numbers = {entry.id: entry.number for entry in archive.entries} | {archive.root_id: -1}
    return [
        (
            entry.program_id,
            entry.kind,
            entry.name,
            tuple(numbers[parent] for parent in (*entry.parents, *entry.inspirations)),
            entry.verdict,
            [(numbers[each.against], each.duel) for each in entry.confirmations],
            archive.reply(entry.id),
        )
        for entry in archive.entries
    ]


def test_an_overfitter_leads_the_search_and_never_becomes_the_best(tmp_path: Path) -> None:
    archive = gated(tmp_path / "run")
    overfit = reply("overfit", ("SLACK = 0.5", TUNED), ("depth=2", "depth=1"))
    honest = reply("honest", ("SLACK = 0.5", "SLACK = 0.3"))
    judge = SplitJudge()
    for _ in run(archive, judge, Scripted(overfit, honest), attempts=2):
        assert TUNED not in archive.source(archive.entry("best").id)
    where = gated_standing(archive.entries, OBJECTIVE)
    assert where.champion is not None and where.champion.name == "overfit"
    assert [entry.name for entry in where.search_only] == ["overfit"]
    assert where.best is not None and where.best.name == "honest"
    assert archive.entry("best") == where.best
    with Archive.open(archive.path) as again, Archive.open(archive.path, cached=False) as uncached:
        assert list(again.entries) == list(uncached.entries) == list(archive.entries)
        assert gated_standing(again.entries, OBJECTIVE) == where


def test_nothing_steers_by_the_gate(tmp_path: Path) -> None:
    judges = [SplitJudge(tuned) for tuned in ("nothing is", TUNED, "ROUNDS")]
    found = []
    for number, judge in enumerate(judges):
        archive = gated(tmp_path / str(number))
        list(run(archive, judge, attempts=8))
        found.append((steered(archive), gated_standing(archive.entries, OBJECTIVE).best))
        assert "gate" in judge.splits
    assert found[0][0] == found[1][0] == found[2][0]
    assert len({best.number for _, best in found if best is not None}) > 1
    assert found[2][1] is not None and found[2][1].number == 0  # all others failed the gate


def test_a_run_without_held_out_loads_measures_none_and_stores_none(tmp_path: Path) -> None:
    archive, judge = Archive.create(tmp_path / "run", seed_source=PROGRAM, config={"task": "toy"}), SplitJudge()
    list(run(archive, judge, attempts=3))
    assert "gate" not in judge.splits
    assert all(entry.gates is None for entry in archive.entries)


class GateMachine(Machine):
    """Machine on which a measurement on held-out loads is made as the judge makes it."""

    def gate(self, allowed: Allowed) -> Duel:
        def score(samples: tuple[Samples, ...]) -> Duel:
            return score_duel(samples, GATE_LEVEL, ENVIRONMENT, "")

        def enough(so_far: object) -> bool:
            samples = tuple(so_far)  # type: ignore[arg-type]
            rounds = len(samples[0].rounds) >= stats.ENOUGH_ROUNDS
            return allowed.told(
                OpenDuel(
                    duel=score(samples),
                    half_width=SETTINGS.half_width,
                    resolution=RESOLUTION,
                    enough_rounds=rounds,
                    decided=False,
                )
            )

        samples = timing.measure(
            partial(self.begin, 1.0, 3000, 1),
            SETTINGS.with_rounds_of(ROUND_PAIRS),
            budget_s=SETTINGS.duel_s,
            rounds=20,
            enough=enough,
            rng=self.rng,
            clock=self.clock,
        )
        return score(samples)


LUCKY, BEST = scored(0.81, 1.0, gain=0.01).score, scored(0.8, 1.0, gain=0.0).score


def promoted(seed: int, level: float) -> bool:
    """Whether a program that equals the best, and was lucky in its measurement, becomes the best."""
    machine = GateMachine(seed, race=True)
    won = Confirmation(against="e0", duel=machine.duel(1.0, 3000, level))
    if not confirms(OBJECTIVE, "quality", LUCKY, BEST, BEST, won):
        return False
    allowed = Allowed.by(LUCKY, BEST)
    return allowed.passed(machine.gate(allowed))


def test_a_lucky_candidate_is_promoted_in_none_of_100_trials(request: pytest.FixtureRequest) -> None:
    """A tenth of them here: each is the first of a run, whose duel is the most lenient."""
    trials = 100 if request.config.getoption("long") else 12
    assert sum(promoted(seed, confirmation_level(1)) for seed in range(trials)) == 0


def test_a_gate_passes_equal_programs_and_refuses_worse_ones() -> None:
    allowed = Allowed.by(BEST, BEST)
    for seed in range(4):
        assert allowed.passed(GateMachine(seed).gate(allowed))
        assert not allowed.passed(GateMachine(seed, gain=-0.003).gate(allowed))
