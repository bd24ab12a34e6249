"""Lines below a verdict: how long a program takes to load, and where a limit is set."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluator import Rejected
from evaluator.types import Stage
from harness.report.tables import loads_in, rejected_text
from tests.harness.builders import scored


@pytest.mark.parametrize(("seconds", "line"), [(0.0, ""), (0.0042, "loads in 0.0042 s"), (2.34, "loads in 2.3 s")])
def test_time_of_loading_is_shown_where_it_is_known(seconds: float, line: str) -> None:
    assert loads_in(replace(scored(0.9, 2.0).score, load_s=seconds)) == line


@pytest.mark.parametrize(
    ("stage", "reason", "key"),
    [("load", "timeout", "judge.load_timeout_s"), ("run", "timeout", "judge.timeout_s"), ("load", "memory", "")],
)
def test_a_timeout_names_the_key_of_its_limit(stage: Stage, reason: str, key: str) -> None:
    text = rejected_text(Rejected(stage=stage, reason=reason, detail="too long"), program="mine").plain
    assert ("a longer limit" in text) is bool(key) and (key in text)
