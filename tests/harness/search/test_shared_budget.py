"""Several searches on one run, with real HTTP and endpoints that lie about what they bill: one budget for all."""

from __future__ import annotations

import contextlib
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.archive import Archive
from harness.archive.ledger_file import ledger_of
from harness.llm import Model, Models, Price
from harness.readings.verify import verify
from harness.search import SearchSetup, search
from harness.search.budget import Budget
from harness.select import Pareto, pick_front
from tests.harness.builders import KnobJudge
from tests.harness.llm.models import Asking, knobs
from tests.harness.search.test_search import archive_at
from tests.stub import Asked, Reply, Stub

LIMIT_USD = 0.05
LIES = (
    {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    None,
    {"prompt_tokens": 10**9, "completion_tokens": 10**9, "total_tokens": 2 * 10**9},
    "honest",
)


def answers(number: int) -> Stub:
    """A stub whose usage is a lie, each its own; some of its replies break off after they were paid for."""

    def reply(asked: Asked) -> Reply:
        broken = asked.number % 5 == 3
        text = knobs(2 * (4 * asked.number + number) + 6)
        return Reply(text=text, usage=LIES[number], fail="drop_midway" if broken else "")  # type: ignore[arg-type]

    return Stub(reply, latency_s=0.01)


@pytest.mark.slow
def test_four_searches_with_four_lying_endpoints_never_exceed_the_dollars(tmp_path: Path) -> None:
    archive_at(tmp_path / "run").close()
    failures: list[BaseException] = []

    def work(base_url: str) -> None:
        try:
            with ExitStack() as stack:
                archive = stack.enter_context(Archive.open(tmp_path / "run"))
                budget = Budget(usd=LIMIT_USD, attempts=400)
                ledger = budget.ledger(book=stack.enter_context(contextlib.closing(ledger_of(archive))))
                model = Model(
                    name="m", base_url=base_url, price=Price(input=2, output=4), max_output_tokens=300, tries=2
                )
                models = stack.enter_context(Models([model], ledger))
                setup = SearchSetup(
                    judges=[KnobJudge()],
                    proposer=Asking(),
                    selector=pick_front,
                    objective=Pareto(),
                    budget=budget,
                    seed=5,
                    models=models,
                    in_flight=2,
                )
                for _ in search(archive, setup):
                    pass
        except BaseException as error:
            failures.append(error)

    with ExitStack() as stack:
        stubs = [stack.enter_context(answers(number)) for number in range(4)]
        threads = [threading.Thread(target=work, args=(stub.base_url,)) for stub in stubs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        billed = sum(stub.bill(input_usd_per_million=2, output_usd_per_million=4) for stub in stubs)
        asked = [len(stub.asked) for stub in stubs]
    assert not failures
    assert 0 < billed <= LIMIT_USD, (billed, asked)
    assert sum(count > 0 for count in asked) >= 3
    with Archive.open(tmp_path / "run") as archive:
        assert billed <= archive.booked.usd <= LIMIT_USD and not archive.pending()
        assert archive.booked.usd > 0.8 * LIMIT_USD, "it was used"
        assert verify(archive).ok
        assert len({entry.ticket_number for entry in archive.entries}) == len(archive.entries)
