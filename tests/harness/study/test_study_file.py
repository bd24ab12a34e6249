"""Study files: what they may say, what each cell is searched with, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluator import shipped
from harness.config import ConfigError
from harness.study.study_file import read_study

STUDY = """
config: configs/quickstart.yaml
seeds: [3, 4]
budget: {attempts: 5}
overrides: {judge.timeout_s: 7, objective: {kind: pareto}}
methods:
  front: {}
  best: {search.rule: best, proposer.repairs: 1}
tasks:
  small: {task.cases: [global-ep32], judge.threads: 1}
  other: {task.cases: [hier-ep32], judge.timeout_s: 9}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_study(written(folder, text))
    return str(caught.value).replace(f"{folder}/", "")


def test_cells_go_seed_by_seed_with_another_method_first_each_time(tmp_path: Path) -> None:
    study = read_study(written(tmp_path, STUDY))
    assert [cell.name for cell in study.cells] == [
        *("front on small, seed 3", "best on small, seed 3", "front on other, seed 3", "best on other, seed 3"),
        *("best on small, seed 4", "front on small, seed 4", "best on other, seed 4", "front on other, seed 4"),
    ]
    assert len({cell.folder for cell in study.cells}) == 8
    assert study.cells[1].folder == Path("runs/mine/small/best/seed-3")
    assert read_study(tmp_path / "mine.yaml", Path("x")).cells[0].folder == Path("x/small/front/seed-3")


def test_layers_are_laid_over_each_other_and_the_study_sets_seed_and_budget(tmp_path: Path) -> None:
    cells = {cell.name: cell.config for cell in read_study(written(tmp_path, STUDY)).cells}
    small, other = cells["front on small, seed 3"], cells["best on other, seed 4"]
    assert (small.seed, other.seed) == (3, 4)
    assert (small.raw.search.rule, other.raw.search.rule) == ("trade_offs", "best")
    assert (small.judge.timeout_s, other.judge.timeout_s) == (7, 9), "the task's value is laid over the one for all"
    assert small.budget == other.budget
    assert (small.budget.attempts, small.budget.minutes) == (5, None), "not what the config says"


def test_the_command_line_overrides_keys_of_the_study_and_of_all_configs(tmp_path: Path) -> None:
    given = ("seeds=[8]", "budget.attempts=2", "judge.timeout_s=3")
    cells = read_study(written(tmp_path, STUDY), None, given).cells
    assert {(cell.seed, cell.config.budget.attempts, cell.config.judge.timeout_s) for cell in cells} == {(8, 2, 3.0)}
    with pytest.raises(ConfigError, match=r"-s seed=1.*use -s seeds=\[1,2\]"):
        read_study(tmp_path / "mine.yaml", None, ["seed=1"])


def test_a_method_may_have_a_config_of_its_own(tmp_path: Path) -> None:
    mine = shipped("configs/quickstart.yaml").read_text() + "\nsearch: {rule: random}\n"
    (tmp_path / "own.yaml").write_text(mine)
    study = read_study(written(tmp_path, STUDY.replace("front: {}", "front: {config: own.yaml}")))
    assert {cell.method: cell.config.raw.search.rule for cell in study.cells} == {"front": "random", "best": "best"}


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("seeds:", "seed:", "mine.yaml:3: unknown key `seed`; did you mean `seeds`?"),
        (
            "search.rule:",
            "search.rul:",
            "methods.best.search.rul: unknown key `search.rul`; did you mean",
        ),
        ("[3, 4]", "[3, 3]", "mine.yaml:3: seeds: expected different seeds, found one twice"),
        ("[3, 4]", "[-3]", "expected a number at least 0"),
        ("[3, 4]", "[]", "expected something that is not empty"),
        ("attempts: 5", "deadline: 2030-01-01 00:00:00", "found a time of day: use minutes"),
        ("{attempts: 5}", "{}", "at least one of attempts"),
        ("front: {}", "front: {seed: 4}", "methods.front: seed: the study sets this key, the same for all cells"),
        ("front: {}", "front: {budget.usd: 4}", "methods.front: budget.usd: the study sets this key"),
        ("front: {}", "front: 3", "expected a mapping, found 3 (number)"),
        ("front: {}", "front: {config: nope.yaml}", "mine.yaml:7: methods.front: no such config file: nope.yaml"),
        ("front: {}", "front: {config: 3}", "expected the name of a config file, found 3 (number)"),
        ("front: {}", "front: {proposer.kind: ask}", "expected a proposer that works on its own"),
        ("  front: {}", "  ../up: {}", "found '../up', which names no folder"),
        ("config: configs/quickstart.yaml\n", "", "expected `config:` here or at the top of the study, found neither"),
        ("best: {", "best: {judge.timeout_s: 2, ", "front and best would be judged differently"),
        ("best: {", "best: {objective: {kind: pareto, epsilon: 0.5}, ", "objective.epsilon: 0 in front, 0.5 in best"),
    ],
)
def test_what_is_refused_says_where_and_what_to_do(tmp_path: Path, old: str, new: str, error: str) -> None:
    assert STUDY.count(old) >= 1
    said = refused(tmp_path, STUDY.replace(old, new, 1))
    assert error in said and said.startswith("mine.yaml"), said


def test_the_shipped_study_is_valid() -> None:
    study = read_study(Path("configs/study.yaml"))
    assert len(study.cells) == 12 and study.folder == Path("runs/study")
