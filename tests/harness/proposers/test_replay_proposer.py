import random
from dataclasses import replace
from pathlib import Path

import pytest

from evaluator.types import Rejected
from harness import patch
from harness.archive import Archive
from harness.identity import program_id
from harness.patch import PatchError
from harness.proposers import PROPOSERS, PatchText, Proposer, ProposerOptions, View, recorded_replies, recorded_run
from harness.proposers.replay import Replay
from harness.readings.verify import verify
from harness.select import Pareto, standing
from harness.types import Attempt, Entry, HarnessError, Message, Proposal, Request
from tests.harness.archive import archives
from tests.harness.builders import PROGRAM, KnobJudge, scored
from tests.harness.programs import Programs
from tests.harness.proposers.contracts import OfflineContract

FASTER = PROGRAM.replace("ROUNDS = 4", "ROUNDS = 3")
DEEPER = PROGRAM.replace("depth=2", "depth=1")
BOTH = FASTER.replace("depth=2", "depth=1")
SLACK = PROGRAM.replace("SLACK = 0.5", "SLACK = 0.25")


def reply(old: str, new: str, name: str) -> str:
    return patch.render(patch.diff(old, new, name=name, description="a change"))


NOTHING = Rejected(stage="patch", reason="no_match", detail="no such lines")


def run() -> Programs:
    """A run: two children of the seed, a reply that does not apply, a lost reply, a crossover, a repair."""
    programs = Programs()
    programs.add(PROGRAM, 0.8, 1.0)
    programs.add(FASTER, 0.8, 2.0, parents=("e0",), name="faster")
    programs.reject(FASTER, NOTHING, ("e1",), reply="nothing", name="")
    programs.reject(PROGRAM, Rejected(stage="patch", reason="no_reply", detail="timeout"), ("e0",), name="")
    programs.add(DEEPER, 0.9, 1.5, parents=("e0",), inspirations=("e1",), name="deeper")
    programs.add(BOTH, 0.95, 3.0, parents=("e1", "e4"), kind="crossover", name="both")
    slack = FASTER.replace("SLACK = 0.5", "SLACK = 0.25")
    programs.add(slack, 0.95, 1.0, parents=("e1",), inspirations=("e2",), kind="repair", name="slack")
    programs.replies.update(
        e1=reply(PROGRAM, FASTER, "faster"),
        e4=reply(PROGRAM, DEEPER, "deeper"),
        e5=reply(FASTER, BOTH, "both"),
        e6=reply(FASTER, slack, "slack"),
    )
    for at, one in enumerate(programs.entries):
        programs.entries[at] = replace(one, model="a-model", usd=0.1, tokens=50, proposer="llm")
    return programs


def replay_of(programs: Programs) -> Replay:
    return Replay(ProposerOptions(recorded=recorded_run(programs.entries, programs.replies.__getitem__)))


def settle(programs: Programs, proposal: Proposal) -> Entry:
    """Archive the outcome of a proposal."""
    parent = programs.sources[proposal.parents[0]]
    values = {"inspirations": proposal.inspirations, "proposer": proposal.proposer, "model": proposal.model}
    try:
        child = patch.apply_reply(proposal.reply, parent, allow_rewrite=proposal.kind == "rewrite")
    except PatchError as error:
        verdict = Rejected(stage="patch", reason=error.reason, detail=error.detail)
        return programs.reject(parent, verdict, proposal.parents, proposal.kind, proposal.reply, name="", **values)
    score = KnobJudge().evaluate(child.source)
    assert not isinstance(score, Rejected)
    numbers = score.score.quality.value, score.score.speedup.median
    return programs.add(child.source, *numbers, parents=proposal.parents, kind=proposal.kind, name=child.name, **values)


def fresh(source: str = PROGRAM) -> Programs:
    programs = Programs()
    programs.add(source, 0.5, 1.0)
    return programs


def shape(programs: Programs, only: str = "") -> list[tuple[object, ...]]:
    """Kinds, programs and lineage by program and name, without ids."""
    named = {one.id: (one.program_id, one.name) for one in programs.entries}
    return [
        (one.kind, one.program_id, one.name, [named[p] for p in (*one.parents, *one.inspirations)])
        for one in programs.entries
        if one.number and (not only or one.proposer == only)
    ]


