"""The lines of a search, while its judges are at work elsewhere."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from evaluator.remote import ProcessLine, RemoteJudge
from harness.archive import Archive
from harness.cli.live import View
from harness.config import load
from harness.llm.ledger import Ledger
from harness.search.budget import Budget
from tests.evaluator.judges import spec_and_task
from tests.harness.builders import PROGRAM, entry, scored

QUICKSTART = Path(__file__).resolve().parents[2] / "configs" / "quickstart.yaml"


@pytest.mark.slow
def test_an_attempt_is_shown_while_its_judge_is_away(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The thread that talks to a judge may be starting it again meanwhile."""
    quiet, config = Console(quiet=True), load(QUICKSTART)
    spec, task = spec_and_task()
    with RemoteJudge(ProcessLine("core 0"), spec, task) as judge:
        view = View(quiet, quiet, [judge], Ledger(), config=config, budget=Budget(attempts=1), json=True)
    with closing(Archive.create(tmp_path / "run", seed_source=PROGRAM, config={"task": "toy"})) as archive:
        view.show(entry(1, scored(0.5, 2.0)), archive)
    assert json.loads(capfd.readouterr().out)["device"] == "cpu"
