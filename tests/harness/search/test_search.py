import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evaluator import Duel, OtherFailed, Rejected, Verdict
from evaluator import Progress as Judging
from harness import patch
from harness.archive import Archive
from harness.git import run_git
from harness.proposers import PatchText, Proposer, ProposerOptions, View
from harness.proposers.catalogue import Catalogue
from harness.search import Judge, Progress, SearchSetup, attempt_rng, search
from harness.search.budget import Budget, Spent
from harness.select import Pareto, confirmation_level, pick_front, standing
from harness.types import Entry, HarnessError, Proposal
from tests.harness.builders import PROGRAM, REJECTED, KnobJudge, duel, scored

SEED = 5


def archive_at(path: Path) -> Archive:
    return Archive.create(path, seed_source=PROGRAM, config={"task": "toy"})


def catalogue() -> Proposer:
    faster = PROGRAM.replace("depth=2", "depth=1")
    text = patch.render(patch.diff(PROGRAM, faster, name="shallow", description="One level."))
    return Catalogue(ProposerOptions(patches=(PatchText(name="shallow", text=text),)))


def run(
    archive: Archive, attempts: int = 12, judge: Judge | None = None, proposer: Proposer | None = None, **more: object
) -> Iterator[Entry]:
    options: dict[str, object] = {"budget": Budget(attempts=attempts), **more}
    setup = SearchSetup(
        judges=[judge or KnobJudge()],
        proposer=proposer or catalogue(),
        selector=pick_front,
        objective=Pareto(),
        seed=SEED,
        **options,  # type: ignore[arg-type]
    )
    return search(archive, setup)


def lineage(archive: Archive) -> list[tuple[str, str, tuple[int, ...]]]:
    numbers = {entry.id: entry.number for entry in archive.entries} | {archive.root_id: -1}
    return [(e.program_id, e.kind, tuple(numbers[parent] for parent in e.parents)) for e in archive.entries]


class Scripted:
    """A proposer that gives these replies to the seed program, in order."""

    def __init__(self, *replies: str) -> None:
        self.replies = replies

    def propose(self, view: View, rng: object) -> Proposal | None:
        made = len(view.entries) - 1
        if made >= len(self.replies):
            return None
        parent = view.entries[0].id
        return Proposal(kind="patch", parents=(parent,), reply=self.replies[made], proposer="scripted")