class TestRun(OfflineContract):
    def make(self) -> Proposer:
        recorded = recorded_run(run().entries, run().replies.__getitem__)
        return PROPOSERS["replay"](ProposerOptions(recorded=recorded))

    def view(self) -> View:
        return fresh().view()


class TestFolder(OfflineContract):
    def make(self) -> Proposer:
        files = [PatchText(name="b.txt", text=reply(PROGRAM, DEEPER, "d")), PatchText(name="a.txt", text=self.text())]
        return PROPOSERS["replay"](ProposerOptions(recorded=recorded_replies(files)))

    def text(self) -> str:
        return reply(PROGRAM, FASTER, "f")

    def view(self) -> View:
        return fresh().view()


class TestFolderWithAWholeProgram(TestFolder):
    def text(self) -> str:
        return f"Here it is.\n\n```python\n{FASTER}```\n"

    def test_a_replayed_program_is_a_rewrite(self) -> None:
        assert self.proposed().kind == "rewrite"


def test_replaying_one_at_a_time_gives_the_same_lineage_and_ends() -> None:
    recorded, again = run(), fresh()
    proposer = replay_of(recorded)
    while (proposal := proposer.propose(again.view(), random.Random(0))) is not None:
        assert (proposal.proposer, proposal.model, proposal.usd) == ("replay", "a-model", 0.0)
        settle(again, proposal)
    expected = [one for one, entry in zip(shape(recorded), recorded.entries[1:], strict=True) if entry.number != 3]
    assert shape(again) == expected
    assert len(again.entries) == 6


def test_a_replay_continues_in_a_new_process_where_it_stopped() -> None:
    recorded, again = run(), fresh()
    for _ in range(5):
        proposal = replay_of(recorded).propose(again.view(), random.Random(0))
        assert proposal is not None
        settle(again, proposal)
    assert replay_of(recorded).propose(again.view(), random.Random(0)) is None
    assert shape(again) == [one for at, one in enumerate(shape(recorded), 1) if at != 3]


@pytest.mark.parametrize("seed", range(12))
def test_several_at_once_in_any_order_give_the_same_lineage(seed: int) -> None:
    rng = random.Random(seed)
    recorded, again = run(), fresh()
    proposer = replay_of(recorded)
    open_: list[Proposal] = []
    waited = 0
    while True:
        proposal = proposer.propose(again.view(open=tuple(open_)), rng) if len(open_) < 4 else None
        if proposal is not None:
            open_.append(proposal)
        elif open_:
            waited += 1
            settle(again, open_.pop(rng.randrange(len(open_))))
        else:
            break
    assert waited
    expected = [one for at, one in enumerate(shape(recorded), 1) if at != 3]
    assert sorted(map(repr, shape(again))) == sorted(map(repr, expected))


def test_waits_for_a_parent_that_is_still_open() -> None:
    recorded, again = run(), fresh()
    proposer = replay_of(recorded)
    first = proposer.propose(again.view(), random.Random(0))
    assert first is not None
    assert proposer.propose(again.view(open=(first,)), random.Random(0)) is None
    assert proposer.why_idle() == "its next answer waits for the attempts that it was made from"
    settle(again, first)
    second = proposer.propose(again.view(), random.Random(0))
    assert second is not None and second.reply == "nothing"


def test_it_waits_for_nothing_that_other_proposers_have_under_way() -> None:
    """In a mix, calls of models are under way nearly always."""
    recorded, again = run(), fresh()
    whole = recorded_run(recorded.entries, recorded.replies.__getitem__)
    proposer = Replay(ProposerOptions(recorded=tuple(one for one in whole if one.number in (0, 4))))
    asked = Request(kind="patch", parents=("e0",), model="m", messages=(Message(role="user", text="Do."),))
    made = proposer.propose(again.view(open=(asked,)), random.Random(0))
    assert made is not None and made.inspirations == ()
    settle(again, made)
    assert proposer.propose(again.view(open=(asked,)), random.Random(0)) is None
    assert proposer.why_idle() == "all of its answers are replayed (1)"


def test_another_seed_program_is_an_error_that_says_so() -> None:
    with pytest.raises(HarnessError, match=r"attempt 1 of the recording was made from attempt 0 .* same seed program"):
        replay_of(run()).propose(fresh(SLACK).view(), random.Random(0))


