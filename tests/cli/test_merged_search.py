"""Crossovers that begin with git's merge, from the config to `packsmith lineage`: a real archive, real sockets, and a
model behind the stub that resolves what conflicts. Programs are scored by the numbers in their text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.archive import Archive
from harness.cli import run
from harness.cli.runs import begin_run
from harness.config import Config, load
from harness.config.models import keyed
from harness.llm import Models
from harness.proposers import PROPOSERS, Proposer, View
from harness.readings.verify import verify
from harness.search import SearchSetup, search
from harness.search.budget import Budget
from harness.types import Entry, Proposal
from tests.cli.asking import KEY, asking
from tests.cli.runs import git, patch, write_workshop
from tests.harness.builders import PROGRAM, KnobJudge
from tests.harness.llm.models import knobs
from tests.stub import Asked, Reply, Stub

ROUNDS = re.compile(r"^In (.+):\n\n```python\nROUNDS = ([\d.]+)\n```$", re.MULTILINE)
"""The line of each program at a conflict, as a prompt shows it."""


class Given:
    """A proposer that gives these replies to the seed program."""

    def __init__(self, *replies: str) -> None:
        self._replies: Iterator[str] = iter(replies)

    def propose(self, view: View, rng: random.Random) -> Proposal | None:
        reply, parents = next(self._replies, None), (view.entries[0].id,)
        return None if reply is None else Proposal(kind="patch", parents=parents, reply=reply, proposer="given")


def resolve(asked: Asked) -> Reply:
    """The mean of the rounds of both sides, where a conflict is shown."""
    if "Finish the merge" not in asked.text:
        return Reply(text="I was asked for a merge alone.")
    *_, (_, first), (_, second) = ROUNDS.findall(asked.text)
    mean = f"{(float(first) + float(second)) / 2:g}"
    return Reply(text=patch("between", "Rounds of both.", f"ROUNDS = {first}\n", f"ROUNDS = {mean}\n"))


def searched(archive: Archive, config: Config, proposer: Proposer, models: Models | None, attempts: int) -> list[Entry]:
    setup = SearchSetup(
        judges=[KnobJudge()],
        proposer=proposer,
        selector=config.selector(archive.source),
        objective=config.objective,
        seed=config.seed,
        models=models,
        budget=Budget(attempts=attempts),
        in_flight=1,
    )
    return list(search(archive, setup))


def test_git_merges_what_it_can_and_a_model_resolves_the_rest(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write_workshop(tmp_path)
    (folder / "solver.py").write_text(PROGRAM)
    shares = "proposer.shares={patch: 0, rewrite: 0, crossover: 1, repair: 0}"
    with Stub(resolve) as stub:
        overrides = asking(stub.base_url, shares, "proposer.merges=1")[1::2]
        config = load(str(folder / "tiny.yaml"), overrides)
        models = keyed(config.models, {"STUB_KEY": KEY})
        with begin_run(folder / "run", config) as opened, Models(models, config.budget.ledger()) as client:
            archive = opened.archive
            searched(archive, config, Given(knobs(1), knobs(8), knobs(4, depth=1)), None, 3)
            llm = PROPOSERS[config.kind](config.proposer_options)
            made = searched(archive, config, llm, client, 8)
            for entry in made:
                assert entry.kind == "crossover" and entry.proposer == "llm" and len(set(entry.parents)) == 2
                assert git(archive.path, "log", "-1", "--format=%P", entry.id).split() == list(entry.parents)
            assert verify(archive).ok
            numbers = {entry.id: entry.number for entry in archive.entries}
    free, paid = ([entry for entry in made if bool(entry.turns) == called] for called in (False, True))
    assert free and all((entry.usd, entry.tokens, entry.model) == (0.0, 0, "") for entry in free)
    assert all(entry.scored and entry.description.endswith("merged.") for entry in free)
    assert len(paid) == len(stub.asked) and all(entry.usd > 0 for entry in paid)
    asked_about = [frozenset(entry.parents) for entry in paid if entry.name == "between"]
    assert asked_about and max(map(asked_about.count, asked_about)) <= 2
    united = next(entry for entry in paid if entry.name == "between")
    assert united.scored is not None and united.description == "Rounds of both."
    assert run(["lineage", str(folder / "run"), str(united.number)]) == 0
    first, second = (numbers[parent] for parent in united.parents)
    assert re.search(rf"^ *{united.number} +between +{first}\+{second} ", capfd.readouterr().out, re.MULTILINE)