class Stopping:
    """A judge that is interrupted at its n-th program."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.inner = KnobJudge()
        self.compare = self.inner.compare

    def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return self.inner.evaluate(source, progress=progress)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    archive = archive_at(tmp_path_factory.mktemp("straight") / "run")
    assert [entry.number for entry in run(archive)] == list(range(13))
    return archive


class TestLineage:
    def test_seed_comes_first_and_every_parent_is_an_earlier_attempt(self, straight: Archive) -> None:
        steps = lineage(straight)
        assert steps[0] == (straight.program_id(straight.root_id), "seed", (-1,))
        assert all(max(parents) < number for number, (_, _, parents) in enumerate(steps))
        assert len({program for program, _, _ in steps}) == len(steps)

    def test_children_improve_on_children(self, straight: Archive) -> None:
        assert max(max(parents) for _, _, parents in lineage(straight)) > 0

    def test_same_seed_gives_the_same_lineage(self, straight: Archive, tmp_path: Path) -> None:
        again = archive_at(tmp_path / "run")
        list(run(again))
        assert lineage(again) == lineage(straight)

    @pytest.mark.parametrize("cut", range(13))
    def test_closed_after_any_attempt_continues_the_same_lineage(
        self, straight: Archive, tmp_path: Path, cut: int
    ) -> None:
        first = archive_at(tmp_path / "run")
        generator = run(first)
        assert len(list(itertools.islice(generator, cut))) == cut
        generator.close()  # type: ignore[attr-defined]
        first.close()
        again = Archive.open(tmp_path / "run")
        list(run(again))
        assert lineage(again) == lineage(straight)

    @pytest.mark.parametrize("cut", range(13))
    def test_interrupted_while_judging_continues_the_same_lineage(
        self, straight: Archive, tmp_path: Path, cut: int
    ) -> None:
        first = archive_at(tmp_path / "run")
        with pytest.raises(KeyboardInterrupt):
            list(run(first, judge=Stopping(cut)))
        assert len(first.entries) == cut
        first.close()
        again = Archive.open(tmp_path / "run")
        assert len(again.pending()) == (1 if cut else 0)
        list(run(again))
        assert lineage(again) == lineage(straight)
        assert again.pending() == ()

    def test_random_state_of_an_attempt_is_independent_of_the_others(self) -> None:
        draws = {attempt_rng(seed, number).random() for seed in range(5) for number in range(20)}
        assert len(draws) == 100
        assert attempt_rng(1, 2).random() == attempt_rng(1, 2).random()


class TestHeldReplies:
    def test_stored_reply_is_judged_and_not_requested_again(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        list(run(archive, proposer=Scripted()))
        reply = patch.render(
            patch.diff(PROGRAM, PROGRAM.replace("ROUNDS = 4", "ROUNDS = 6"), name="six", description="More rounds.")
        )
        archive.hold(1, Proposal(kind="patch", parents=(archive.entries[0].id,), reply=reply, proposer="m", usd=0.5))
        archive.close()
        again = Archive.open(tmp_path / "run")
        judged = list(run(again, attempts=1, proposer=Scripted("must not be asked")))
        assert [(entry.name, entry.usd) for entry in judged] == [("six", 0.5)]
        assert again.pending() == ()


class TestOutcomes:
    def test_reply_without_a_patch_is_archived_as_refused(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        judge = KnobJudge()
        refused = list(run(archive, judge=judge, proposer=Scripted("I would rather not.")))[1]
        assert isinstance(refused.verdict, Rejected) and refused.verdict.stage == "patch"
        assert refused.verdict.detail
        assert archive.reply(refused.id) == "I would rather not."
        assert judge.sources == [PROGRAM]

    def test_rejected_program_is_archived_with_its_text(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        child = PROGRAM.replace("ROUNDS = 4", "ROUNDS = 9")
        reply = patch.render(patch.diff(PROGRAM, child, name="nine", description="Odd."))
        entry = list(run(archive, proposer=Scripted(reply)))[1]
        assert entry.verdict == REJECTED
        assert archive.source(entry.id) == child

    def test_seed_that_is_rejected_ends_the_search_with_its_reason(self, tmp_path: Path) -> None:
        broken = PROGRAM.replace("ROUNDS = 4", "ROUNDS = 9")
        archive = Archive.create(tmp_path / "run", seed_source=broken, config={"task": "toy"})
        generator = run(archive)
        assert next(generator).verdict == REJECTED
        with pytest.raises(HarnessError, match="it raised"):
            next(generator)
        with pytest.raises(HarnessError, match="seed program was rejected"):
            next(run(archive))

    def test_best_and_elites_are_named_in_the_archive(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        list(run(archive))
        where = standing(archive.entries, Pareto())
        assert where.champion is not None and where.champion.number > 0
        assert archive.entry("best") == where.champion
        elites = run_git("for-each-ref", "--format=%(objectname)", "refs/elites", cwd=tmp_path / "run").stdout
        assert set(elites.decode().split()) == {entry.id for entry in where.front}

    def test_claim_of_speed_is_confirmed_before_it_is_archived(self, straight: Archive) -> None:
        numbers = {entry.id: entry.number for entry in straight.entries}
        held = [(entry, one) for entry in straight.entries for one in entry.confirmations]
        assert held
        for entry, one in held:
            assert numbers[one.against] < entry.number
            assert one.duel is not None and len(entry.confirmations) == 1
        levels = [one.duel.level for _, one in held if one.duel is not None]
        assert levels == [confirmation_level(number) for number in range(1, len(held) + 1)]

    def test_program_that_loses_its_duel_does_not_lead(self, tmp_path: Path) -> None:
        class Lucky(KnobJudge):
            """Scores make every later program look faster; head to head, none is."""

            def evaluate(self, source: str, *, progress: object = None) -> Verdict:
                self.sources.append(source)
                return scored(0.5, 1.0 + len(self.sources) / 10)

            def compare(self, source: str, other: str, *, level: float, **_: object) -> Duel | Rejected:
                return duel(1.01, noise=0.02, level=level)

        archive = archive_at(tmp_path / "run")
        list(run(archive, judge=Lucky(), attempts=5))
        where = standing(archive.entries, Pareto())
        assert where.champion is not None and where.champion.number == 0
        assert [len(entry.confirmations) for entry in archive.entries] == [0, 1, 1, 1, 1, 1]
        assert [member.number for member in where.front] == [0]

    def test_program_that_fails_in_its_duel_is_rejected(self, tmp_path: Path) -> None:
        class Failing(KnobJudge):
            def compare(self, source: str, other: str, *, level: float, **_: object) -> Duel | Rejected:
                return REJECTED

        archive = archive_at(tmp_path / "run")
        faster = list(run(archive, judge=Failing(), attempts=1))[1]
        assert faster.verdict == REJECTED and faster.confirmations == ()

    def test_champion_that_fails_its_duel_is_replaced_and_its_failure_recorded(self, tmp_path: Path) -> None:
        class ChampionFails(KnobJudge):
            def compare(self, source: str, other: str, *, level: float, **_: object) -> Duel | Rejected:
                raise OtherFailed("the champion, attempt 0 failed at run (timeout): too long")

        archive = archive_at(tmp_path / "run")
        faster = list(run(archive, judge=ChampionFails(), attempts=1))[1]
        assert [one.failure[:12] for one in faster.confirmations] == ["the champion"]
        assert Archive.open(tmp_path / "run").entry("best") == faster

    def test_another_machine_is_refused_and_the_reply_is_kept(self, tmp_path: Path) -> None:
        class Elsewhere(KnobJudge):
            def evaluate(self, source: str, *, progress: object = None) -> Verdict:
                return scored(0.9, 1.0, hardware="another processor")

        archive = archive_at(tmp_path / "run")
        list(run(archive, attempts=1))
        with pytest.raises(HarnessError, match="another processor"):
            list(run(archive, judge=Elsewhere()))
        assert len(archive.entries) == 2
        assert [pending.ticket for pending in archive.pending()] == [2]


class TestBudget:
    def test_attempts_count_the_whole_archive_without_the_seed(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        assert len(list(run(archive, attempts=3))) == 4
        assert len(list(run(archive, attempts=5))) == 2
        assert list(run(archive, attempts=5)) == []

    def test_minutes_count_this_invocation(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        for expected in (2, 2):  # the seed and one attempt; then, on a clock begun anew, two attempts
            ticks = itertools.count(step=20.0)
            entries = list(run(archive, budget=Budget(minutes=1.5), clock=lambda ticks=ticks: next(ticks)))  # type: ignore[misc]
            assert len(entries) == expected

    def test_nothing_is_begun_after_the_deadline(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        assert len(list(run(archive, budget=Budget(deadline_s=100.0), wall=lambda: 100.0))) == 1

    def test_patience_counts_since_the_champion(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        entries = list(run(archive, budget=Budget(patience=3), proposer=Scripted(*["no patch"] * 10)))
        assert len(entries) == 4

    def test_nothing_left_to_propose_ends_the_search(self, tmp_path: Path) -> None:
        steps: list[Progress] = []
        archive = archive_at(tmp_path / "run")
        assert len(list(run(archive, proposer=Scripted("a", "b"), progress=steps.append))) == 3
        assert steps[-1].phase == "ended" and "nothing left" in steps[-1].reason

    @pytest.mark.parametrize(
        ("budget", "words"),
        [
            (Budget(attempts=4), "4 attempts"),
            (Budget(minutes=2), "2 minutes"),
            (Budget(deadline_s=50.0), "deadline"),
            (Budget(judge_s=9), "9 seconds of judging"),
            (Budget(patience=2), "no better program"),
        ],
    )
    def test_says_which_limit_ended_it(self, budget: Budget, words: str) -> None:
        none = Spent(attempts=3, minutes=1.9, judge_s=8.9, since_best=1, now_s=49.0)
        used = Spent(attempts=4, minutes=2.0, judge_s=9.0, since_best=2, now_s=50.0)
        assert budget.exhausted(none) is None
        assert words in (budget.exhausted(used) or "")

    def test_needs_a_limit(self) -> None:
        for limits in ({}, {"attempts": 0}, {"minutes": -1.0}):
            with pytest.raises(ValueError, match="limit"):
                Budget(**limits)  # type: ignore[arg-type]


def test_progress_reports_the_steps_of_an_attempt(tmp_path: Path) -> None:
    steps: list[Progress] = []
    list(run(archive_at(tmp_path / "run"), attempts=1, progress=steps.append))
    of_first = [(step.phase, step.judging is not None) for step in steps if step.number == 1]
    assert of_first == [("proposing", False), ("judging", False), ("judging", True), ("archived", False)]
    assert steps[-1].phase == "ended"