def test_parent_that_is_not_in_the_recording_is_an_error() -> None:
    recorded = run()
    whole = recorded_run(recorded.entries, recorded.replies.__getitem__)
    proposer = Replay(ProposerOptions(recorded=tuple(one for one in whole if one.number not in (1, 2))))
    again = fresh()
    first = proposer.propose(again.view(), random.Random(0))
    assert first is not None and first.inspirations == ()
    settle(again, first)
    with pytest.raises(
        HarnessError, match=r"attempt 5 of the recording was made from attempt 1, whose reply is not in"
    ):
        proposer.propose(again.view(), random.Random(0))


def test_attempts_of_other_proposers_do_not_count() -> None:
    again = fresh()
    again.add(SLACK, 0.85, 1.0, parents=("e0",))
    proposal = replay_of(run()).propose(again.view(), random.Random(0))
    assert proposal is not None and proposal.reply == reply(PROGRAM, FASTER, "faster")


def test_nothing_recorded_is_an_error() -> None:
    with pytest.raises(HarnessError, match="at least one reply"):
        PROPOSERS["replay"](ProposerOptions(recorded=recorded_run(fresh().entries, str)))


class TestFolderOrder:
    def propose(self, programs: Programs, *texts: str) -> list[Proposal]:
        files = [PatchText(name=f"{at:02}.txt", text=text) for at, text in enumerate(texts)]
        random.Random(0).shuffle(files)
        proposer = Replay(ProposerOptions(recorded=recorded_replies(files)))
        found = []
        while (proposal := proposer.propose(programs.view(), random.Random(0))) is not None:
            found.append(proposal)
            settle(programs, proposal)
        return found

    def test_files_in_name_order_on_the_current_champion(self) -> None:
        programs = fresh()
        texts = reply(PROGRAM, FASTER, "faster"), reply(PROGRAM, DEEPER, "deeper")
        first, second = self.propose(programs, *texts)
        assert (first.reply, second.reply) == texts
        assert first.parents == ("e0",)
        assert programs.view().standing.champion is not None
        assert programs.sources["e2"] == BOTH
        assert second.parents == ("e1",)

    def test_applies_to_the_seed_if_not_to_the_champion_and_is_refused_on_the_champion_if_to_neither(self) -> None:
        programs = fresh()
        again = PROGRAM.replace("ROUNDS = 4", "ROUNDS = 2")
        texts = reply(PROGRAM, FASTER, "faster"), reply(PROGRAM, again, "again"), "no patch at all"
        _, second, third = self.propose(programs, *texts)
        assert second.parents == ("e0",)
        champion = programs.view().standing.champion
        assert champion is not None and third.parents == (champion.id,)
        assert isinstance(programs.entries[-1].verdict, Rejected)
        assert program_id(programs.sources["e2"]) == program_id(again)


def test_replay_of_one_archive_into_another_gives_the_same_children_byte_for_byte(tmp_path: Path) -> None:
    with archives.new(tmp_path / "recorded") as recorded, archives.new(tmp_path / "again") as again:
        archives.family(recorded)
        again.append(archives.seed_attempt(again))
        proposer = Replay(ProposerOptions(recorded=recorded_run(recorded.entries, recorded.reply)))
        while True:
            where = standing(again.entries, Pareto())
            view = View(entries=again.entries, standing=where, parents=where.front, source=again.source)
            if (proposal := proposer.propose(view, random.Random(0))) is None:
                break
            again.append(judged(again, proposal))
        for old, new in zip(recorded.entries, again.entries, strict=True):
            assert again.source(new.id) == recorded.source(old.id)
            assert [again.entry(one).number for one in new.parents if new.number] == [
                recorded.entry(one).number for one in old.parents if old.number
            ]
            assert (new.kind, new.name, again.reply(new.id)) == (old.kind, old.name, recorded.reply(old.id))
        assert sum(entry.usd for entry in again.entries) == 0
        assert verify(again).ok


def judged(archive: Archive, proposal: Proposal) -> Attempt:
    number = archive.next_number
    try:
        candidate = patch.apply_reply(proposal.reply, archive.source(proposal.parents[0]))
    except PatchError as error:
        verdict = Rejected(stage="patch", reason=error.reason, detail=error.detail)
        return Attempt(number=number, proposal=proposal, candidate=None, verdict=verdict)
    return Attempt(number=number, proposal=proposal, candidate=candidate, verdict=scored(0.6, 2.0))
