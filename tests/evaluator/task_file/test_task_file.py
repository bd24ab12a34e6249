"""A task of one's own, answered for by the process of its file: the same values, and faults with their line."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from configs.starts.new.task import TASK
from evaluator import HELD_OUT, FileTask, TaskFileError, identified, kind_of, open_task_file
from evaluator.task_file import Unfit, checking, stored_task
from evaluator.task_file.channel import Closed, receive, send
from evaluator.task_file.host import CASES_HELD
from evaluator.task_file.process import TaskProcess, Text
from evaluator.task_file.starting import MOST_OUTPUT, Started
from evaluator.task_file.values import Frame, NotSent, sizes, value_of
from evaluator.task_protocol import Column, Ladder
from evaluator.types import Call, Case, CaseQuality, EvaluatorError, HardCase, InvalidAnswer, WorkloadError
from tests.evaluator.task_file.hosts import SOURCE, edited, in_thread, loaded

_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=5))
_VALUES = st.recursive(
    _SCALARS,
    lambda held: st.one_of(st.lists(held).map(tuple), st.dictionaries(st.text(max_size=3), held)),
    max_leaves=8,
)
_ARRAYS = arrays(st.sampled_from([np.int64, np.float32, np.bool_, np.uint8]), array_shapes(min_dims=0, min_side=0))


def sent(value: object) -> Any:
    frame = Frame().bytes(value)
    text, size = sizes(frame[:16])
    body = memoryview(frame)[16:]
    assert len(body) == text + size
    return value_of(body[:text], body[text:])


class TestFrames:
    @settings(max_examples=30)
    @given(value=_VALUES)
    def test_plain_values_arrive_as_they_were(self, value: object) -> None:
        assert sent(value) == value

    @given(array=_ARRAYS)
    def test_arrays_keep_type_shape_and_bytes(self, array: np.ndarray) -> None:
        _, found = sent([np.arange(3), array])
        assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert found.flags.writeable or not found.size

    def test_values_of_tasks_arrive(self) -> None:
        case = Case(name="a", sizes={"n": 2}, data=np.arange(4.0))
        call = Call(args=(case.data, 2, None, "x"), offered={"old": None})
        hard = sent(HardCase(case=case, call=call, why="it is"))
        assert (hard.case.name, dict(hard.case.sizes), hard.why) == ("a", {"n": 2}, "it is")
        assert hard.call.args[1:] == (2, None, "x") and hard.call.offered == {"old": None}
        quality = CaseQuality(case="a", value=0.5, ceiling=1.0, metrics={"idle": 0.25})
        ladder = Ladder(programs=("a", "b"), metric="m", step=0.1, note="n")
        for value in (quality, Column(key="a", heading="b"), ladder):
            assert sent(value) == value
        assert sent(np.float64(0.25)) == 0.25 and type(sent(np.int32(3))) is int

    @pytest.mark.parametrize("value", [object(), np.array([object()]), {1: 2}, {"a": {3}}])
    def test_what_is_no_value_is_not_sent(self, value: object) -> None:
        with pytest.raises(NotSent, match="expected"):
            Frame().bytes(value)

    @given(text=st.binary(max_size=60))
    def test_other_bytes_are_refused(self, text: bytes) -> None:
        with contextlib.suppress(NotSent):
            value_of(memoryview(text), memoryview(b""))

    @pytest.mark.parametrize("text", ['["<i8",[4]]', '["|O",[0]]', '["<i8",[-1]]', "[]"])
    def test_arrays_beyond_their_frame_are_refused(self, text: str) -> None:
        with pytest.raises(NotSent, match="cannot be read"):
            value_of(memoryview(f'{{"array":{text}}}'.encode()), memoryview(bytes(16)))

    def test_a_frame_is_whole_or_nothing(self) -> None:
        ours, theirs = socket.socketpair()
        threading.Thread(target=send, args=(ours, Frame().bytes(np.arange(300_000)))).start()
        assert len(receive(theirs, limit_s=10)) == 300_000
        with pytest.raises(TimeoutError):
            receive(theirs, limit_s=0.01)
        ours.sendall(b"half")
        ours.close()
        with pytest.raises(Closed):
            receive(theirs)
        with pytest.raises(NotSent, match="at most"):
            sizes(b"\xff" * 16)


class TestMembers:
    def test_every_member_answers_as_the_object_does(self) -> None:
        task, rng = loaded(), np.random.default_rng(5)
        for name in ("name", "version", "entry_point", "quality_key", "columns", "resolution", "notes", "plan_axes"):
            assert getattr(task, name) == getattr(TASK, name)
        for case, same in zip(task.cases(4), TASK.cases(4), strict=True):
            np.testing.assert_array_equal(case.data, same.data)
            call = task.call(case, 0, ())
            np.testing.assert_array_equal(call.args[0], same.data[0])
            plan = task.read(case, (np.arange(case.data.shape[1], dtype=np.int32) % 3,))
            assert plan.dtype == np.int64 and task.steps(case) == 8
            assert task.call_bytes(case) == TASK.call_bytes(same) and task.answer_bytes(case) == 8 * len(plan)
            assert task.pass_quality(case, 0, plan) == TASK.pass_quality(same, 0, plan)
            assert task.step_quality(case, 0, plan) == TASK.step_quality(same, 0, plan)
            assert task.score(case, (plan,) * 8) == TASK.score(same, (plan,) * 8)
            assert not np.array_equal(task.draw(case, rng).data, task.draw(case, rng).data)
        assert [hard.why for hard in task.hard_cases(0)] == [hard.why for hard in TASK.hard_cases(0)]
        assert len(task.agreement_calls(0)) == 1
        with pytest.raises(InvalidAnswer, match=r"expected one integer tensor \[24\]") as refused:
            task.read(task.cases(0)[0], ())
        assert refused.value.reason == "form"

    def test_the_file_belongs_to_the_identity(self) -> None:
        task, other = loaded(), loaded(f"{SOURCE}\n# noted\n")
        assert {**TASK.identity(), "task_file_sha256": task.digest} == task.identity() != other.identity()
        assert identified(task) == f"makespan/1 {task.digest[:12]}" != identified(other)
        assert kind_of(task).policy("vllm:default", task, ()) is None and kind_of(task).engines == ()

    def test_a_case_is_asked_for_again_when_its_host_has_forgotten_it(self) -> None:
        task, rng = loaded(), np.random.default_rng(0)
        case = task.cases(0)[0]
        drawn = [task.draw(case, rng) for _ in range(CASES_HELD + 3)]
        task.process.close()  # and the next one never knew it
        for each in (case, drawn[0], drawn[-1]):
            np.testing.assert_array_equal(task.call(each, 1, ()).args[0], each.data[1])

    def test_a_host_that_ended_while_it_was_idle_is_started_again(self) -> None:
        text = Text(file="task.py", source=SOURCE, options={})
        process = TaskProcess(text, start=partial(in_thread, 0.05))
        case = process.ask("cases", 0)[0]
        time.sleep(0.2)
        assert process.ask("steps", case) == 8

    def test_programs_are_found_beside_the_file_or_shipped(self, tmp_path: Path) -> None:
        task = loaded(folder=tmp_path)
        assert task.reference == "reference.py"
        (tmp_path / "reference.py").touch()
        task = loaded(folder=tmp_path)
        assert task.reference == str(tmp_path / "reference.py") and task.ladder is not None
        assert task.ladder.programs == ("seed.py", str(tmp_path / "reference.py"))

    def test_names_of_a_stored_run_need_no_file(self) -> None:
        facts = loaded().facts
        task = stored_task("makespan", facts.stored(), file="task.py", digest="0" * 64)
        assert (task.quality_key, task.columns) == ("evenness", facts.columns)
        assert identified(task) == f"makespan/1 {'0' * 12}"
        with pytest.raises(EvaluatorError, match="names only"):
            task.cases(0)
        with pytest.raises(Unfit, match="`quality_key`"):
            stored_task("makespan", {**facts.stored(), "quality_key": "\x1b[2J"}, file="task.py", digest="")

    def test_a_file_may_hold_loads_out(self) -> None:
        """Its `held_out` gives another object, which a process of its own answers for."""
        assert [loaded().held_out(split) for split in HELD_OUT] == [None, None]
        holding = """
    def held_out(self, split):
        other = Makespan()
        other.jobs = {"gate": 30, "final": 40}[split]
        return other if split == "gate" or FINAL else None

    def cases(self, seed: int)"""
        source = edited(
            ("\n    def cases(self, seed: int)", holding),
            ("(DAYS, jobs)", '(DAYS, getattr(self, "jobs", jobs))'),
            ("DAYS = 8", "DAYS, FINAL = 8, False"),
        )
        task = loaded(source)
        held = task.held_out("gate")
        assert held is not None and [case.data.shape[1] for case in held.cases(1)] == [30, 30]
        assert (held.name, held.reference, held.digest) == (task.name, task.reference, task.digest)
        assert held.held_out("gate") is None and task.held_out("final") is None
        with pytest.raises(TaskFileError, match=r"task.py: `held_out`: expected the `version` of the task, 1, found 2"):
            loaded(edited(("other.jobs =", "other.version, other.jobs = 2,"), source=source)).held_out("gate")
        with pytest.raises(TaskFileError, match=r"task.py:\d+: KeyError"):
            loaded(edited(('"gate": 30, ', ""), source=source)).held_out("gate")

    def test_options_go_to_the_function_that_makes_the_task(self) -> None:
        made = "def task(options):\n    CASES['few'] = (options.get('jobs', 24), 6)\n    return Makespan()\n"
        source = edited(("TASK = Makespan()", made))
        assert loaded(source).cases(0)[0].data.shape == (8, 24)
        assert loaded(source, options={"jobs": 30}).cases(0)[0].data.shape == (8, 30)


def ask(task: FileTask, member: str) -> object:
    """Ask a member for something that it can give."""
    case, plan = task.cases(0)[0], np.zeros(24, int)
    given: Mapping[str, tuple[object, ...]] = {
        "score": (case, (plan,)),
        "pass_quality": (case, 0, plan),
        "read": (case, (plan,)),
        "draw": (case, np.random.default_rng(0)),
        "cases": (0,),
        "identity": (),
    }
    return getattr(task, member)(*given.get(member, (case,)))


STEPS = "    def steps(self, case: Case) -> int:"
FAULTS = {
    "an exception": ("        loads = [", "        loads = 1 / 0, [", "score", "ZeroDivisionError: division by zero"),
    "not a number": (
        "return _bound(case, step) / ",
        "return 1e999 * ",
        "pass_quality",
        "finite number, found inf",
    ),
    "another type": ("return 8 * case.data.shape[1]", "return '8'", "answer_bytes", "of at least 0, found '8'"),
    "a negative size": ("return int(case.data[0].nbytes)", "return -1", "call_bytes", "of at least 0, found -1"),
    "an object": ("return answer[0].astype(np.int64)", "return {1}", "read", "expected a number, .* found set"),
    "a list as plan": ("return answer[0].astype(np.int64)", "return [1, 2]", "read", "a plan: one array of numbers"),
    "other sizes": ("sizes=case.sizes, data", "sizes={}, data", "draw", r"few {'machines': 6}, found few {}"),
    "no cases": ("machines) in CASES.items()\n        )", "machines) in ()\n        )", "cases", "one case or more"),
    "no JSON": ('self.version, "cases"', '1e999, "cases"', "identity", "expected JSON values"),
    "InvalidAnswer": ("return len(case.data)\n", "raise InvalidAnswer('a', 'b')\n", "steps", "from `read` alone"),
    "a value": (STEPS, f"    steps = 1\n{STEPS.replace('steps', 'other')}", "steps", "expected a method, found int"),
}
UNLOADED = {
    "a member is missing": ("    plan_axes = (", "    axes = (", "the task lacks plan_axes"),
    "no task": ("TASK = Makespan()", "TUSK = Makespan()", r"expected TASK, .* found neither"),
    "no Python": ("CASES = {", "CASES = {{", r"task.py:\d+: SyntaxError"),
    "not one file": ("import numpy as np", "import helpers", r"task.py:15: .*No module named 'helpers'; a task is one"),
    "a name that is no word": ('name = "makespan"', 'name = "make span"', "`name`: expected a word"),
}


class TestFaults:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_fault_of_a_member_says_where(self, fault: str) -> None:
        before, after, member, text = FAULTS[fault]
        with pytest.raises(TaskFileError, match=rf"^task.py(:\d+)?: `{member}`: .*{text}"):
            ask(loaded(edited((before, after))), member)

    @pytest.mark.parametrize("fault", UNLOADED)
    def test_a_file_that_is_no_task_is_refused(self, fault: str) -> None:
        before, after, text = UNLOADED[fault]
        with pytest.raises(TaskFileError, match=text) as error:
            loaded(edited((before, after)))
        assert str(error.value).startswith("task.py")

    def test_options_for_a_task_without(self) -> None:
        with pytest.raises(WorkloadError, match="takes no options, found jobs"):
            loaded(options={"jobs": 3})

    def test_a_hang_ends(self) -> None:
        source = edited(("        return len(case.data)\n", "        import time\n        time.sleep(0.6)\n"))
        task = loaded(source, limit_s=0.3)
        with pytest.raises(TaskFileError, match=r"task.py: `steps` gave no result within 0.3 s: it hangs"):
            task.steps(task.cases(0)[0])
        assert len(task.cases(0)) == 2, "the next request starts it again"

    def test_a_channel_may_have_any_number(self) -> None:
        """`select` takes none above 1,023, which a command with many archives open reaches."""

        def start() -> Started:
            channel, end = in_thread()
            moved = socket.socket(fileno=fcntl.fcntl(channel.fileno(), fcntl.F_DUPFD_CLOEXEC, 1500))
            channel.close()
            return moved, lambda: (moved.close(), end())[1]

        process = TaskProcess(Text(file="task.py", source=SOURCE, options={}), start=start)
        process.load()
        assert process.ask("cases", 0)[0].name == "few"
        process.close()

    def test_a_process_of_its_own_that_may_end(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """A real one: what it prints goes among the messages, and its end is an error, after which another starts."""
        text = edited(
            ("        return len(case.data)\n", "        raise SystemExit(4)\n"), ("TASK = ", "print('hello')\nTASK = ")
        )
        (tmp_path / "task.py").write_text(text)
        task = open_task_file(tmp_path / "task.py")
        with pytest.raises(TaskFileError, match=r"task.py: the task's process ended during `steps` \(exit code 4\)"):
            task.steps(task.cases(0)[0])
        assert task.cases(0)[0].name == "few"
        task.process.close()
        assert capfd.readouterr() == ("", "hello\nhello\n")

    def test_what_a_file_starts_ends_with_it(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """A child that holds the socket: the end of its parent is seen at once, and the child is killed. A fork that
        comes back answers nothing. What is printed is cut.
        """
        forks = "        if child := os.fork():\n            CHILD.write_text(str(child))\n            os._exit(3)\n"
        text = edited(
            ("        return len(case.data)\n", f"{forks}        time.sleep(60)\n"),
            ("        return int(case.data[0].nbytes)", "        os.fork()\n        return int(case.data[0].nbytes)"),
            ("import numpy as np\n", "import os, pathlib, time\nimport numpy as np\n"),
            ("TASK = ", f"CHILD = pathlib.Path({str(tmp_path / 'child')!r})\nprint('hello ' * 20_000)\nTASK = "),
        )
        (tmp_path / "task.py").write_text(text)
        task = open_task_file(tmp_path / "task.py")
        case = task.cases(0)[0]
        assert [task.call_bytes(case) for _ in range(3)] == [192] * 3
        began = time.monotonic()
        with pytest.raises(TaskFileError, match=r"the task's process ended during `steps` \(exit code 3\)"):
            task.steps(case)
        assert time.monotonic() - began < 20
        child = Path("/proc") / (tmp_path / "child").read_text() / "stat"
        with contextlib.suppress(FileNotFoundError):  # reaped, or waiting for that
            while child.read_text().rpartition(")")[2].split()[0] != "Z":
                assert time.monotonic() - began < 20
                time.sleep(0.01)
        printed = capfd.readouterr().err
        assert printed.startswith("hello hello") and len(printed) < MOST_OUTPUT + 100
        assert printed.endswith("prints more than 65536 bytes: the rest is left out\n")

    def test_huge_values_and_texts_are_not_sent(self) -> None:
        source = edited(
            ("return answer[0].astype(np.int64)", "return np.broadcast_to(np.int64(0), 10**12)"),
            ("return 8 * case.data.shape[1]", "raise ValueError('x' * 10**6)"),
        )
        with pytest.raises(TaskFileError, match=r"`read`: expected at most .* found \d+ and 8,000,000,000,000"):
            ask(loaded(source), "read")
        with pytest.raises(TaskFileError, match=r"x \.\.\. \(1,000,012 characters\)$") as error:
            ask(loaded(source), "answer_bytes")
        assert len(str(error.value)) < 5000

    def test_files_that_are_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "task.py").write_bytes(b"\xff")
        with pytest.raises(EvaluatorError, match="byte 0 is not UTF-8"):
            open_task_file(tmp_path / "task.py")
        with pytest.raises(EvaluatorError, match="cannot read the task file: No such file"):
            open_task_file(tmp_path / "nothing.py")


CASE = Case(name="a", sizes={}, data=np.zeros(1))


@pytest.mark.parametrize(
    ("check", "value", "text"),
    [
        (checking.columns, (Column(key="a", heading="b"), Column(key="a", heading="c")), "different keys"),
        (checking.columns, (Column(key="a", heading="much too long a heading"),), "1 to 12 printable"),
        (checking.ladder, Ladder(programs=("a",), metric="m", step=0.1, note="n"), "two programs"),
        (checking.fraction, 1, "between 0 and 1"),
        (checking.number, True, "a finite number"),
        (checking.plan, np.array([np.inf]), "finite numbers"),
        (checking.call, Call(args=(np.array(["a"]),)), "arguments of a call"),
        (checking.quality(CASE), CaseQuality(case="b", value=0, ceiling=1), "case a"),
        (checking.texts, "abc", "a tuple of texts"),
        (checking.some_texts, (), "at least one"),
    ],
)
def test_what_no_member_may_give(check: Callable[[Any], object], value: object, text: str) -> None:
    with pytest.raises(Unfit, match=text):
        check(value)
