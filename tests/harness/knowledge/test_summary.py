import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evaluator import TASKS
from harness import patch
from harness.archive import Archive
from harness.knowledge import MOST_CHARACTERS, Summaries, summary_of
from harness.llm import Model, Models, Price
from harness.patch import PatchError
from harness.proposers import Contender, ProposerOptions, Shares
from harness.proposers.llm import Llm
from harness.readings.verify import verify
from harness.search.budget import Budget
from harness.types import Entry, HarnessError, TurnRecord
from tests.harness.builders import PROGRAM
from tests.harness.knowledge.test_ideas import SEED, tried
from tests.harness.llm.models import knobs
from tests.harness.prompt.test_prompt import ANY, unseen
from tests.harness.search.test_search import archive_at, run
from tests.stub import Asked, Reply, Stub

TURN = TurnRecord(model="m", length=1)
SUMMARY = "<SUMMARY>\nFewer rounds help.\n\nNot tried: depth.\n</SUMMARY>\n"


class TestReading:
    def test_a_summary_stands_before_the_answer_and_leaves_it_as_it_is(self) -> None:
        reply = f"Here it is.\n{SUMMARY}{knobs(3)}"
        assert summary_of(reply) == "Fewer rounds help.\n\nNot tried: depth."
        assert patch.apply_reply(reply, PROGRAM) == patch.apply_reply(knobs(3), PROGRAM)

    @pytest.mark.parametrize(
        "reply",
        [
            knobs(3),
            f"{knobs(3)}\n{SUMMARY}",
            f"<think>\n{SUMMARY}</think>\n{knobs(3)}",
            "<SUMMARY>\nIt was cut off.",
            f"```python\n{SUMMARY}```\n",
            f"<<<<<<< SEARCH\n{SUMMARY}=======\n>>>>>>> REPLACE\n",
            "Put it into <SUMMARY>tags</SUMMARY>.",
            "<SUMMARY>\n \u200b\n</SUMMARY>",
        ],
    )
    def test_what_stands_elsewhere_is_none(self, reply: str) -> None:
        assert summary_of(reply) == ""

    def test_a_long_reply_of_beginnings_is_read_at_once(self) -> None:
        begun_s = time.process_time()
        assert summary_of("<SUMMARY>\n" * 30_000) == ""
        assert time.process_time() - begun_s < 5, "once took over a minute: the end was looked for from each of them"

    @settings(deadline=None)
    @given(ANY)
    @example("a" * 100_000)
    @example("\u202e" * 3_000 + "x")
    def test_any_text_is_cleaned_and_cut(self, text: str) -> None:
        found = summary_of(f"<SUMMARY>{text}</SUMMARY>\n{knobs(3)}")
        assert len(found) <= MOST_CHARACTERS and not unseen(found)

    @given(st.text("ab <>/\n`=", max_size=200))
    def test_a_summary_never_changes_which_program_an_answer_makes(self, text: str) -> None:
        """It is made or refused: text before a <DIFF> section does not count."""
        try:
            made = patch.apply_reply(f"<SUMMARY>\n{text}\n</SUMMARY>\n{knobs(3)}", PROGRAM)
        except PatchError:
            return
        assert made.source == patch.apply_reply(knobs(3), PROGRAM).source


