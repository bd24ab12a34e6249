"""Programs drawn beside a run's attempts: what `packsmith evaluate --json` prints is read, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator import TASKS
from harness.page.marks import MarksError, compared, read_marks
from harness.report import jsonl
from tests.harness.builders import ENVIRONMENT, REJECTED, scored


def line(**changes: Any) -> str:
    task = TASKS[next(iter(TASKS))]({})
    verdict = scored(0.9, 2.0, gain=0.01, gain_noise=0.002)
    record = jsonl.verdict_record(verdict, program="engines/policy.py", task=task, device="cpu")
    return json.dumps({**record, **changes})


class TestMarks:
    def test_figures_and_whether_they_compare(self, tmp_path: Path) -> None:
        file = tmp_path / "marks.jsonl"
        rejected = json.dumps({"verdict": "rejected", "stage": REJECTED.stage})
        file.write_text(f"{line()}\n\n{rejected}\n{line(program='<b>')}\n")
        [mark, other] = read_marks(file)
        assert (mark["name"], other["name"]) == ("policy", "<b>")
        about = {"task": mark["task"], "quality": mark["quality_name"]}
        fitting = compared(mark, **about, fingerprint=ENVIRONMENT.fingerprint)
        assert fitting == {
            "name": "policy",
            "quality": 0.9,
            "quality_low": pytest.approx(0.898),
            "quality_high": pytest.approx(0.902),
            "speedup": 2.0,
            "speedup_low": 1.96,
            "speedup_high": 2.04,
            "comparable": True,
            "why": "",
        }
        assert "other conditions" in compared(mark, **about, fingerprint="0" * 12)["why"]
        assert "another task" in compared(mark, task="else", quality="", fingerprint="")["why"]

    @settings(max_examples=40)
    @given(
        text=st.one_of(
            st.text(max_size=60),
            st.recursive(
                st.none() | st.floats() | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from(["verdict", "quality", "speedup", "value"]), inner, max_size=4)
                ),
            ).map(json.dumps),
        )
    )
    def test_any_other_text_is_one_error(self, text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        file = tmp_path_factory.getbasetemp() / "any.jsonl"
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        with pytest.raises(MarksError):
            read_marks(file)

    @pytest.mark.parametrize(
        "broken", [{"speedup": None}, {"quality": {"value": "x"}}, {"speedup": {"median": 1, "low": 0, "high": 2}}]
    )
    def test_broken_figures_are_named_with_their_line(self, tmp_path: Path, broken: dict[str, Any]) -> None:
        file = tmp_path / "marks.jsonl"
        file.write_text(f"{line()}\n{line(**broken)}\n")
        with pytest.raises(MarksError, match=r"marks\.jsonl:2"):
            read_marks(file)
