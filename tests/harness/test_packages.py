"""What stands in a package, from values alone."""

from __future__ import annotations

import json
import tomllib

import pytest

from evaluator import TASKS, Agreement, BusyTime, Engine
from harness.cli.commands.package import excess
from harness.packages import Origin, Package, PackageError
from tests.harness.builders import scored

ENGINES = {engine.name: engine for engine in TASKS["eplb"].engines}
SOURCE = "def rebalance_experts(weight): ...  # ü\r\n"


def package(engine: Engine, name: str = "mine") -> Package:
    return Package(
        engine=engine,
        task="eplb",
        name=name,
        source=SOURCE,
        origin=Origin(name="swap", run="runs", attempt=7, commit="c" * 40),
        verdict=scored(0.9, 2.0),
        quality_key="balance",
        agreement=Agreement(conditions=("a fresh process", "2 threads"), inputs=3),
        busy=(BusyTime(case="a", alone_ms=2.0, busy_ms=5.0, held_ms=0.5),),
        min_gain=0.01,
        version="1.2.3",
    )


@pytest.mark.parametrize("engine", ENGINES.values(), ids=list(ENGINES))
def test_a_package_is_whole_and_says_where_it_comes_from(engine: Engine) -> None:
    files = package(engine).files()
    project = tomllib.loads(files["pyproject.toml"].decode())
    assert project["project"]["name"] == "mine" and project["tool"]["setuptools"]["packages"] == ["mine"]
    for entries in project["project"].get("entry-points", {}).values():
        module, _, function = entries["mine"].partition(":")
        assert f"def {function}(".encode() in files[f"{module.replace('.', '/')}.py"]
    assert files["mine/solver.py"] == SOURCE.encode()
    assert {"mine/__init__.py", "mine/guard.py", "mine/selftest.py"} <= set(files)
    stored = json.loads(files["mine/provenance.json"])
    assert stored["settings"] == {"min_gain": 0.01, "switch_s": 0.0005}
    assert stored["solver"]["commit"] == "c" * 40
    assert stored["agreement"] == {"conditions": ["a fresh process", "2 threads"], "inputs": 3}
    readme = files["README.md"].decode()
    assert "$" not in readme and "python -m mine.selftest" in readme and "2 ms alone, 5 ms beside" in readme


@pytest.mark.parametrize("name", ["", "two-words", "class", "9lives", "a b", "../up", "ü"])
def test_a_name_that_is_no_module_is_refused(name: str) -> None:
    with pytest.raises(PackageError, match="expected letters, digits and _"):
        package(ENGINES["plain"], name)


def test_engines_plug_in_by_the_group_that_each_looks_in() -> None:
    groups = {name: list(engine.entry_points) for name, engine in ENGINES.items()}
    assert groups == {"vllm": ["vllm.general_plugins"], "sglang": ["sglang.srt.plugins"], "plain": []}


@pytest.mark.parametrize(
    ("busy_ms", "held_ms", "says"),
    [
        (20.0, 1.0, ""),
        (20.1, 0.1, "mine.py takes 20.1 ms instead of 2.0 (b)"),
        (2.0, 1.1, "up for 1.1 ms; expected"),
    ],
)
def test_what_is_slow_or_holds_others_up_is_found(busy_ms: float, held_ms: float, says: str) -> None:
    quick = BusyTime(case="a", alone_ms=2.0, busy_ms=2.0, held_ms=0.0)
    other = BusyTime(case="b", alone_ms=2.0, busy_ms=busy_ms, held_ms=held_ms)
    text = excess("mine.py", ENGINES["vllm"], (quick, other))
    assert says in text and bool(says) == bool(text)
