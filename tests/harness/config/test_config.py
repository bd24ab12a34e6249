import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator import shipped
from evaluator.settings import JudgeSettings, Lane
from harness.config import Config, ConfigError, difference, load
from harness.config.document import key_path
from harness.config.files import find
from harness.islands import IslandSettings
from harness.proposers import PROPOSERS
from harness.search.budget import Budget
from harness.select import SELECTORS, Pareto, QualityLimit, RuntimeLimit, Weighted
from tests.evaluator.dumps import write_dumps

CONFIGS = sorted(path for path in shipped("configs").glob("*.yaml") if path.stem != "study")
NAMED = {"eplb.yaml": ("models[0].name=any",)}
"""What the user has to add to a shipped config."""

MINIMAL = """\
task: eplb
program: programs/eplb/greedy.py
budget: {attempts: 3}
"""


def write(folder: Path, text: str, name: str = "my.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def loaded(folder: Path, text: str, *overrides: str) -> Config:
    return load(write(folder, text), overrides)


def refused(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        loaded(folder, text, *overrides)
    return str(error.value)


class TestShipped:
    @pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
    def test_shipped_config_loads_and_its_files_exist(self, path: Path) -> None:
        config = load(path, NAMED.get(path.name, ()))
        assert config.program.text() and config.reference.text()
        assert config.raw.search.rule in SELECTORS
        assert PROPOSERS[config.raw.proposer.kind](config.proposer_options)
        assert config.task.cases(config.seed)
        json.dumps(config.resolved())

    def test_quickstart_and_eplb_are_among_them(self) -> None:
        assert {"quickstart.yaml", "eplb.yaml"} <= {path.name for path in CONFIGS}

    def test_found_by_its_shipped_name_from_any_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert load("configs/quickstart.yaml").run == Path("runs/quickstart")

    def test_eplb_runs_all_six_cases(self) -> None:
        assert len(load(shipped("configs/eplb.yaml"), NAMED["eplb.yaml"]).task.cases(0)) == 6


class TestValues:
    def test_defaults(self, tmp_path: Path) -> None:
        config = loaded(tmp_path, MINIMAL)
        assert config.device == "auto"
        assert config.seed == 0
        assert config.run == Path("runs/my")
        assert config.judge == JudgeSettings()
        assert config.objective == Pareto()
        assert config.budget == Budget(attempts=3)
        assert config.reference.path == shipped("programs/eplb/vectorised_greedy.py")
        assert {file.path.parent for file in config.patches} == {shipped("programs/eplb/patches")}
        assert config.raw.search.rule == "trade_offs"

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("{kind: pareto}", Pareto()),
            ("{kind: pareto, epsilon: 0.1}", Pareto(epsilon=0.1)),
            (
                "{kind: constrained, limit: runtime, min_speedup_over_seed: 20}",
                RuntimeLimit(min_speedup_over_seed=20),
            ),
            (
                "{kind: constrained, limit: runtime, min_speedup_over_seed: 2, epsilon: 0.1}",
                RuntimeLimit(min_speedup_over_seed=2, epsilon=0.1),
            ),
            ("{kind: constrained, limit: quality, within: 0.002}", QualityLimit(within=0.002)),
            ("{kind: weighted, weights: {quality: 2, speed: 1}}", Weighted(quality_weight=2, speed_weight=1)),
        ],
    )
    def test_objectives(self, tmp_path: Path, text: str, expected: object) -> None:
        assert loaded(tmp_path, MINIMAL + f"objective: {text}\n").objective == expected

    def test_what_prompts_tell_of_a_search(self, tmp_path: Path) -> None:
        options = loaded(tmp_path, MINIMAL).proposer_options
        assert (options.ideas, options.summary_every) == (12, None)
        llm = MINIMAL + "models: [{name: m}]\nproposer: {knowledge: {ideas: 5, summary_every: 40}}\n"
        assert (loaded(tmp_path, llm).proposer_options.ideas, loaded(tmp_path, llm).proposer_options.summary_every) == (
            5,
            40,
        )

    def test_a_summary_that_nobody_would_write_is_refused(self, tmp_path: Path) -> None:
        every = "proposer.knowledge.summary_every=20"
        for kind in ("catalogue", "replay"):
            error = refused(tmp_path, MINIMAL, f"proposer.kind={kind}", every)
            assert f"expected a proposer that shows prompts (kind llm or ask), found kind {kind}" in error
        assert loaded(tmp_path, MINIMAL, "proposer.kind=ask", every).proposer_options.summary_every == 20
        error = refused(tmp_path, MINIMAL, "proposer.kind=ask", every, "proposer.knowledge.ideas=0")
        assert "ideas above 0 beside summary_every" in error and "found ideas: 0" in error

    def test_judge_section(self, tmp_path: Path) -> None:
        judge = loaded(
            tmp_path,
            MINIMAL + "judge: {timeout_s: 3, threads: 2, lanes: [{cpus: [1, 3]}], sandbox: {require: L2}, "
            "timing: {max_pairs: 9}}\n",
        ).judge
        assert (judge.timeout_s, judge.threads, judge.require) == (3.0, 2, "L2")
        assert judge.lanes == (Lane(cpus=(1, 3)),)
        assert judge.timing.max_pairs == 9

    def test_lanes(self, tmp_path: Path) -> None:
        text = MINIMAL + "judge: {lanes: [{device: 'cuda:1', cpus: [0, 2]}, {cpus: [1]}, {device: cpu}]}\n"
        lanes = (Lane(device="cuda:1", cpus=(0, 2)), Lane(cpus=(1,)), Lane(device="cpu"))
        assert loaded(tmp_path, text).judge.lanes == lanes

    def test_deadline_is_a_date(self, tmp_path: Path) -> None:
        text = MINIMAL.replace("attempts: 3", "deadline: 2030-01-31 18:00:00+00:00")
        assert loaded(tmp_path, text).budget.deadline_s == 1896112800.0

    def test_number_with_an_exponent_is_a_number(self, tmp_path: Path) -> None:
        assert loaded(tmp_path, MINIMAL + "objective: {kind: pareto, epsilon: 1e-3}\n").objective == Pareto(
            epsilon=1e-3
        )