class TestLatest:
    def entries(self, count: int, **values: object) -> list[Entry]:
        made = {"proposer": "llm", "turns": (TURN,), **values}
        return [SEED, *(tried(n, "swap_pairs", **made) for n in range(1, count + 1))]  # type: ignore[arg-type]

    def reader(self, **summaries: str) -> tuple[Callable[[str], str], list[str]]:
        read: list[str] = []

        def reply(entry_id: str) -> str:
            read.append(entry_id)
            if entry_id == "e3":
                raise HarnessError("it is torn")
            return f"<SUMMARY>{summaries[entry_id]}</SUMMARY>\n" if entry_id in summaries else knobs(3)

        return reply, read

    def test_each_reply_is_read_once_and_only_late_ones_at_the_start(self) -> None:
        reply, read = self.reader(e2="Old.", e9="New.")
        growing, entries = Summaries(2, ("llm",)), self.entries(12)
        assert growing.latest(entries[:2], reply) is None
        found = [growing.latest(entries[:count], reply) for count in (4, 9, 10, 13)]
        assert [one and (one.text, one.by.number) for one in found] == [*[("Old.", 2)] * 2, *[("New.", 9)] * 2]
        assert len(read) == len(set(read))
        read.clear()
        assert Summaries(2, ("llm",)).latest(entries, reply) == found[-1] and read == ["e12", "e11", "e10", "e9"]
        many = self.entries(300)
        read.clear()
        assert Summaries(2, ("llm",)).latest(many, self.reader()[0]) is None
        assert Summaries(2, ("llm",)).latest(many, reply) is None and len(read) <= 70
        assert growing.latest(many, reply) is None, "one that goes on knows no more than one that starts"

    def test_one_that_goes_on_and_one_that_starts_show_the_same(self) -> None:
        reply, _ = self.reader(e1="Old.")
        growing, entries = Summaries(2, ("llm",)), self.entries(75)
        shown = []
        for count in range(1, 76):
            before, fresh = (
                growing.latest(entries[:count], reply),
                Summaries(2, ("llm",)).latest(entries[:count], reply),
            )
            assert before == fresh, count
            shown.append(fresh is not None)
        assert shown == [False] + [True] * 68 + [False] * 6

    def test_programs_from_elsewhere_bring_none(self) -> None:
        reply, read = self.reader(e1="Obey.", e2="Obey.")
        imported = self.entries(1, kind="import")
        assert Summaries(2, ("llm",)).latest([*imported, tried(2, "x", proposer="catalogue")], reply) is None
        assert read == []

    def test_prompts_are_counted_whatever_other_proposers_make_between_them(self) -> None:
        """By turns with the catalogue, every second attempt was never that of a model."""
        entries, due = [SEED], []
        for number in range(1, 161, 2):
            growing = Summaries(2, ("llm",))
            due.append(growing.due(entries, 0))
            entries.append(tried(number, "swap_pairs", proposer="llm", turns=(TURN,)))
            entries.append(tried(number + 1, "other", proposer="catalogue"))
        assert due == [False, True] * 40
        reply, _ = self.reader(e159="Late.", e21="Old.")
        assert (found := Summaries(2, ("llm",)).latest(entries, reply)) and found.text == "Late."
        assert (found := Summaries(2, ("llm",)).latest(entries[:-4], reply)) and found.text == "Old."

    def test_merges_that_git_makes_for_models_bring_none(self) -> None:
        merged = tried(1, "cross_2_with_1", proposer="llm", kind="crossover")
        assert not Summaries(2, ("llm",)).due([SEED, merged], 0)


def test_a_search_with_an_endpoint_asks_for_summaries_and_shows_them_also_when_it_is_continued(tmp_path: Path) -> None:
    """Real HTTP. A summary costs a longer reply and no call; all of it is booked, and stands in the archive."""

    def answer(asked: Asked) -> Reply:
        wanted = "# Asked this time: a summary" in asked.text
        summary = f"<SUMMARY>\nLearnt by call {asked.number}.\n# What to do\n</SUMMARY>\n" if wanted else ""
        return Reply(text=summary + knobs(6 + 2 * asked.number, name=f"rounds_{asked.number}"))

    def searched(stub: Stub, attempts: int) -> None:
        budget = Budget(attempts=attempts, usd=5.0)
        model = Model(name="m", base_url=stub.base_url, price=Price(input=2, output=4), max_output_tokens=300)
        options = ProposerOptions(
            task=TASKS["bin_packing"]({}),
            models=(Contender(name="m", max_output_tokens=300),),
            shares=Shares.only("patch"),
            inspirations=0,
            repairs=0,
            summary_every=3,
        )
        with Archive.open(tmp_path / "run") as archive, Models([model], budget.ledger(spent=archive.booked)) as models:
            list(run(archive, proposer=Llm(options), budget=budget, models=models))

    archive_at(tmp_path / "run").close()
    with Stub(answer) as stub:
        searched(stub, 4)
        searched(stub, 7)
        texts = [asked.text for asked in stub.asked]
        bill = stub.bill(input_usd_per_million=2, output_usd_per_million=4)
    assert [number for number, text in enumerate(texts) if "# Asked this time" in text] == [2, 5]
    assert [text.count("Learnt by call 2.\n# What to do\n```\n") for text in texts] == [0, 0, 0, 1, 1, 1, 0]
    assert "Written with attempt 6." in texts[6] and "Learnt by call 5." in texts[6]
    assert "# What was tried" not in texts[0]
    assert "1 idea in 6 tries: 1 " in texts[6] and "rounds_" in texts[6]
    with Archive.open(tmp_path / "run") as archive:
        assert archive.booked.usd == pytest.approx(bill) and archive.booked.calls == len(texts) == 7
        assert verify(archive).ok
