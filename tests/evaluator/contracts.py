"""Contract suites to inherit: what every implementation of an extension point must keep.

How to test a new task: derive from `TaskContract` in a test module, give `make` (a small instance, quick to judge),
`answer` (a valid answer to a call, worked out in the test itself) and, where the task has command-line options,
`option_texts`; every test here then runs on it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from evaluator import HELD_OUT, TASKS, HoldsOut, Judge, JudgeSettings, shipped
from evaluator.chained import quality_in_pass
from evaluator.screen import screen
from evaluator.task_protocol import Task, TaskKind, TaskOption, driver_of
from evaluator.types import Answer, Call, Case, InvalidAnswer, Plan, Rejected, WorkloadError
from tests.evaluator.kept import KEPT
from tests.evaluator.replay import answer_of, entry_of


def arrays(call: Call) -> list[np.ndarray]:
    return [value for value in (*call.args, *call.offered.values()) if isinstance(value, np.ndarray)]


@cache
def imports_torch(module: str) -> bool:
    """Whether importing a module imports torch, in a fresh interpreter; several tasks are in one module."""
    code = f"import sys, {module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return {"True\n": True, "False\n": False}[done.stdout]


class TaskContract:
    """A task as the judge relies on it."""

    def make(self) -> Task:
        raise NotImplementedError("give a small task")

    def answer(self, task: Task, case: Case, call: Call) -> Answer:
        """A valid answer to the call; the same call must get the same answer."""
        raise NotImplementedError("give a valid answer")

    def kind(self) -> TaskKind:
        """What makes the task from options."""
        return TASKS[self.make().name]

    def option_texts(self, folder: Path) -> Mapping[str, tuple[str, ...]]:
        """By flag, texts that the option takes; several are given together. `folder` is empty, for files."""
        return {}

    @pytest.fixture
    def task(self) -> Task:
        return self.make()

    def run_pass(self, task: Task, case: Case) -> tuple[Plan, ...]:
        plans: tuple[Plan, ...] = ()
        for step in range(task.steps(case)):
            plans += (task.read(case, self.answer(task, case, task.call(case, step, plans))),)
        return plans

    def steps(self, task: Task) -> Iterator[tuple[Case, int, tuple[Plan, ...]]]:
        """Each step with the plans of the whole pass."""
        for case in task.cases(3):
            plans = self.run_pass(task, case)
            for step in range(task.steps(case)):
                yield case, step, plans

    def draws(self, task: Task, count: int) -> Iterator[tuple[Case, list[Case]]]:
        """Each case with some draws of it."""
        rng = np.random.default_rng(1)
        for case in task.cases(3):
            yield case, [task.draw(case, rng) for _ in range(count)]

    def quality(self, task: Task, case: Case, plans: tuple[Plan, ...]) -> float:
        """The mean over the steps."""
        return fmean(quality_in_pass(task, case, step, plans[: step + 1]) for step in range(len(plans)))

    def test_it_names_itself(self, task: Task) -> None:
        for word in (task.name, task.entry_point, task.quality_name, task.quality_key):
            assert word.isidentifier()
        assert task.version >= 1
        assert 0 < task.resolution < 1

    def test_a_seed_decides_the_cases(self, task: Task) -> None:
        first, again = task.cases(7), self.make().cases(7)
        assert [case.name for case in first] == [case.name for case in again]
        assert len({case.name for case in first}) == len(first) > 0
        for one, other in zip(first, again, strict=True):
            assert dict(one.sizes) == dict(other.sizes)
            np.testing.assert_array_equal(one.data, other.data)

    def test_its_identity_is_json_and_repeats(self, task: Task) -> None:
        identity = dict(task.identity())
        assert json.loads(json.dumps(identity)) == identity
        assert identity == dict(self.make().identity())

    def test_its_reference_is_shipped_and_could_be_judged(self, task: Task) -> None:
        assert screen(shipped(task.reference).read_text(), task.entry_point) is None

    def test_its_columns_have_keys_and_headings(self, task: Task) -> None:
        keys = [column.key for column in task.columns]
        assert len(set(keys)) == len(keys)
        assert all(key.isidentifier() and key != task.quality_key for key in keys)
        assert all(0 < len(line) <= 12 for column in task.columns for line in column.heading.split("\n"))

    def test_reports_need_no_options(self, task: Task) -> None:
        """A stored run is shown with the task as it is without options."""
        bare = self.kind()({})
        assert (bare.name, bare.quality_key, bare.columns) == (task.name, task.quality_key, task.columns)

    @pytest.mark.slow
    def test_its_ladder_is_in_order(self, task: Task) -> None:
        if (ladder := task.ladder) is None:
            pytest.skip("this task has no ladder")
        assert len(ladder.programs) > 1 and ladder.step > 0 and ladder.note.endswith(".")
        means = []
        reference = shipped(task.reference).read_text()
        settings = JudgeSettings(timeout_s=60)
        with Judge(task, reference=reference, device="cpu", settings=settings, executor=KEPT) as judge:
            for program in ladder.programs:
                qualities = judge.qualify(shipped(program).read_text())
                assert not isinstance(qualities, Rejected), qualities
                means.append(fmean(quality.metrics[ladder.metric] for quality in qualities))
        assert means == sorted(means) and means[-1] - means[0] >= ladder.step

    def test_its_command_line_options_are_options_of_its_config(self, tmp_path: Path) -> None:
        kind, texts = self.kind(), self.option_texts(tmp_path)
        assert {option.flag for option in kind.options} == texts.keys()
        assert len({option.key for option in kind.options}) == len(kind.options)
        for option in kind.options:
            assert option.flag.startswith("--") and option.help.endswith(".")
            assert set(option.choices) <= set(texts[option.flag]), "each choice is tried"
            tried = [texts[option.flag]] if option.repeated else [(text,) for text in texts[option.flag]]
            beside = self.needed(tmp_path, option.key)
            made = [kind({**beside, option.key: self.value(option, *given)}) for given in tried]
            assert all(task.name == self.make().name for task in made)
            with pytest.raises(WorkloadError):
                kind({option.key: self.value(option, "of no kind")})
        with pytest.raises(WorkloadError):
            kind({"of_no_kind": 1})

    def needed(self, folder: Path, key: str) -> Mapping[str, Any]:
        """The other options without which this one is refused."""
        return {}

    def value(self, option: TaskOption, *texts: str) -> Any:
        """What a config holds where these texts are given on the command line."""
        return [option.parse(text) for text in texts] if option.repeated else option.parse(texts[0])

    def test_calls_fit_the_room_promised(self, task: Task) -> None:
        for case, step, plans in self.steps(task):
            drawn = task.draw(case, np.random.default_rng(0))
            for made in (case, drawn):
                call = task.call(made, step, plans[:step])
                assert sum(array.nbytes for array in arrays(call)) <= task.call_bytes(case)

    def test_writing_to_a_call_leaves_the_case_alone(self, task: Task) -> None:
        for case, step, plans in self.steps(task):
            data, before = case.data.copy(), [plan.copy() for plan in plans]
            for array in arrays(task.call(case, step, plans[:step])):
                if array.flags.writeable:
                    array[...] = 0
            np.testing.assert_array_equal(case.data, data)
            for plan, copy in zip(plans, before, strict=True):
                np.testing.assert_array_equal(plan, copy)

    def test_a_valid_answer_fits_and_becomes_a_plan_of_its_own(self, task: Task) -> None:
        for case in task.cases(3):
            answer = tuple(array.copy() for array in self.answer(task, case, task.call(case, 0, ())))
            assert sum(array.nbytes for array in answer) <= task.answer_bytes(case)
            plan = task.read(case, answer)
            before = plan.copy()
            for array in answer:
                array[...] = 0
            np.testing.assert_array_equal(plan, before)

    def test_hard_cases_say_what_is_hard_and_can_be_answered(self, task: Task) -> None:
        hard_cases, again = task.hard_cases(3), self.make().hard_cases(3)
        assert len({hard.why for hard in hard_cases}) == len(hard_cases) == len(again) > 0
        for hard, same in zip(hard_cases, again, strict=True):
            assert len(hard.why) > 5
            for array, other in zip(arrays(hard.call), arrays(same.call), strict=True):
                np.testing.assert_array_equal(array, other)
            assert sum(array.nbytes for array in arrays(hard.call)) <= task.call_bytes(hard.case)
            answer = self.answer(task, hard.case, hard.call)
            assert sum(array.nbytes for array in answer) <= task.answer_bytes(hard.case) <= 1 << 20
            task.read(hard.case, answer)

    def test_calls_for_agreement_are_named_repeat_and_can_be_answered(self, task: Task) -> None:
        calls, again = task.agreement_calls(3), self.make().agreement_calls(3)
        assert len({each.why for each in calls}) == len(calls) == len(again) > 0
        for each, same in zip(calls, again, strict=True):
            np.testing.assert_array_equal(each.call.args[0], same.call.args[0])
            plan = task.read(each.case, self.answer(task, each.case, each.call))
            assert plan.ndim == len(task.plan_axes)

    def test_a_pass_scores_at_most_its_ceiling_and_repeats(self, task: Task) -> None:
        for case in task.cases(3):
            plans = self.run_pass(task, case)
            score = task.score(case, plans)
            assert score.case == case.name
            assert score.value <= score.ceiling + 1e-9
            assert set({column.key for column in task.columns}) <= set(score.metrics)
            assert score == task.score(case, plans)

    def test_hostile_answers_are_refused_with_a_reason(self, task: Task) -> None:
        for case in task.cases(3):
            good = self.answer(task, case, task.call(case, 0, ()))
            huge = [np.full_like(array, np.iinfo(np.int64).min) for array in good]
            retyped = [array.astype(np.int64 if array.dtype.kind == "f" else np.float64) for array in good]
            deeper = [array[None] for array in good]
            empty = [array[..., :0] for array in good]
            for bad in ([], [*good, *good, *good, *good], huge, retyped, deeper, empty):
                with pytest.raises(InvalidAnswer) as refused:
                    task.read(case, tuple(bad))
                assert refused.value.reason.isidentifier()
                assert len(refused.value.detail) > 10

    def test_draws_are_the_case_with_other_data(self, task: Task) -> None:
        """All draws have as many steps, because the number of a call says which draw and step it is."""
        for case, drawn in self.draws(task, 5):
            assert {one.name for one in drawn} == {case.name}
            assert all(dict(one.sizes) == dict(case.sizes) for one in drawn)
            assert len({task.steps(one) for one in drawn}) == 1 <= task.steps(drawn[0]) <= task.steps(case)
            assert len({one.data.tobytes() for one in (case, *drawn)}) == 6

    def test_a_generator_decides_a_draw(self, task: Task) -> None:
        for case in task.cases(3):
            before, seeds = case.data.copy(), (1, 1, 2)
            one, same, other = (self.make().draw(case, np.random.default_rng(seed)) for seed in seeds)
            np.testing.assert_array_equal(one.data, same.data)
            assert not np.array_equal(one.data, other.data)
            np.testing.assert_array_equal(case.data, before)

    def test_every_step_of_a_draw_can_be_answered(self, task: Task) -> None:
        """By the reference, which the judge asks in every scored call, and by the test."""
        reference = entry_of(shipped(task.reference).read_text(), task.entry_point, driver_of(task))
        for case, drawn in self.draws(task, 3):
            for one in drawn:
                plans: tuple[Plan, ...] = ()
                for step in range(task.steps(one)):
                    answer = answer_of(reference, task.call(one, step, plans))
                    assert sum(array.nbytes for array in answer) <= task.answer_bytes(case)
                    plans += (task.read(one, answer),)
                for made in (plans, self.run_pass(task, one)):
                    qualities = [quality_in_pass(task, one, step, made[: step + 1]) for step in range(len(made))]
                    assert all(0 <= quality <= 1 + 1e-9 for quality in qualities)

    def test_a_draw_is_scored_on_its_own_data(self, task: Task) -> None:
        """A plan fits the draw that it was made for better than it fits the case."""
        for case, drawn in self.draws(task, 10):
            fitting = [self.run_pass(task, one) for one in drawn]
            on_draw = fmean(self.quality(task, one, plans) for one, plans in zip(drawn, fitting, strict=True))
            on_case = fmean(self.quality(task, case, plans) for plans in fitting)
            assert on_draw > on_case + task.resolution

    def test_draws_are_as_hard_as_the_cases(self, task: Task) -> None:
        for at, (_, drawn) in enumerate(self.draws(task, 20)):
            given = [task.cases(seed)[at] for seed in range(20)]
            ours, theirs = (
                [self.quality(task, one, self.run_pass(task, one)) for one in made] for made in (drawn, given)
            )
            assert abs(fmean(ours) - fmean(theirs)) <= 2 * np.std(ours) + task.resolution

    def test_held_out_loads_are_of_the_same_problem_and_of_other_cases(self, task: Task) -> None:
        if not isinstance(task, HoldsOut):
            pytest.skip("this task holds no loads out")
        held = [one for split in HELD_OUT if (one := task.held_out(split)) is not None]
        same = ("name", "version", "entry_point", "quality_name", "quality_key", "columns", "reference", "resolution")
        assert all(getattr(one, word) == getattr(task, word) for one in held for word in same)
        assert all(driver_of(one) == driver_of(task) for one in held)
        identities = [json.dumps(dict(one.identity()), sort_keys=True) for one in (task, *held)]
        assert len(set(identities)) == 3
        for one in held:
            for case, (draw,) in self.draws(one, 1):
                assert draw.name == case.name and not np.array_equal(draw.data, case.data)
                quality = one.score(case, self.run_pass(one, case))
                assert quality.value <= quality.ceiling + 1e-9

    def test_the_judge_never_imports_torch(self) -> None:
        assert not imports_torch(type(self.make()).__module__)