class TestTask:
    def test_the_reference_is_that_of_the_form(self, tmp_path: Path) -> None:
        config = loaded(tmp_path, MINIMAL.replace("task: eplb", "task: {name: eplb, form: phy2log}"))
        assert config.reference.path == shipped("programs/eplb/vectorised_greedy_phy2log.py")

    def test_mapping_with_options(self, tmp_path: Path) -> None:
        config = loaded(tmp_path, MINIMAL.replace("task: eplb", "task: {name: eplb, cases: [global-ep72], drift: 0.3}"))
        assert [case.name for case in config.task.cases(0)] == ["global-ep72"]
        assert config.task.identity()["loads"]["drift"] == 0.3

    def test_file_of_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "tasks").mkdir()
        write(tmp_path / "tasks", "name: eplb\ncases: [global-ep144]\n", "one.yaml")
        config = loaded(tmp_path, MINIMAL.replace("task: eplb", "task: tasks/one.yaml"))
        assert [case.name for case in config.task.cases(0)] == ["global-ep144"]

    def test_traces_of_a_task_file_are_beside_it(self, tmp_path: Path) -> None:
        (tmp_path / "tasks").mkdir()
        write(tmp_path / "tasks", json.dumps({"logical_count": [[float(n + 1) for n in range(256)]] * 2}), "loads.json")
        write(tmp_path / "tasks", "name: eplb\ncases: [hier-ep32]\ntraces: [loads.json]\n", "one.yaml")
        config = loaded(tmp_path, MINIMAL.replace("task: eplb", "task: tasks/one.yaml"))
        assert [trace.name for trace in config.traces] == ["tasks/loads.json"]
        assert config.task.cases(0)[0].data.shape == (1, 2, 256)

    @pytest.mark.slow
    def test_a_folder_of_traces_is_known_by_the_names_and_contents_of_its_files(self, tmp_path: Path) -> None:
        code = "import torch; torch.save({'logical_count': torch.arange(512).reshape(2, 256) + 1}, 'a.pt')"
        (tmp_path / "dumps").mkdir()
        write_dumps(tmp_path / "dumps", code)
        text = MINIMAL.replace("task: eplb", "task: {name: eplb, cases: [hier-ep32], traces: [dumps]}")

        config = loaded(tmp_path, text)
        assert config.task.cases(0)[0].data.shape == (1, 2, 256)
        [first] = config.traces

        def digest() -> str:
            return find("dumps", tmp_path, "here", or_folder=True).sha256

        assert first.identity() == {"file": "dumps", "sha256": digest()}
        (tmp_path / "dumps" / ".hidden").write_text("1")
        assert digest() == first.sha256
        (tmp_path / "dumps" / "a.pt").rename(tmp_path / "dumps" / "b.pt")
        second = digest()
        (tmp_path / "dumps" / "log").write_text("1")
        assert len({first.sha256, second, digest()}) == 3
        with pytest.raises(ConfigError, match="here: expected a file, found something else"):
            find("dumps", tmp_path, "here")

    def test_override_reaches_into_a_task_given_by_name(self, tmp_path: Path) -> None:
        config = loaded(tmp_path, MINIMAL, "task.cases=[hier-ep32]", "task.windows=2")
        assert config.task.cases(0)[0].data.shape[0] == 2

    @pytest.mark.parametrize(
        ("task", "words"),
        [
            ("eplbb", "task.name: expected a task of eplb"),
            ("{name: eplb, case: [hier-ep32]}", "did you mean cases?"),
            ("{name: eplb, cases: [hier-ep33]}", "hier-ep33"),
            ("{cases: [hier-ep32]}", "`task.name` is required"),
            ("nothing.yaml", "no such file: nothing.yaml"),
            ("{name: eplb, traces: [gone.json]}", "task.traces[0]: no such file: gone.json"),
            ("3", "task: expected a mapping, found 3"),
        ],
    )
    def test_refusals(self, tmp_path: Path, task: str, words: str) -> None:
        message = refused(tmp_path, MINIMAL.replace("task: eplb", f"task: {task}"))
        assert words in message and "my.yaml:1" in message

    def test_error_in_a_task_file_names_that_file(self, tmp_path: Path) -> None:
        write(tmp_path, "name: eplb\n\ntraces: 5\n", "one.yaml")
        assert "one.yaml:3: task.traces: expected a list" in refused(
            tmp_path, MINIMAL.replace("task: eplb", "task: one.yaml")
        )


