"""`packsmith search` with a mix of proposers: the command, the client, real sockets and real git, against the stub."""

from __future__ import annotations

from tests.cli.asking import asking, change, with_key
from tests.cli.runs import Cli
from tests.stub import Reply, Stub

MIX = ("proposer.kind=mix", "proposer.mix={llm: 6, catalogue: 2}", "budget.calls=2")
SPENT = (
    "note: llm is left out for now, and the others go on: all 2 calls of the budget are made or under way "
    "(budget.calls)"
)


def test_models_and_the_catalogue_take_turns_until_the_calls_are_spent(cli: Cli) -> None:
    with Stub(lambda asked: Reply(text=change(asked.number)), latency_s=0.05) as stub:
        options = asking(stub.base_url, *MIX, in_flight=3, attempts=4)
        [plan] = cli("search", "tiny.yaml", *options, "--dry-run", "--json", env=with_key()).records
        done = cli("search", "tiny.yaml", "--run", "run", *options, env=with_key())
    assert (plan["proposer"], plan["mix"]) == ("mix", {"llm": 6.0, "catalogue": 2.0})
    assert (plan["worst_case"]["calls"], len(plan["models"])) == (2, 1)
    assert done.code == 0, done.err
    said = " ".join(done.err.split())
    assert "proposed by llm 6, catalogue 2 of every 8 attempts" in said and said.count(SPENT) == 1
    assert "search ended: all 4 attempts are made" in said
    records = sorted(cli("log", "run", "--json").records[1:], key=lambda record: record["ticket"])
    assert [record["proposer"] for record in records] == ["llm", "llm", "catalogue", "catalogue"]
    assert [record["usd"] > 0 for record in records] == [record["proposer"] == "llm" for record in records]
    assert len(stub.asked) == 2 and cli("verify", "run").code == 0
    assert "made by   llm 2, catalogue 2" in cli("status", "run").out
