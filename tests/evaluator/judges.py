"""The contract of judges: what a search relies on, wherever a judge works. To be inherited."""

from __future__ import annotations

import threading
import time

import pytest

from evaluator import TASKS, JudgeSettings, TimingSettings, shipped
from evaluator.fate import Estimate, OpenDuel
from evaluator.remote import JudgeSpec, RemoteJudge
from evaluator.task_protocol import Task
from evaluator.types import Duel, EvaluatorError, OtherFailed, Progress, Rejected, Scored

SETTINGS = JudgeSettings(
    timing=TimingSettings(budget_s=0.1, duel_s=0.2, min_pairs=3, max_pairs=24, half_width=1e-9), timeout_s=20
)
SLEEPER = "import time\nimport numpy\n\n\ndef pack(weights, packs):\n    time.sleep(60)\n"


def spec_and_task(settings: JudgeSettings = SETTINGS) -> tuple[JudgeSpec, Task]:
    """A judge of a small task."""
    task = TASKS["balanced_packing"](
        {"cases": [{"name": "small", "rows": 2, "items": 6, "packs": 2, "weights": "loads"}]}
    )
    reference = shipped(task.reference).read_text()
    return (
        JudgeSpec.of(task, reference=reference, reference_name="reference.py", device="cpu", seed=1, settings=settings),
        task,
    )


class JudgeContract:
    """`judge` is a fixture of the class that inherits, of `spec_and_task()`."""

    def reference(self, judge: RemoteJudge) -> str:
        return shipped(judge.task.reference).read_text()

    def test_a_program_is_scored_with_steps_and_environment(self, judge: RemoteJudge) -> None:
        steps: list[Progress] = []
        verdict = judge.evaluate(self.reference(judge), progress=steps.append)
        assert isinstance(verdict, Scored), verdict
        assert verdict.environment.fingerprint == judge.environment().fingerprint
        assert {"run", "measure"} <= {step.stage for step in steps}
        assert judge.device == "cpu"

    def test_a_race_ends_when_its_fate_is_decided_here(self, judge: RemoteJudge) -> None:
        seen: list[Estimate] = []

        def fate(estimate: Estimate) -> str:
            seen.append(estimate)
            return "seen"

        verdict = judge.race(self.reference(judge), fate)
        assert isinstance(verdict, Scored)
        assert verdict.score.decided.endswith(": seen") and seen

    def test_a_duel_ends_when_it_is_settled_here(self, judge: RemoteJudge) -> None:
        seen: list[OpenDuel] = []

        def settled(duel: OpenDuel) -> bool:
            seen.append(duel)
            return True

        duel = judge.compare(self.reference(judge), self.reference(judge), level=0.99, settled=settled)
        assert isinstance(duel, Duel) and duel.level == 0.99
        assert seen and all(isinstance(state, OpenDuel) for state in seen)

    def test_who_failed_in_a_duel_is_told_apart(self, judge: RemoteJudge) -> None:
        broken = self.reference(judge) + "\n\ndef later():\n    pass\n\n\nraise ValueError('no')\n"
        rejected = judge.compare(broken, self.reference(judge), level=0.9)
        assert isinstance(rejected, Rejected) and rejected.stage == "load"
        with pytest.raises(OtherFailed, match="the champion"):
            judge.compare(self.reference(judge), broken, level=0.9, other_name="the champion")

    def test_invalid_programs_are_found_without_timing(self, judge: RemoteJudge) -> None:
        steps: list[Progress] = []
        assert judge.check(self.reference(judge), progress=steps.append) is None
        assert {step.stage for step in steps} == {"run"}
        refused = judge.check("def f(:")
        assert isinstance(refused, Rejected) and refused.stage == "screen"

    def test_what_an_interrupted_call_led_to_is_not_taken_for_the_next(self, judge: RemoteJudge) -> None:
        def interrupt(step: Progress) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            judge.evaluate(self.reference(judge), progress=interrupt)
        refused = judge.check("def f(:")
        assert isinstance(refused, Rejected) and refused.stage == "screen"

    def test_stopped_in_another_thread_it_ends_soon(self, judge: RemoteJudge) -> None:
        ended: list[object] = []
        source = SLEEPER.replace("pack(weights, packs)", f"{judge.task.entry_point}(*args)")

        def work() -> None:
            try:
                ended.append(judge.evaluate(source))
            except EvaluatorError as error:
                ended.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        deadline = time.monotonic() + 15
        while thread.is_alive() and time.monotonic() < deadline:
            judge.stop()
            thread.join(0.2)
        assert len(ended) == 1