class TestFiles:
    def test_beside_the_config_wins_over_shipped(self, tmp_path: Path) -> None:
        (tmp_path / "programs/eplb").mkdir(parents=True)
        (tmp_path / "programs/eplb/greedy.py").write_text("mine")
        assert loaded(tmp_path, MINIMAL).program.text() == "mine"

    def test_relative_to_the_config_and_not_to_the_working_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "configs").mkdir()
        (tmp_path / "configs/seed.py").write_text("pass\r\n")
        write(tmp_path / "configs", MINIMAL.replace("programs/eplb/greedy.py", "seed.py"))
        monkeypatch.chdir(tmp_path)
        assert load("configs/my.yaml").program.text() == "pass\r\n"

    def test_patches_by_file_glob_and_folder_each_once_in_order(self, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        for name in ("b.patch", "a.patch", "c.txt", "notes.rst"):
            (tmp_path / "mine" / name).write_text(name)
        patches = "proposer: {patches: [mine/b.patch, 'mine/*.txt', mine]}\n"
        options = loaded(tmp_path, MINIMAL + patches).proposer_options
        assert [text.text for text in options.patches] == ["b.patch", "c.txt", "a.patch"]

    def test_no_patches_at_all(self, tmp_path: Path) -> None:
        assert loaded(tmp_path, MINIMAL + "proposer: {patches: []}\n").patches == ()

    @pytest.mark.parametrize(
        ("extra", "words"),
        [
            ("proposer: {patches: [nowhere/*.patch]}\n", "proposer.patches: nowhere/*.patch matches no file"),
            ("judge: {reference: gone.py}\n", "judge.reference: no such file: gone.py"),
            ("judge: {reference: programs}\n", "expected a file"),
        ],
    )
    def test_refusals(self, tmp_path: Path, extra: str, words: str) -> None:
        message = refused(tmp_path, MINIMAL + extra)
        assert words in message and "my.yaml:4" in message

    def test_binary_program_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "seed.py").write_bytes(b"\xff\xfe")
        config = loaded(tmp_path, MINIMAL.replace("programs/eplb/greedy.py", "seed.py"))
        with pytest.raises(ConfigError, match="UTF-8"):
            config.program.text()


