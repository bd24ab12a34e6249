"""The search with models and several judges: overlap, durability, and what an error leaves behind."""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluator import Duel, Rejected, Scored, Verdict
from evaluator import Progress as Judging
from evaluator.types import EvaluatorError
from harness.accounts import Booked
from harness.archive import Archive
from harness.archive.details import Rows
from harness.llm.ledger import Bound, OverBudget
from harness.readings.verify import verify
from harness.search import Judge, Progress, SearchSetup, search, settle
from harness.search.budget import Budget
from harness.select import Pareto, pick_front, standing
from harness.types import Entry, HarnessError, Pending, Proposal, Request, Turn
from tests.harness.archive.archives import git
from tests.harness.builders import PROGRAM, KnobJudge, scored
from tests.harness.llm.models import BOUND, Asking, Models, knobs, turn
from tests.harness.processes import Report, child

DEADLINE_S = 20.0


def archive_at(path: Path) -> Archive:
    return Archive.create(path, seed_source=PROGRAM, config={"task": "toy"})


def run(archive: Archive, models: Any, proposer: Any = None, judges: Any = None, **more: Any) -> Iterator[Entry]:
    options: dict[str, Any] = {"budget": Budget(attempts=6), "in_flight": 1, "objective": Pareto()} | more
    judges = judges if isinstance(judges, list) else [judges or KnobJudge()]
    proposer = proposer or Asking()
    return search(
        archive, SearchSetup(judges=judges, proposer=proposer, selector=pick_front, seed=5, models=models, **options)
    )


def counting() -> Callable[[int, Request], Turn]:
    return lambda ticket, request: turn(knobs(2 * ticket + 6))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.005)


class Slow(KnobJudge):
    """Judges once its gate is open, or until it is stopped."""

    def __init__(self, busy_with: str = "") -> None:
        super().__init__()
        self.busy_with = busy_with
        self.judging, self.gate, self.stopped = threading.Event(), threading.Event(), threading.Event()

    def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict:
        if source != PROGRAM and self.busy_with in source:
            self.judging.set()
            until(lambda: self.gate.is_set() or self.stopped.is_set())
            if self.stopped.is_set():
                self.stopped.clear()
                raise EvaluatorError("stopped")
        return super().evaluate(source, progress=progress)

    def stop(self) -> None:
        self.stopped.set()


