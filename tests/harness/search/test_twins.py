"""Programs proposed again: archived with the verdict of the first, and not judged again."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from evaluator import Progress as Judging
from evaluator import Rejected, Verdict
from harness import patch
from harness.archive import Archive
from harness.identity import syntax_hash
from harness.llm.bandit import Bandit, BanditSettings
from harness.proposers.history import History
from harness.readings.verify import verify
from harness.report.attempts import row
from harness.report.stats import stats
from harness.report.stats_table import stats_record, stats_view
from harness.search import Progress, SearchSetup, search
from harness.search.budget import Budget
from harness.select import Pareto, Standing, standing
from harness.types import Entry, Request, Turn
from tests.harness.archive.archives import git
from tests.harness.builders import PROGRAM, REJECTED, KnobJudge
from tests.harness.llm.models import Asking, Models, knobs, turn

DEADLINE_S = 20.0


def archive_at(path: Path) -> Archive:
    return Archive.create(path, seed_source=PROGRAM, config={"task": "toy"})


def making(child: str, name: str) -> str:
    return patch.render(patch.diff(PROGRAM, child, name=name, description="Something."))


def laid_out(reply: str, name: str) -> str:
    """The reply that makes the same program with one more comment and another spelling of a constant."""
    child = patch.apply_reply(reply, PROGRAM).source
    return making(child.replace("\nSLACK = ", "\n# and the slack\nSLACK = ").replace("items[3]", "items[0x3]"), name)


def run(archive: Archive, replies: list[str] | Callable[[int, Request], Turn], **more: Any) -> Iterator[Entry]:
    """A search in which these are the answers, by ticket."""
    answer = replies if callable(replies) else lambda ticket, request: turn(replies[ticket - 1])
    options: dict[str, Any] = {"judges": KnobJudge(), "proposer": Asking(), "in_flight": 1} | more
    options = {"budget": Budget(attempts=1 if callable(replies) else len(replies))} | options
    judges = options.pop("judges")
    setup = SearchSetup(
        judges=judges if isinstance(judges, list) else [judges],
        selector=lambda where, rng, n: where.front[:n],
        objective=Pareto(epsilon=1.0),
        seed=5,
        models=Models(answer),
        **options,
    )
    return search(archive, setup)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def answered(archive: Archive) -> int:
    """How many tickets have their answer and no verdict, as another process sees it."""
    return sum(one.answered for one in Archive.open(archive.path).pending())


class Gated(KnobJudge):
    """Judges children only once it may."""

    def __init__(self) -> None:
        super().__init__()
        self.judging, self.gate = threading.Event(), threading.Event()

    def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict:
        verdict = super().evaluate(source, progress=progress)
        if source != PROGRAM:
            self.judging.set()
            assert self.gate.wait(DEADLINE_S)
        return verdict


class TestTakenOver:
    def test_a_program_in_another_layout_has_the_verdict_of_the_first_and_no_judge(self, tmp_path: Path) -> None:
        archive, judge, better = archive_at(tmp_path / "run"), KnobJudge(), knobs(6)
        entries = list(run(archive, [better, laid_out(better, "again"), better], judges=judge))
        first, other, same = entries[1:]
        assert len(judge.sources) == 2, "the seed program and the first"
        assert other.program_id != first.program_id == same.program_id
        assert other.syntax_hash == first.syntax_hash == same.syntax_hash != ""
        assert [one.same_as for one in entries] == ["", "", first.id, first.id]
        assert other.verdict == same.verdict == first.verdict
        assert (other.name, other.seconds, other.usd, other.confirmations) == ("again", 0, 0.01, ())
        again = Archive.open(tmp_path / "run")
        assert again.entries == archive.entries and again.pending() == () and verify(again).ok
        assert again.known(other.program_id, other.syntax_hash) == first
        message = git(again.path, "log", "-1", "--format=%(trailers:key=Same-as,valueonly)", other.id)
        assert message.split() == [first.id[:12]]

    def test_the_seed_program_is_known_too(self, tmp_path: Path) -> None:
        archive, judge = archive_at(tmp_path / "run"), KnobJudge()
        entries = list(run(archive, [making(PROGRAM.replace("items[3]", "(items)[0x3]"), "no change")], judges=judge))
        assert entries[1].same_as == entries[0].id and judge.sources == [PROGRAM]
        assert standing(archive.entries, Pareto()).champion == entries[0]

    def test_a_program_without_a_syntax_hash_is_known_by_its_bytes_only(self, tmp_path: Path) -> None:
        archive, judge = archive_at(tmp_path / "run"), KnobJudge()
        child = PROGRAM.replace("SLACK = 0.5\n", "SLACK = 0.5\nTEXT = __doc__\n")
        remarked = child.replace("TEXT", "# to be read\nTEXT")
        texts = [making(one, name) for one, name in ((child, "a"), (remarked, "b"), (child, "c"))]
        entries = list(run(archive, texts, judges=judge))
        assert [one.syntax_hash for one in entries[1:]] == [""] * 3
        assert [one.same_as for one in entries[1:]] == ["", "", entries[1].id]
        assert len(judge.sources) == 3

    def test_a_rejected_program_is_rejected_again_and_sent_back(self, tmp_path: Path) -> None:
        archive, judge, bad = archive_at(tmp_path / "run"), KnobJudge(), knobs(9)

        def answer(ticket: int, request: Request) -> Turn:
            return turn(bad if ticket == 1 else laid_out(bad, "again") if len(request.messages) == 1 else knobs(8))

        proposer = Asking(repairs=0)
        first = list(run(archive, answer, judges=judge, proposer=proposer, budget=Budget(attempts=1)))[1]
        (left,) = run(archive, answer, judges=judge, proposer=proposer, budget=Budget(attempts=2))
        assert (left.verdict, left.same_as, left.seconds) == (first.verdict, first.id, 0) and first.verdict == REJECTED
        proposer.repairs = 1
        (mended,) = run(archive, answer, judges=judge, proposer=proposer, budget=Budget(attempts=3))
        assert mended.scored is not None and mended.same_as == "" and len(mended.turns) == 2
        assert mended.turns[0].refusal == "exception: try again"
        assert [source.count("ROUNDS = 9") for source in judge.sources] == [0, 1, 0]
        history = History()
        history.follow(archive.entries)
        assert history.failures(9) == [first], "a repair of one is a repair of both"
        assert verify(Archive.open(tmp_path / "run")).ok

    def test_a_text_refused_for_its_length_does_not_refuse_shorter_ones(self, tmp_path: Path) -> None:
        class Narrow(KnobJudge):
            def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict:
                if len(source) > len(PROGRAM) + 10:
                    return Rejected(stage="screen", reason="too_large", detail="")
                return super().evaluate(source, progress=progress)

        archive, short = archive_at(tmp_path / "run"), knobs(6)
        long = laid_out(short, "wordy")
        entries = list(run(archive, [long, short, long], judges=Narrow()))
        assert [one.scored is not None for one in entries[1:]] == [False, True, False]
        assert [one.same_as for one in entries[1:]] == ["", "", entries[1].id]

    def test_a_damaged_verdict_is_not_copied(self, tmp_path: Path) -> None:
        archive, judge, better = archive_at(tmp_path / "run"), KnobJudge(), knobs(6)
        first = list(run(archive, [better]))[1]
        archive.close()
        again = Archive.open(tmp_path / "run")
        blob = git(again.path, "rev-parse", f"{first.id}:attempt.json").strip()
        (again.path / "objects" / blob[:2] / blob[2:]).unlink()
        (entry,) = run(again, [better, better], judges=judge)
        assert entry.same_as == "" and entry.verdict != REJECTED and len(judge.sources) == 1


class TestAtTheSameTime:
    def test_the_second_waits_for_the_first(self, tmp_path: Path) -> None:
        archive, judges, better = archive_at(tmp_path / "run"), [Gated(), Gated()], knobs(6)
        replies = [better, laid_out(better, "again"), better, knobs(8)]
        found = list[Entry]()
        options: dict[str, Any] = {"judges": judges, "in_flight": 4}
        thread = threading.Thread(target=lambda: found.extend(run(archive, replies, **options)))
        thread.start()
        until(lambda: all(judge.judging.is_set() for judge in judges))
        until(lambda: answered(archive) == 4)
        for judge in judges:
            judge.gate.set()
        thread.join()
        assert sorted(source.count("ROUNDS = 6") for judge in judges for source in judge.sources) == [0, 0, 1]
        first, *twins = [entry for entry in found if entry.syntax_hash == syntax_hash(PROGRAM.replace("4", "6", 1))]
        assert first.same_as == "" and [one.same_as for one in twins] == [first.id] * 2
        assert verify(Archive.open(tmp_path / "run")).ok

    def test_the_second_is_judged_itself_if_the_first_is_repaired(self, tmp_path: Path) -> None:
        archive, judge, bad = archive_at(tmp_path / "run"), Gated(), knobs(9)

        def answer(ticket: int, request: Request) -> Turn:
            if len(request.messages) > 1:
                return turn(knobs(2 * ticket + 6))
            if ticket == 2:
                assert judge.judging.wait(DEADLINE_S)
            return turn(bad if ticket == 1 else laid_out(bad, "again"))

        def let() -> None:
            until(lambda: answered(archive) == 2)
            judge.gate.set()

        threading.Thread(target=let).start()
        options: dict[str, Any] = {"judges": judge, "in_flight": 2, "budget": Budget(attempts=2)}
        entries = list(run(archive, answer, proposer=Asking(repairs=1), **options))
        assert [source.count("ROUNDS = 9") for source in judge.sources].count(1) == 2
        assert [(one.scored is not None, one.same_as, len(one.turns)) for one in entries[1:]] == [(True, "", 2)] * 2

    def test_a_waiting_twin_of_an_interrupted_search_is_settled_by_the_next(self, tmp_path: Path) -> None:
        archive, better = archive_at(tmp_path / "run"), knobs(6)
        replies = [better, laid_out(better, "again")]

        class Interrupted(KnobJudge):
            def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict:
                if source != PROGRAM:
                    until(lambda: answered(archive) == 2)
                    raise KeyboardInterrupt
                return super().evaluate(source, progress=progress)

        with pytest.raises(KeyboardInterrupt):
            list(run(archive, replies, judges=Interrupted(), in_flight=2))
        archive.close()
        again, judge = Archive.open(tmp_path / "run"), KnobJudge()
        assert [one.answered for one in again.pending()] == [True, True]
        first, second = run(again, replies, judges=judge)
        assert second.same_as == first.id and len(judge.sources) == 1
        assert again.pending() == ()


class TestCounted:
    def test_a_twin_counts_as_an_attempt_and_not_as_an_improvement(self, tmp_path: Path) -> None:
        archive, better = archive_at(tmp_path / "run"), knobs(6)
        steps: list[Progress] = []
        options: dict[str, Any] = {"budget": Budget(patience=3), "progress": steps.append}
        entries = list(run(archive, lambda ticket, request: turn(better), **options))
        where = standing(archive.entries, Pareto(epsilon=1.0))
        assert len(entries) == 4 and "3 attempts in a row" in steps[-1].reason
        assert [one.number for one in where.valid] == [0, 1] and where.champion == entries[0]
        assert [one.number for one in where.front] == [0, 1]
        empty = Bandit(settings=BanditSettings(discount=1.0), standing=Standing(objective=Pareto(epsilon=1.0)))
        (arm,) = reduce(Bandit.add, archive.entries, empty).arms.values()
        assert (arm.attempts, arm.improvements, round(arm.usd, 9)) == (3, 1, 0.03)

    def test_twins_judged_by_two_processes_are_one_program_in_the_standing(self, tmp_path: Path) -> None:
        archive, better = archive_at(tmp_path / "run"), knobs(6)
        entries = list(run(archive, [better, laid_out(better, "again")]))
        judged = replace(entries[2], same_as="")
        where = standing([*entries[:2], judged], Pareto(epsilon=1.0))
        assert [one.number for one in where.valid] == [0, 1]
        assert judged.scored is not None and where.claim(judged.program_id, judged.scored, judged.syntax_hash) == "none"


class TestVerified:
    @pytest.mark.parametrize(
        ("of", "changes", "expected"),
        [
            (2, {"same_as": "\x1b[2J"}, "a verdict taken over from an attempt of this archive"),
            (2, {"verdict": {"rejected": {"stage": "run", "reason": "exception", "detail": ""}}}, "the verdict of"),
            (1, {"same_as": "third"}, "a verdict taken over from an attempt that came before and was judged"),
        ],
    )
    def test_a_false_twin_is_reported(self, tmp_path: Path, of: int, changes: dict[str, Any], expected: str) -> None:
        archive, better = archive_at(tmp_path / "run"), knobs(6)
        entries = list(run(archive, [better, better, knobs(8)]))
        entry = entries[of]
        changes = {key: entries[3].id if value == "third" else value for key, value in changes.items()}
        record = json.loads(git(archive.path, "show", f"{entry.id}:attempt.json")) | changes
        files = {"program.py": archive.source(entry.id), "reply.md": archive.reply(entry.id)}
        with archive._repository.batch() as batch:
            tree = {name: text.encode() for name, text in (files | {"attempt.json": json.dumps(record)}).items()}
            forged = batch.commit(batch.tree(tree), entry.parents, "forged", 1)
        archive._repository.set_ref(f"refs/attempts/{of:06d}", forged)
        told = [one for one in verify(Archive.open(archive.path)).mismatches if one.number == of]
        assert [one.expected.startswith(expected) for one in told] == [True]
        assert all(one.found.isprintable() for one in told)


class TestShown:
    def test_a_row_names_the_attempt_with_the_same_program(self, tmp_path: Path) -> None:
        archive, bad = archive_at(tmp_path / "run"), knobs(9)
        entries = list(run(archive, [knobs(6), bad, laid_out(bad, "again"), knobs(6)]))
        rows = [str(row(one, archive.find, 120)) for one in entries]
        assert ["same program as" in text for text in rows] == [False, False, False, True, True]
        assert rows[3].endswith("run: exception  same program as 2") and rows[4].endswith("same program as 1")
        assert str(row(entries[3], lambda _: None, 120)).endswith("same program as ?")
        assert str(row(entries[3], archive.find, 40)).endswith("…")

    def test_statistics_count_known_programs(self, tmp_path: Path) -> None:
        archive, better = archive_at(tmp_path / "run"), knobs(6)
        entries = list(run(archive, [better, "no patch", better, better]))
        found = stats(standing(entries, Pareto(epsilon=1.0)), entries)
        assert (found.total.proposals, found.total.applied, found.total.known) == (4, 3, 2)
        assert (found.total.valid, found.total.better) == (3, 1)
        assert stats_record(found)["total"]["known"] == 2
        console = Console(width=80, file=io.StringIO())
        console.print(stats_view(found))
        assert isinstance(console.file, io.StringIO)
        assert "known already, so not judged again: 2 of the 3 programs\n" in console.file.getvalue()
        fresh = stats(standing(entries[:2], Pareto(epsilon=1.0)), entries[:2])
        console.file = io.StringIO()
        console.print(stats_view(fresh))
        assert "known already" not in console.file.getvalue()


class TestRefusedRepeats:
    """With `refuse_repeats`, a program that does the same as another goes back to the model before a judge has it."""

    RENAMED = PROGRAM.replace("first", "third").replace("ROUNDS = 4", "ROUNDS = 6")

    def test_new_names_alone_are_sent_back_to_differ(self, tmp_path: Path) -> None:
        archive, judge = archive_at(tmp_path / "run"), KnobJudge()

        def answer(ticket: int, request: Request) -> Turn:
            return turn(
                knobs(6) if ticket == 1 else making(self.RENAMED, "a") if len(request.messages) == 1 else knobs(8)
            )

        options: dict[str, Any] = {"judges": judge, "proposer": Asking(repairs=1), "refuse_repeats": True}
        entries = list(run(archive, answer, budget=Budget(attempts=2), **options))
        assert len(judge.sources) == 3, "the seed program, the first, and what came of the second"
        assert [one.refusal for one in entries[2].turns] == ["repeats: try again", ""] and entries[2].scored

    @pytest.mark.parametrize("reply", [knobs(6), laid_out(knobs(6), "b"), making(RENAMED, "c")])
    def test_one_that_stays_a_repeat_is_archived_with_a_typed_verdict(self, tmp_path: Path, reply: str) -> None:
        archive, judge = archive_at(tmp_path / "run"), KnobJudge()
        replies = [knobs(6), reply]
        options: dict[str, Any] = {"judges": judge, "proposer": Asking(repairs=0), "refuse_repeats": True}
        entries = list(run(archive, replies, **options))
        verdict = entries[2].verdict
        assert isinstance(verdict, Rejected) and (verdict.stage, verdict.reason) == ("screen", "repeats")
        assert len(judge.sources) == 2 and entries[2].same_as == ""

    def test_another_constant_is_judged(self, tmp_path: Path) -> None:
        archive, judge = archive_at(tmp_path / "run"), KnobJudge()
        entries = list(run(archive, [knobs(6), knobs(8)], judges=judge, refuse_repeats=True))
        assert all(one.scored for one in entries) and len(judge.sources) == 3