class TestRefusals:
    @pytest.mark.parametrize(
        ("extra", "line"),
        [
            ("sead: 1", "my.yaml:4: unknown key `sead`; did you mean `seed`?"),
            ("attempts: 1", "my.yaml:4: unknown key `attempts`; did you mean `budget.attempts`?"),
            (
                "judge: {timing: {budgets_s: 1}}",
                "unknown key `judge.timing.budgets_s`; did you mean `judge.timing.budget_s`?",
            ),
            ("judge: {qqq: 1}", "unknown key `judge.qqq`; the keys here are timeout_s, load_timeout_s,"),
            (
                "objective: {kind: pareto, epsilom: 1}",
                "unknown key `objective.epsilom`; did you mean `objective.epsilon`?",
            ),
            ("judge: {lanes: [{cpu: [1]}]}", "unknown key `judge.lanes[0].cpu`; did you mean `judge.lanes[0].cpus`?"),
            ("seed: '1'", "my.yaml:4: seed: expected a whole number, found '1' (text)"),
            ("seed: 1.5", "seed: expected a whole number, found 1.5 (number)"),
            ("seed: yes", "seed: expected a whole number, found True (true or false)"),
            ("seed: -1", "seed: expected a number at least 0, found -1 (number)"),
            ("device: gpu", "device: expected auto, cpu, cuda or cuda:N, found 'gpu'"),
            ("judge: {timeout_s: 0}", "judge.timeout_s: expected a number above 0"),
            ("judge: {timeout_s: .inf}", "judge.timeout_s: expected a finite number"),
            ("judge: {timeout_s: soon}", "judge.timeout_s: expected a number, found 'soon' (text)"),
            ("judge: 3", "judge: expected a mapping, found 3 (number)"),
            ("judge:", "judge: expected a mapping, found nothing"),
            ("judge: {lanes: [{cpus: [1, 1]}]}", "judge.lanes[0].cpus: expected different core numbers, found [1, 1]"),
            ("judge: {lanes: 2}", "judge.lanes: expected a list, found 2 (number)"),
            ("judge: {sandbox: {require: L9}}", "judge.sandbox.require: expected one of 'L0', 'L1', 'L2' or 'L3'"),
            (
                "judge: {timing: {min_pairs: 9, max_pairs: 4}}",
                "judge.timing: expected min_pairs <= max_pairs, found 9 and 4",
            ),
            ("search: {rule: frond}", f"search.rule: expected one of {', '.join(SELECTORS)}, found 'frond'"),
            ("search: {islands: {count: 0}}", "search.islands.count: expected"),
            ("search: {map_elites: {axes: [size, colour]}}", "found 'colour'"),
            ("search: {map_elites: {axes: [size, size]}}", "expected different axes of quality, time"),
            (
                "objective: {kind: best}",
                "objective.kind: expected one of 'pareto', 'constrained', 'weighted', found 'best'",
            ),
            ("objective: {epsilon: 1}", "the key `objective.kind` is required and missing"),
            ("objective: {kind: constrained}", "the key `objective.limit` is required and missing"),
            ("objective: {kind: constrained, limit: runtime}", "objective: expected min_speedup_over_seed"),
            (
                "objective: {kind: constrained, limit: quality, within: 0.1, epsilon: 0.1}",
                "objective: expected within (alone)",
            ),
            (
                "objective: {kind: weighted, weights: {quality: 0, speed: 0}}",
                "objective.weights: expected a weight above 0",
            ),
            (
                "objective: {kind: weighted, weights: {quality: 1}}",
                "the key `objective.weights.speed` is required and missing",
            ),
            ("seed: 1\nseed: 2", "my.yaml:5: seed is written twice (first on line 4)"),
            ("judge:\n  threads: 1\n  threads: 2", "my.yaml:6: judge.threads is written twice (first on line 5)"),
            ("seed: [1", "my.yaml:5: not YAML:"),
            ("seed: *nowhere", "my.yaml:4: not YAML:"),
            ("seed: !!python/object:os.system 1", "my.yaml:4: not YAML:"),
            ("? [a]\n: 1", "expected a text as key"),
            ("1: 2", "expected a text as key"),
        ],
    )
    def test_says_what_and_where(self, tmp_path: Path, extra: str, line: str) -> None:
        assert line in refused(tmp_path, MINIMAL + extra + "\n")

    def test_all_problems_at_once_in_the_order_of_the_file(self, tmp_path: Path) -> None:
        lines = refused(tmp_path, "task: eplb\nprogramm: x\nseed: a\nbudget: {attempts: 0}\n").splitlines()
        assert [line.partition("my.yaml")[2][:3] for line in lines] == [": t", ":2:", ":3:", ":4:"]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "found an empty file"),
            ("# nothing\n", "found an empty file"),
            ("- a\n- b\n", "found a list"),
            ("just words\n", "found 'just words' (text)"),
        ],
    )
    def test_file_without_a_mapping_is_refused(self, tmp_path: Path, text: str, words: str) -> None:
        assert words in refused(tmp_path, text)

    def test_binary_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "my.yaml").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match="expected UTF-8"):
            load(tmp_path / "my.yaml")

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"gone\.yaml: no such config file"):
            load(tmp_path / "gone.yaml")

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="expected a config file, found a folder"):
            load(tmp_path)

    def test_budget_without_a_limit(self, tmp_path: Path) -> None:
        message = refused(tmp_path, MINIMAL.replace("{attempts: 3}", "{}"))
        assert "budget: expected at least one of attempts, minutes, deadline, usd, tokens, calls, judge_s," in message

    def test_islands_are_named_once_and_are_not_stored(self, tmp_path: Path) -> None:
        message = refused(tmp_path, MINIMAL + "islands: {remotes: [a, b, a]}\n")
        assert "islands.remotes: expected different addresses" in message
        assert "islands.minutes" in refused(tmp_path, MINIMAL + "islands: {minutes: 0}\n")
        config = loaded(tmp_path, MINIMAL + "islands: {remotes: ['https://me:secret@host/x.git'], most: 2}\n")
        assert config.islands == IslandSettings(remotes=("https://me:secret@host/x.git",), most=2)
        assert "secret" not in json.dumps(config.resolved())

    def test_where_a_cluster_is_stays_here(self, tmp_path: Path) -> None:
        config = loaded(tmp_path, MINIMAL + "executor: {kind: ray, address: '10.1.2.3:6379', hardware: H200}\n")
        assert (config.raw.executor.kind, config.raw.executor.address) == ("ray", "10.1.2.3:6379")
        assert "10.1.2.3" not in json.dumps(config.resolved())
        assert "executor.kind" in refused(tmp_path, MINIMAL + "executor: {kind: slurm}\n")

    @pytest.mark.parametrize("key", ["usd", "tokens", "calls"])
    def test_budget_of_models_alone_does_not_end_a_search_without_any(self, tmp_path: Path, key: str) -> None:
        message = refused(tmp_path, MINIMAL.replace("attempts: 3", f"{key}: 3"))
        assert "my.yaml:3: budget: usd, tokens and calls limit calls of models, which a proposer of kind" in message

    @given(st.text(max_size=60))
    def test_any_text_is_a_config_or_a_config_error(self, text: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "any.yaml"
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
            with pytest.raises(ConfigError):
                load(path)


class TestOverrides:
    def test_typed_as_yaml(self, tmp_path: Path) -> None:
        config = loaded(
            tmp_path, MINIMAL, "seed=7", "device=cpu", "judge.timing.budget_s=0.5", "judge.lanes=[{cpus: [1]}]"
        )
        assert (config.seed, config.device, config.judge.timing.budget_s, config.judge.lanes) == (
            *(7, "cpu", 0.5),
            (Lane(cpus=(1,)),),
        )

    def test_into_a_list(self, tmp_path: Path) -> None:
        text = MINIMAL + "judge: {lanes: [{cpus: [0]}]}\n"
        judge = loaded(tmp_path, text, "judge.lanes[0].cpus[0]=3", "judge.lanes[0].cpus[1]=4").judge
        assert judge.lanes == (Lane(cpus=(3, 4)),)

    def test_later_ones_win(self, tmp_path: Path) -> None:
        assert loaded(tmp_path, MINIMAL, "seed=7", "seed=8").seed == 8

    def test_null_removes_a_limit(self, tmp_path: Path) -> None:
        assert loaded(tmp_path, MINIMAL, "budget.attempts=", "budget.minutes=2").budget == Budget(minutes=2.0)

    def test_value_may_hold_an_equals_sign(self, tmp_path: Path) -> None:
        assert loaded(tmp_path, MINIMAL, "run=a=b").run == Path("a=b")

    @pytest.mark.parametrize(
        ("assignment", "words"),
        [
            ("seed", "expected section.key=value"),
            ("=3", "expected section.key=value"),
            ("judge..x=3", "expected section.key=value"),
            ("sead=1", "-s sead=1: unknown key `sead`; did you mean `seed`?"),
            ("budgt.attempts=1", "-s budgt.attempts=1: unknown key `budgt`; did you mean `budget`?"),
            ("judge.timeout_s=soon", "-s judge.timeout_s=soon: judge.timeout_s: expected a number"),
            ("models[2].name=x", "expected models to be a list of at least 2 entries, found a list of 0"),
            ("seed.x=3", "expected seed to be a mapping, found 0 (number)"),
            ("seed=[1", "-s seed=[1:1: not YAML"),
            ("seed={a: 1, a: 2}", "written twice"),
        ],
    )
    def test_refusals(self, tmp_path: Path, assignment: str, words: str) -> None:
        assert words in refused(tmp_path, MINIMAL + "seed: 0\nmodels: []\n", assignment)

    @given(st.lists(st.one_of(st.sampled_from(["a", "b_c"]), st.integers(0, 20)), min_size=1, max_size=5))
    def test_key_paths_read_as_they_are_addressed(self, steps: list[str | int]) -> None:
        text = key_path(steps)
        assert text.count("[") == sum(isinstance(step, int) for step in steps)
        assert ".." not in text and not text.startswith(".")


class TestResolved:
    def test_same_wherever_the_files_are(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            shutil.copy(shipped("programs/eplb/snake.py"), tmp_path / name / "seed.py")
            write(tmp_path / name, MINIMAL.replace("programs/eplb/greedy.py", "seed.py"))
        one, two = (load(tmp_path / name / "my.yaml").resolved() for name in ("one", "two"))
        assert one == two
        assert str(tmp_path) not in json.dumps(one)

    def test_absolute_path_leaves_only_its_name(self, tmp_path: Path) -> None:
        path = shutil.copy(shipped("programs/eplb/snake.py"), tmp_path / "seed.py")
        resolved = loaded(tmp_path, MINIMAL.replace("programs/eplb/greedy.py", str(path))).resolved()
        assert resolved["program"]["file"] == "seed.py"
        assert str(tmp_path) not in json.dumps(resolved)

    def test_survives_json(self, tmp_path: Path) -> None:
        resolved = loaded(tmp_path, MINIMAL).resolved()
        assert json.loads(json.dumps(resolved)) == resolved


class TestDifference:
    def between(self, folder: Path, *overrides: str) -> list[str]:
        stored = json.loads(json.dumps(loaded(folder, MINIMAL).resolved()))
        return difference(stored, loaded(folder, MINIMAL, *overrides).resolved())

    @pytest.mark.parametrize(
        "free",
        [
            "budget.attempts=50",
            "budget.minutes=9",
            "run=elsewhere",
            "search.rule=best",
            "objective={kind: pareto, epsilon: 0.1}",
            "proposer.patches=[]",
            "task.cases=[hier-ep32, global-ep32, global-ep72, global-ep144, hier-ep32-tight, global-ep32-tight]",
        ],
    )
    def test_a_difference_without_effect_on_scores_is_not_reported(self, tmp_path: Path, free: str) -> None:
        assert self.between(tmp_path, free) == []

    @pytest.mark.parametrize(
        ("changed", "line"),
        [
            ("judge.threads=2", "judge.threads: 1 in the run, 2 in the config"),
            ("judge.timing.budget_s=1", "judge.timing.budget_s: 2 in the run, 1 in the config"),
            ("judge.lanes=[{cpus: [1]}]", "judge.lanes: 0 entries in the run, 1 entries in the config"),
            ("seed=3", "seed: 0 in the run, 3 in the config"),
            ("device=cpu", "device: auto in the run, cpu in the config"),
            ("task.drift=0.1", "task.loads.drift: 0.05 in the run, 0.1 in the config"),
            ("task.cases=[hier-ep32]", "task.cases: 6 entries in the run, 1 entries in the config"),
        ],
    )
    def test_a_difference_that_affects_scores_is_one_line(self, tmp_path: Path, changed: str, line: str) -> None:
        assert self.between(tmp_path, changed) == [line]

    def test_a_run_without_held_out_loads_goes_on_without_them(self, tmp_path: Path) -> None:
        config = loaded(tmp_path, MINIMAL)
        started = config.resolved()
        assert set(started["task"]["held_out"]) == {"gate", "final"}
        del started["task"]["held_out"], started["judge"]["held_out"]
        assert config.continuing(started).held_out == {}
        assert difference(started, config.continuing(started).resolved()) == []
        [line] = difference(started, loaded(tmp_path, MINIMAL, "judge.held_out=true").continuing(started).resolved())
        assert line == "task.held_out: nothing in the run, a section in the config"
        assert self.between(tmp_path, "judge.held_out=false") == [
            "task.held_out: a section in the run, nothing in the config"
        ]

    def test_a_default_that_has_changed_since_keeps_the_runs_value(self, tmp_path: Path) -> None:
        config = loaded(tmp_path, MINIMAL)
        started = config.resolved() | {"judge": config.resolved()["judge"] | {"load_timeout_s": 20.0}}
        assert config.judge.load_timeout_s == 10
        assert config.continuing(started).judge.load_timeout_s == 20
        assert difference(started, config.continuing(started).resolved()) == []
        assert config.continuing(config.resolved()).resolved() == config.resolved()
        chosen = loaded(tmp_path, MINIMAL, "judge.load_timeout_s=10").continuing(started)
        assert difference(started, chosen.resolved()) == ["judge.load_timeout_s: 20 in the run, 10 in the config"]
        never_default = config.resolved() | {"judge": config.resolved()["judge"] | {"load_timeout_s": 5.0}}
        lines = difference(never_default, config.continuing(never_default).resolved())
        assert lines == ["judge.load_timeout_s: 5 in the run, 10 in the config"]

    def test_program_is_compared_by_content(self, tmp_path: Path) -> None:
        shutil.copy(shipped("programs/eplb/greedy.py"), tmp_path / "copy.py")
        assert self.between(tmp_path, "program=copy.py") == []
        (tmp_path / "copy.py").write_text("pass")
        [line] = self.between(tmp_path, "program=copy.py")
        assert line.startswith("program: programs/eplb/greedy.py (sha256 ") and "copy.py (sha256 " in line

    def test_reference_is_compared_by_content(self, tmp_path: Path) -> None:
        [line] = self.between(tmp_path, "judge.reference=programs/eplb/snake.py")
        assert line.startswith("judge.reference: programs/eplb/vectorised_greedy.py")


def test_programs_that_return_plans_alone_are_timed_against_one_that_does(tmp_path: Path) -> None:
    file = tmp_path / "alone.yaml"
    text = "task: {name: eplb, form: phy2log}\nprogram: programs/eplb/greedy.py\nbudget: {attempts: 1}\n"
    file.write_text(text)
    assert load(file).reference.path.name == "vectorised_greedy_phy2log.py"
    assert load(file, ["task.form=triple"]).reference.path.name == "vectorised_greedy.py"