class TestConversation:
    def test_every_turn_is_archived_and_the_last_one_makes_the_program(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        texts = ["no patch \ud83d", "\ude00 none either", knobs(6, name="third")]
        models = Models(lambda ticket, request: turn(texts[len(request.messages) // 2]))
        entry = list(run(archive, models, Asking(repairs=2), budget=Budget(attempts=1)))[1]
        assert (entry.name, entry.number, entry.ticket_number) == ("third", 1, 1)
        assert [note.refusal for note in entry.turns] == ["malformed: try again"] * 2 + [""]
        assert (entry.usd, entry.tokens) == (pytest.approx(0.03), 300)
        again = Archive.open(tmp_path / "run")
        assert again.entries == archive.entries
        assert [one.text for one in again.turns(entry.id)] == texts
        assert again.reply(entry.id) == texts[-1]
        assert [len(one.refusal) > 0 for one in again.turns(entry.id)] == [True, True, False]
        assert verify(again).ok
        assert again.pending() == ()

    def test_program_that_runs_badly_is_sent_back_with_its_error(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        models = Models(lambda ticket, request: turn(knobs(9 if len(request.messages) == 1 else 8)))
        entry = list(run(archive, models, Asking(repairs=1), budget=Budget(attempts=1)))[1]
        assert entry.scored is not None and len(entry.turns) == 2
        assert entry.turns[0].refusal == "exception: try again"

    def test_conversation_without_a_valid_answer_is_archived_as_refused(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        models = Models(lambda ticket, request: turn("nothing"))
        entry = list(run(archive, models, Asking(repairs=3), budget=Budget(attempts=1)))[1]
        assert len(entry.turns) == 4 and isinstance(entry.verdict, Rejected)
        assert (entry.verdict.stage, entry.verdict.reason) == ("patch", "malformed")
        assert verify(archive).ok

    @pytest.mark.parametrize(
        ("finish", "reason"), [("no_reply", "no_reply"), ("refusal", "refused"), ("empty", "empty_reply")]
    )
    def test_call_without_an_answer_is_archived_with_its_cost(self, tmp_path: Path, finish: Any, reason: str) -> None:
        archive = archive_at(tmp_path / "run")
        said = replace(turn("I cannot" if finish == "refusal" else ""), finish=finish, note="because", usd=0.2)
        entry = list(run(archive, Models(lambda *_: said), Asking(repairs=3), budget=Budget(attempts=1)))[1]
        assert isinstance(entry.verdict, Rejected)
        assert (entry.verdict.stage, entry.verdict.reason, entry.usd) == ("patch", reason, 0.2)
        assert "because" in entry.verdict.detail
        assert verify(archive).ok

    def test_scored_attempt_without_an_answer_does_not_verify(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        list(run(archive, Models(counting()), budget=Budget(attempts=1)))
        data = git(archive.path, "show", "refs/attempts/000001:attempt.json").replace('"stop"', '"refusal"')
        entry = archive.entries[1]
        with archive._repository.batch() as batch:
            files = {"program.py": archive.source(entry.id), "reply.md": archive.reply(entry.id), "attempt.json": data}
            tree = batch.tree({name: text.encode() for name, text in files.items()})
            forged = batch.commit(tree, entry.parents, "forged", 1)
        archive._repository.set_ref("refs/attempts/000001", forged)
        (found, *_) = verify(Archive.open(archive.path)).mismatches
        assert (found.expected, found.found) == ("an answer recorded as refused", "a score")


class TestOverlap:
    def test_in_flight_is_reached_and_never_exceeded(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")

        def answer(ticket: int, request: Request) -> Turn:
            time.sleep(0.02)
            return turn(knobs(2 * ticket + 6))

        models = Models(answer)
        entries = list(run(archive, models, in_flight=4, budget=Budget(attempts=30)))
        assert len(entries) == 31 and models.most == 4
        assert len(models.asked) == 30

    def test_calls_continue_while_a_judge_is_busy_and_answers_are_durable_at_once(self, tmp_path: Path) -> None:
        archive, judge = archive_at(tmp_path / "run"), Slow()
        models = Models(counting())
        thread = threading.Thread(target=lambda: list(run(archive, models, judges=judge, in_flight=2)))
        thread.start()
        assert judge.judging.wait(DEADLINE_S)
        reader = Archive.open(tmp_path / "run")
        until(lambda: sum(one.answered for one in reader.pending()) == 6)
        assert len(judge.sources) == 1
        judge.gate.set()
        thread.join()
        assert len(archive.entries) == 7 and verify(archive).ok

    def test_answers_that_wait_for_a_judge_are_bounded(self, tmp_path: Path) -> None:
        archive, judge, models = archive_at(tmp_path / "run"), Slow(), Models(counting())
        options: dict[str, Any] = {"judges": judge, "in_flight": 2, "waiting": 3, "budget": Budget(attempts=20)}
        thread = threading.Thread(target=lambda: list(run(archive, models, **options)))
        thread.start()
        assert judge.judging.wait(DEADLINE_S)
        until(lambda: len(models.asked) >= 4)
        time.sleep(0.1)
        assert len(models.asked) <= 3 + 2
        judge.gate.set()
        thread.join()
        assert len(archive.entries) == 21

    def test_with_one_in_flight_each_proposal_sees_the_outcome_of_the_one_before(self, tmp_path: Path) -> None:
        archive, proposer = archive_at(tmp_path / "run"), Asking()
        list(run(archive, Models(counting()), proposer))
        assert [len(view.entries) for view in proposer.views] == [1, 2, 3, 4, 5, 6]
        assert [len(view.open) for view in proposer.views] == [0] * 6

    @pytest.mark.parametrize("seed", range(3))
    def test_live_standing_is_the_fold_of_the_entries_at_every_step(self, tmp_path: Path, seed: int) -> None:
        class Noisy(KnobJudge):
            def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict:
                time.sleep(rng.uniform(0, 0.004))
                return super().evaluate(source, progress=progress)

            def compare(self, source: str, other: str, *, level: float, **_: Any) -> Duel | Rejected:
                time.sleep(rng.uniform(0, 0.008))
                return super().compare(source, other, level=level)

        def answer(ticket: int, request: Request) -> Turn:
            return turn(knobs(rng.randrange(1, 12), rng.choice([0.3, 0.25, 0.1]), rng.choice([1, 2])))

        rng, objective = random.Random(seed), Pareto(epsilon=1.0)
        archive, proposer = archive_at(tmp_path / "run"), Asking()
        judges = [Noisy(), Noisy(), Noisy()]
        options: dict[str, Any] = {"in_flight": 6, "budget": Budget(attempts=60), "objective": objective}
        steps = run(archive, Models(answer), proposer, judges, **options)
        for entry in steps:
            assert archive.entries[entry.number] == entry
            where = standing(archive.entries, objective)
            assert archive.entry("best") == where.champion
        for view in proposer.views:
            assert view.standing == standing(view.entries, objective)
        assert any(entry.confirmations for entry in archive.entries)
        levels = [level for judge in judges for level in judge.levels]
        assert len(set(levels)) == len(levels), "each duel takes a level of its own"
        assert Archive.open(tmp_path / "run").entries == archive.entries

    def test_duel_against_a_replaced_champion_is_repeated_against_the_new_one(self, tmp_path: Path) -> None:
        class Lagging(KnobJudge):
            """Its duels against the seed end only when another champion is archived."""

            def compare(self, source: str, other: str, *, level: float, **_: Any) -> Duel | Rejected:
                if "ROUNDS = 1\n" in source and other == PROGRAM:
                    until(lambda: len(archive.entries) > 1)
                return super().compare(source, other, level=level)

        archive = archive_at(tmp_path / "run")
        replies = {1: knobs(1, 0.25), 2: knobs(2, 0.25)}
        models = Models(lambda ticket, request: turn(replies[ticket]))
        options = {"objective": Pareto(epsilon=1.0), "budget": Budget(attempts=2), "in_flight": 2}
        entries = list(run(archive, models, judges=[Lagging(), Lagging()], **options))
        first, second = entries[1:]
        assert [one.against for one in first.confirmations] == [entries[0].id]
        assert [one.against for one in second.confirmations] == [entries[0].id, first.id]
        assert archive.entry("best") == second

    def test_searches_at_once_lose_and_duplicate_nothing(self, tmp_path: Path) -> None:
        archive_at(tmp_path / "run").close()
        asked: list[tuple[int, Request]] = []

        def one() -> None:
            archive, models = Archive.open(tmp_path / "run"), Models(counting())
            list(run(archive, models, in_flight=3, budget=Budget(attempts=25)))
            asked.extend(models.asked)
            archive.close()

        threads = [threading.Thread(target=one) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        archive = Archive.open(tmp_path / "run")
        assert [entry.kind for entry in archive.entries].count("seed") == 1
        assert [entry.number for entry in archive.entries] == list(range(len(archive.entries)))
        tickets = [ticket for ticket, _ in asked]
        assert len(set(tickets)) == len(tickets) == len(archive.entries) - 1 >= 25
        assert sorted(tickets) == sorted(entry.ticket_number for entry in archive.entries[1:])
        assert archive.pending() == () and verify(archive).ok


class TestRounds:
    def test_the_first_calls_begin_before_all_are_proposed(self, tmp_path: Path) -> None:
        archive, proposed = archive_at(tmp_path / "run"), []
        asking = Asking()
        propose = asking.propose

        def counted(*view: Any) -> Any:
            proposed.append(1)
            return propose(*view)

        asking.propose = counted  # type: ignore[method-assign]
        begun_after: list[int] = []

        class Noting(Models):
            def submit(self, *call: Any) -> None:
                begun_after.append(len(proposed))
                super().submit(*call)

        models = Noting(counting())
        entries = list(run(archive, models, asking, in_flight=100, budget=Budget(attempts=100)))
        assert len(entries) == 101 and begun_after[0] == 32
        assert begun_after == sorted(begun_after)
        assert verify(archive).ok


class TestBudget:
    def test_call_that_does_not_fit_ends_the_search_with_its_reason(self, tmp_path: Path) -> None:
        class Poor(Models):
            def submit(self, ticket: int, request: Request, *rest: Any) -> None:
                if len(self.asked) == 3:
                    raise OverBudget("the next call may cost up to $1", final=True)
                super().submit(ticket, request, *rest)

        archive, steps, models = archive_at(tmp_path / "run"), list[Progress](), Poor(counting())
        assert len(list(run(archive, models, in_flight=2, progress=steps.append))) == 4
        assert (steps[-1].phase, steps[-1].reason) == ("ended", "the next call may cost up to $1")
        assert archive.pending() == ()

    def test_call_that_fits_once_another_is_settled_is_made_then(self, tmp_path: Path) -> None:
        class Tight(Models):
            def submit(self, ticket: int, request: Request, *rest: Any) -> None:
                if self._out:
                    raise OverBudget("one at a time", final=False)
                super().submit(ticket, request, *rest)

        archive, models = archive_at(tmp_path / "run"), Tight(counting())
        assert len(list(run(archive, models, in_flight=4))) == 7
        assert models.most == 1

    def test_repair_that_does_not_fit_leaves_the_attempt_as_it_was(self, tmp_path: Path) -> None:
        class Poor(Models):
            def submit(self, ticket: int, request: Request, *rest: Any) -> None:
                if self.asked:
                    raise OverBudget("nothing is left", final=True)
                super().submit(ticket, request, *rest)

        archive = archive_at(tmp_path / "run")
        entries = list(run(archive, Poor(lambda *_: turn("no patch")), Asking(repairs=2)))
        assert len(entries) == 2 and len(entries[1].turns) == 1
        assert isinstance(entries[1].verdict, Rejected) and entries[1].verdict.reason == "malformed"
        assert entries[1].turns[0].refusal == ""
        assert verify(archive).ok

    def test_next_try_waits_until_its_bound_is_durable(self, tmp_path: Path) -> None:
        archive, models = archive_at(tmp_path / "run"), Models(lambda *_: None)
        thread = threading.Thread(target=lambda: list(run(archive, models, budget=Budget(attempts=1))))
        thread.start()
        until(lambda: 1 in models.waiting)
        reader = Archive.open(tmp_path / "run")
        assert reader.booked == Booked(usd=BOUND.usd, tokens=BOUND.tokens, calls=1)
        noted = threading.Event()
        models.waiting[1][1](1, Bound(usd=0.75, tokens=900), noted.set)
        assert noted.wait(DEADLINE_S)
        assert (reader.booked.usd, reader.booked.tokens) == (0.75, 900)
        models.release(1, turn(knobs(6)))
        thread.join()
        reader.refresh()
        assert reader.booked == Booked(usd=0.01, tokens=100, calls=1)

    def test_stop_begins_nothing_more_and_finishes_what_is_under_way(self, tmp_path: Path) -> None:
        archive, steps = archive_at(tmp_path / "run"), list[Progress]()
        other = Archive.open(tmp_path / "run")
        entries = []
        for entry in run(archive, Models(counting()), in_flight=3, budget=Budget(attempts=500), progress=steps.append):
            entries.append(entry)
            if entry.number == 5:
                other.ask_to_stop()
        assert 6 <= len(entries) < 40
        assert steps[-1].reason == "it was asked to stop"
        assert archive.pending() == ()
        assert len(list(run(archive, Models(counting()), budget=Budget(attempts=len(entries) + 1)))) == 2


class TestErrors:
    def test_model_that_cannot_be_asked_ends_the_search_unbilled(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        with pytest.raises(HarnessError, match="no such key"):
            list(run(archive, Models(lambda *_: HarnessError("no such key")), in_flight=4))
        assert len(archive.entries) == 1 and archive.pending() == ()

    def test_endpoint_that_never_replies_ends_the_search_with_its_message(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        dead = replace(turn(""), finish="no_reply", note="503 overloaded", usd=0.0)
        with pytest.raises(HarnessError, match="503 overloaded"):
            list(run(archive, Models(lambda *_: dead), budget=Budget(attempts=50)))
        assert len(archive.entries) == 6 and archive.pending() == ()

    def test_single_lost_replies_do_not_end_the_search(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        dead = replace(turn(""), finish="no_reply")
        models = Models(lambda ticket, request: dead if ticket % 4 else turn(knobs(2 * ticket)))
        assert len(list(run(archive, models, budget=Budget(attempts=24)))) == 25

    def test_judge_that_fails_ends_the_search_after_finished_attempts_are_archived(self, tmp_path: Path) -> None:
        class Failing(KnobJudge):
            def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict:
                if len(self.sources) == 3:
                    raise EvaluatorError("the disk of the judge is gone")
                return super().evaluate(source, progress=progress)

        archive, models = archive_at(tmp_path / "run"), Models(counting())
        seen = []
        with pytest.raises(EvaluatorError, match="is gone"):
            for entry in run(archive, models, judges=Failing(), in_flight=3):
                seen.append(entry.number)
        assert seen == [0, 1, 2]
        again, asked = Archive.open(tmp_path / "run"), len(models.asked)
        archive.close()
        assert len(list(run(again, models))) == 4
        assert len(again.entries) == 7
        assert len({ticket for ticket, _ in models.asked[:asked]} & {t for t, _ in models.asked[asked:]}) == 0

    def test_request_without_models_is_an_error_that_says_so(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        with pytest.raises(HarnessError, match="none is configured"):
            list(run(archive, None))
        assert archive.pending() == ()


class TestInterrupted:
    def test_stops_a_busy_judge_at_once_and_continues_without_asking_again(self, tmp_path: Path) -> None:
        archive, judge, models = archive_at(tmp_path / "run"), Slow(), Models(counting())

        def interrupt(step: Progress) -> None:
            if step.waiting == 6:
                raise KeyboardInterrupt

        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            list(run(archive, models, judges=judge, in_flight=2, progress=interrupt))
        assert time.monotonic() - begun < 3
        assert [thread.name for thread in threading.enumerate() if thread.name.startswith("judge")] == []
        assert len(archive.entries) == 1 and len(models.asked) == 6
        archive.close()
        again = Archive.open(tmp_path / "run")
        assert [pending.answered for pending in again.pending()] == [True] * 6
        judge.gate.set()
        assert len(list(run(again, models, judges=judge))) == 6
        assert len(models.asked) == 6
        assert (round(again.booked.usd, 6), again.booked.tokens, again.booked.calls) == (0.06, 600, 6)

    @pytest.mark.parametrize(("phase", "number"), [("judging", 1), ("proposing", 3)])
    def test_answers_that_arrive_during_an_interrupt_are_kept(self, tmp_path: Path, phase: str, number: int) -> None:
        """While an answer is in the queue, and while the batch that holds one is written."""
        archive, models = archive_at(tmp_path / "run"), Models(lambda *_: None)

        def interrupt(step: Progress) -> None:
            if (step.phase, step.number) == (phase, number):
                models.release(2, turn(knobs(8)))
                raise KeyboardInterrupt

        def release() -> None:
            until(lambda: models.waiting.keys() >= {1, 2})
            models.release(1, turn(knobs(6)))

        threading.Thread(target=release).start()
        with pytest.raises(KeyboardInterrupt):
            list(run(archive, models, in_flight=2, progress=interrupt))
        archive.close()
        again, later = Archive.open(tmp_path / "run"), Models(counting())
        assert [one.answered for one in again.pending() if one.ticket < 3] == [True, True]
        entries = list(run(again, later, budget=Budget(attempts=2)))
        assert [entry.name for entry in entries if entry.ticket_number < 3] == ["rounds 6", "rounds 8"]
        assert all(ticket > 2 for ticket, _ in later.asked)

    def test_same_call_continues_after_the_generator_was_closed(self, tmp_path: Path) -> None:
        archive, models = archive_at(tmp_path / "run"), Models(counting())
        steps = run(archive, models, in_flight=3, budget=Budget(attempts=20))
        for _ in itertools.islice(steps, 8):
            pass
        steps.close()  # type: ignore[attr-defined]
        assert threading.active_count() < 10
        list(run(archive, models, in_flight=3, budget=Budget(attempts=20)))
        assert len(archive.entries) == 21
        assert archive.pending() == () and verify(Archive.open(tmp_path / "run")).ok

    def test_calls_under_way_of_a_killed_process_are_booked_at_their_bound(self, tmp_path: Path) -> None:
        def until_killed(report: Report) -> None:
            archive, models = archive_at(tmp_path / "run"), Models(lambda *_: None)
            threading.Thread(target=lambda: until(lambda: len(models.waiting) == 3) or report(3)).start()
            list(run(archive, models, in_flight=3))

        with child(until_killed) as (process, reading):
            assert os.read(reading, 2) == b"3\n"
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        archive, models = Archive.open(tmp_path / "run"), Models(counting())
        assert archive.booked == Booked(usd=3 * BOUND.usd, tokens=3 * BOUND.tokens, calls=3)
        entries = list(run(archive, models))
        lost = [entry for entry in entries if isinstance(entry.verdict, Rejected)]
        assert [entry.ticket_number for entry in lost] == [1, 2, 3]
        assert {(entry.usd, entry.tokens) for entry in lost} == {(BOUND.usd, BOUND.tokens)}
        assert [ticket for ticket, _ in models.asked] == [4, 5, 6]


class TestSettle:
    def test_answer_from_outside_is_judged_after_the_seed(self, tmp_path: Path) -> None:
        archive = archive_at(tmp_path / "run")
        assert [entry.kind for entry in settle(archive, KnobJudge(), Pareto())] == ["seed"]
        proposal = Proposal(kind="patch", parents=(archive.entries[0].id,), reply="", proposer="ask")
        with archive.writing() as writing:
            ticket = writing.ticket()
            writing.put(Pending(ticket=ticket, proposal=proposal, owner="ask"))
        other = Archive.open(tmp_path / "run")
        taken = other.take(ticket, answer=replace(proposal, reply=knobs(6)))
        (entry,) = settle(other, KnobJudge(), Pareto(), [taken])
        assert entry.scored is not None and entry.ticket_number == ticket == 1
        assert other.entry("best") == standing(other.entries, Pareto()).champion

    def test_four_at_once_judge_the_seed_once(self, tmp_path: Path) -> None:
        archive_at(tmp_path / "run").close()
        judges: list[Judge] = [KnobJudge() for _ in range(4)]

        def one(judge: Judge) -> None:
            list(settle(Archive.open(tmp_path / "run"), judge, Pareto()))

        threads = [threading.Thread(target=one, args=(judge,)) for judge in judges]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(Archive.open(tmp_path / "run").entries) == 1
        assert sum(len(judge.sources) for judge in judges if isinstance(judge, KnobJudge)) == 1


def test_large_texts_stay_on_disk_and_can_be_read(tmp_path: Path) -> None:
    archive = Archive.create(tmp_path / "run", seed_source=PROGRAM, config={"task": "toy"})
    replies = {1: knobs(4, 0.5, 1), 2: knobs(6)}
    models, proposer = Models(lambda ticket, request: turn(replies[ticket])), Asking()
    entries = list(run(archive, models, proposer, budget=Budget(attempts=2)))
    assert Archive.open(tmp_path / "run").entries == entries == archive.entries
    for one in (*archive.entries, *proposer.views[-1].standing.valid):
        assert one.scored is not None and isinstance(one.scored.score.cases, Rows)
        assert one.scored.environment is archive.entries[0].scored.environment  # type: ignore[union-attr]
        assert one.scored.score.cases[0].samples is not None
        for fought in one.confirmations:
            assert fought.duel is None or (isinstance(fought.duel.samples, Rows) and list(fought.duel.samples))
    assert any(one.confirmations for one in entries)
    assert verify(archive).ok


def test_scores_of_another_machine_keep_the_answer(tmp_path: Path) -> None:
    class Elsewhere(KnobJudge):
        def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict:
            found = super().evaluate(source)
            assert isinstance(found, Scored)
            return found if source == PROGRAM else scored(0.9, 1.0, hardware="another processor")

    archive, models = archive_at(tmp_path / "run"), Models(counting())
    with pytest.raises(HarnessError, match="another processor"):
        list(run(archive, models, judges=Elsewhere()))
    assert [pending.answered for pending in archive.pending()] == [True]
