"""The rules of the house over all of `harness` and `evaluator`, and each rule over a small tree that breaks it.

Owns: the table of rooms. A rule lists every fault with its place; what a rule is stands in `tests/architecture`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.architecture import arrows, habits, words
from tests.architecture.source import Tree, edges, read, written

ROOT = Path(__file__).resolve().parents[1]

ROOMS: Mapping[str, frozenset[str]] = {
    room: frozenset(names.split())
    for room, names in {
        "evaluator": (
            "evaluator.agreement evaluator.busy evaluator.confined evaluator.contract evaluator.environment "
            "evaluator.evaluate evaluator.executors evaluator.gpus evaluator.loads evaluator.measuring "
            "evaluator.planning evaluator.remote evaluator.settings evaluator.shipped evaluator.splits "
            "evaluator.task_file evaluator.task_protocol evaluator.tasks evaluator.types"
        ),
        "evaluator.agreement": (
            "evaluator.cpu_levels evaluator.executors evaluator.measuring evaluator.screen evaluator.settings "
            "evaluator.task_protocol evaluator.types evaluator.worker_handle"
        ),
        "evaluator.busy": (
            "evaluator.executors evaluator.measuring evaluator.screen evaluator.settings evaluator.task_protocol "
            "evaluator.types evaluator.worker_handle"
        ),
        "evaluator.chained": "evaluator.task_protocol evaluator.types",
        "evaluator.confined": "evaluator.settings evaluator.types",
        "evaluator.contract": (
            "evaluator.executors evaluator.scoring evaluator.screen evaluator.settings evaluator.shipped "
            "evaluator.task_file evaluator.types evaluator.worker_handle"
        ),
        "evaluator.cpu_levels": "",
        "evaluator.distributions": "evaluator.types",
        "evaluator.environment": "evaluator.gpus evaluator.types",
        "evaluator.evaluate": (
            "evaluator.environment evaluator.executors evaluator.fate evaluator.measuring evaluator.scoring "
            "evaluator.screen evaluator.settings evaluator.splits evaluator.task_file evaluator.task_protocol "
            "evaluator.types evaluator.worker_handle"
        ),
        "evaluator.executors": (
            "evaluator.confined evaluator.gpus evaluator.settings evaluator.types evaluator.worker_handle"
        ),
        "evaluator.fate": "evaluator.types",
        "evaluator.gpus": "",
        "evaluator.loads": "",
        "evaluator.measuring": (
            "evaluator.chained evaluator.fate evaluator.settings evaluator.task_protocol evaluator.types "
            "evaluator.worker_handle"
        ),
        "evaluator.planning": (
            "evaluator.environment evaluator.executors evaluator.measuring evaluator.screen evaluator.settings "
            "evaluator.task_protocol evaluator.types evaluator.worker_handle"
        ),
        "evaluator.remote": (
            "evaluator.evaluate evaluator.fate evaluator.measuring evaluator.settings evaluator.splits "
            "evaluator.task_file evaluator.task_protocol evaluator.types"
        ),
        "evaluator.run_queue": "",
        "evaluator.scoring": "evaluator.chained evaluator.measuring evaluator.task_protocol evaluator.types",
        "evaluator.screen": "evaluator.types",
        "evaluator.settings": "",
        "evaluator.shipped": "",
        "evaluator.splits": "evaluator.settings evaluator.task_protocol evaluator.types",
        "evaluator.task_file": (
            "evaluator.confined evaluator.splits evaluator.task_protocol evaluator.tasks evaluator.types"
        ),
        "evaluator.task_protocol": "evaluator.loads evaluator.types",
        "evaluator.tasks": (
            "evaluator.distributions evaluator.loads evaluator.screen evaluator.splits evaluator.task_protocol "
            "evaluator.types"
        ),
        "evaluator.types": "",
        "evaluator.worker_handle": "evaluator.confined evaluator.run_queue evaluator.types",
        "harness": "harness.runs harness.types",
        "harness.__main__": "harness.cli",
        "harness.accounts": "",
        "harness.archive": (
            "evaluator.types harness.accounts harness.git harness.series harness.text harness.turns harness.types"
        ),
        "harness.cli": (
            "evaluator evaluator.settings evaluator.shipped harness.archive harness.cli.commands harness.config "
            "harness.document harness.exchange harness.figures harness.gate harness.git harness.identity "
            "harness.islands harness.llm harness.page harness.prompt harness.proposers harness.readings harness.report "
            "harness.runs harness.search harness.select harness.study harness.text harness.trackers harness.types"
        ),
        "harness.cli.commands": (
            "evaluator harness.archive harness.cli harness.config harness.document harness.exchange harness.figures "
            "harness.gate harness.git harness.imports harness.islands harness.llm harness.mcp harness.packages "
            "harness.page harness.patch harness.proposers harness.readings harness.report harness.runs harness.search "
            "harness.select harness.starts harness.study harness.text harness.trackers harness.types"
        ),
        "harness.config": (
            "evaluator evaluator.screen evaluator.settings evaluator.shipped evaluator.tasks evaluator.types "
            "harness.islands harness.llm harness.prompt harness.proposers harness.search harness.select harness.text "
            "harness.types"
        ),
        "harness.document": (
            "evaluator evaluator.types harness.accounts harness.figures harness.readings harness.report harness.select "
            "harness.text harness.types"
        ),
        "harness.exchange": "evaluator harness.archive harness.git harness.text harness.types",
        "harness.fate": "evaluator.fate evaluator.types harness.select harness.types",
        "harness.figures": "harness.text harness.types",
        "harness.forms": "evaluator.screen harness.identity",
        "harness.gate": "evaluator.fate evaluator.types harness.select harness.types",
        "harness.git": "harness.text harness.types",
        "harness.identity": "evaluator.screen harness.text",
        "harness.imports": "harness.text harness.types",
        "harness.islands": (
            "evaluator.types harness.archive harness.git harness.identity harness.proposers harness.text harness.types"
        ),
        "harness.knowledge": "evaluator.types harness.patch harness.prompt harness.select harness.series harness.types",
        "harness.llm": "harness.accounts harness.select harness.text harness.types",
        "harness.mcp": (
            "evaluator evaluator.fate harness.archive harness.gate harness.prompt harness.readings harness.report "
            "harness.runs harness.search harness.text harness.types"
        ),
        "harness.packages": "evaluator evaluator.shipped harness.types",
        "harness.page": (
            "evaluator evaluator.types harness.archive harness.config harness.gate harness.git harness.readings "
            "harness.report harness.select harness.series harness.types"
        ),
        "harness.patch": "harness.types",
        "harness.prompt": (
            "evaluator evaluator.screen evaluator.settings evaluator.shipped evaluator.types harness.select "
            "harness.text harness.types"
        ),
        "harness.proposers": (
            "evaluator evaluator.screen evaluator.settings evaluator.types harness.git harness.identity "
            "harness.knowledge harness.llm harness.patch harness.prompt harness.select harness.series harness.text "
            "harness.types"
        ),
        "harness.readings": (
            "evaluator evaluator.types harness.archive harness.gate harness.patch harness.select harness.text "
            "harness.turns harness.types"
        ),
        "harness.report": (
            "evaluator harness.accounts harness.gate harness.readings harness.select harness.study harness.text "
            "harness.types"
        ),
        "harness.runs": (
            "evaluator evaluator.settings harness.accounts harness.archive harness.config harness.gate harness.patch "
            "harness.proposers harness.search harness.types"
        ),
        "harness.search": (
            "evaluator.fate evaluator.splits evaluator.types harness.accounts harness.archive harness.fate "
            "harness.forms harness.gate harness.identity harness.llm harness.patch harness.proposers harness.select "
            "harness.turns harness.types"
        ),
        "harness.select": "evaluator.types harness.series harness.shape harness.types",
        "harness.series": "",
        "harness.shape": "evaluator.screen",
        "harness.starts": "evaluator evaluator.shipped harness.config harness.prompt",
        "harness.study": "evaluator evaluator.shipped harness.config harness.proposers harness.readings harness.types",
        "harness.text": "",
        "harness.trackers": "evaluator harness.gate harness.select harness.text harness.types",
        "harness.turns": "evaluator.types harness.text harness.types",
        "harness.types": "evaluator.types",
    }.items()
}
"""Each room, and the rooms it may import: exactly those that it does."""

Rule = Callable[[Tree], list[str]]
RULES: Mapping[str, Rule] = {
    getattr(rule, "__name__", "rooms"): rule
    for rule in (
        partial(arrows.rooms, table=ROOMS),
        arrows.judge_knows_nothing_of_searching,
        arrows.no_import_of_programs_or_tests,
        arrows.torch_only_beside_the_candidate,
        arrows.imports_are_absolute,
        arrows.harness_uses_public_names,
        arrows.imports_are_statements,
        arrows.named_modules_exist,
        arrows.no_cycles,
        arrows.purity,
        arrows.exceptions_from_purity,
        arrows.pure_modules_read_no_disk_or_clock,
        habits.catch_alls_at_boundaries,
        habits.only_the_command_prints_and_exits,
        habits.sizes,
        habits.formatted_throughout,
        habits.modules_say_what_they_own,
        habits.tasks_in_their_folder,
        habits.nothing_happens_at_import,
        habits.globals_are_never_changed,
        habits.random_state_is_an_argument,
        habits.one_parser_of_programs,
    )
}


@pytest.fixture(scope="module")
def house() -> Tree:
    return read(ROOT)


def test_there_is_something_to_read(house: Tree) -> None:
    assert {"evaluator.evaluate", "evaluator.confined.worker", "harness.types"} <= set(house)
    assert len(arrows.says_pure(house)) >= 10


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps_the_rule(house: Tree, rule: str) -> None:
    faults = RULES[rule](house)
    assert not faults, "\n".join(("", *faults))


def test_reasons_are_still_needed(house: Tree) -> None:
    graph = edges(house)
    assert [(name, target) for name, target in arrows.REASONS if target not in {f.target for f in graph[name]}] == []
    assert set(arrows.PURE_BUT) <= set(house)


def test_words_are_plain() -> None:
    faults = words.denied(words.texts(ROOT))
    assert not faults, "\n".join((f"{len(faults)} faults", *faults))


@pytest.mark.slow
@pytest.mark.parametrize("module", ["evaluator", "harness.cli"])
def test_a_fresh_import_is_quiet_and_without_torch(module: str, tmp_path: Path) -> None:
    code = f"import sys, threading; import {module}; print('torch' in sys.modules, threading.active_count())"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("False 1\n", "", 0)
    assert not list(tmp_path.iterdir())


PURE = '"""Adds. Pure."""\n'
BROKEN: list[tuple[str, dict[str, str], str]] = [
    (
        "rooms",
        {"harness.git.a": "", "harness.llm.b": "import harness.git.a"},
        "harness/llm/b.py:1: harness.llm may not import harness.git",
    ),
    ("rooms", {"harness.cellar.a": ""}, "harness/cellar/a.py: the room harness.cellar is not in the table"),
    ("rooms", {"harness.__main__": ""}, "the table lists harness.__main__ -> harness.cli, which nothing uses"),
    ("rooms", {"harness.types": "", "evaluator.types": ""}, "the table lists harness.git, which does not exist"),
    (
        "judge_knows_nothing_of_searching",
        {"evaluator.bad": "import harness.types"},
        "evaluator/bad.py:1: evaluator.bad may not import harness.types",
    ),
    (
        "judge_knows_nothing_of_searching",
        {"evaluator.bad": "def f():\n    from harness import types", "harness.types": ""},
        "evaluator/bad.py:2: evaluator.bad may not import harness.types",
    ),
    (
        "no_import_of_programs_or_tests",
        {"harness.bad": "from tests.stub import Stub"},
        "harness/bad.py:1: harness.bad may not import tests.stub.Stub",
    ),
    (
        "torch_only_beside_the_candidate",
        {"evaluator.bad": "import torch.cuda", "evaluator.confined.good": "import torch"},
        "evaluator/bad.py:1: evaluator.bad may not import torch.cuda",
    ),
    ("imports_are_absolute", {"harness.a": "from . import b"}, "harness/a.py:1: relative import"),
    (
        "harness_uses_public_names",
        {
            "evaluator": "from evaluator.a import y\n__all__ = ['x']",
            "evaluator.a": "",
            "harness.b": "from evaluator import y",
        },
        "harness/b.py:1: evaluator.y is not public",
    ),
    (
        "harness_uses_public_names",
        {"evaluator.confined.wire": "", "harness.b": "import evaluator.confined.wire"},
        "harness/b.py:1: evaluator.confined.wire is not public",
    ),
    (
        "imports_are_statements",
        {"harness.a": "import importlib\nx = importlib.import_module('torch')"},
        "harness/a.py:2: uses importlib.import_module",
    ),
    (
        "imports_are_statements",
        {"harness.a": "from importlib import import_module as load\nx = load('torch')"},
        "harness/a.py:1: uses importlib.import_module",
    ),
    ("imports_are_statements", {"evaluator.a": "x = __import__('time')"}, "evaluator/a.py:1: uses __import__"),
    ("named_modules_exist", {"evaluator.a": "command('evaluator.gone')"}, "evaluator/a.py:1: no module evaluator.gone"),
    (
        "named_modules_exist",
        {"harness.a": "x = 'from harness.gone import main; main()'"},
        "harness/a.py:1: no module harness.gone",
    ),
    (
        "named_modules_exist",
        {"harness.a": "x = 'import sys; import harness.gone; harness.gone.f()'"},
        "harness/a.py:1: no module harness.gone",
    ),
    (
        "no_cycles",
        {"harness.a": "import harness.b", "harness.b": "def f():\n    import harness.a"},
        "cycle: harness.a -> harness.b -> harness.a",
    ),
    (
        "purity",
        {
            "harness.a": PURE + "from harness.room import f",
            "harness.room": "from harness.room.inner import f",
            "harness.room.inner": "import harness.b\ndef f(): ...",
            "harness.b": "from git import Repo",
        },
        "harness/a.py: says Pure, but harness.a -> harness.room.inner -> harness.b -> git.Repo",
    ),
    ("purity", {"harness.a": PURE + "import time"}, "harness/a.py: says Pure, but harness.a -> time"),
    ("purity", {"harness.a": PURE + "import secrets"}, "harness/a.py: says Pure, but harness.a -> secrets"),
    ("purity", {"harness.a": PURE + "import platform"}, "harness/a.py: says Pure, but harness.a -> platform"),
    ("purity", {"harness.a": PURE + "import getpass"}, "harness/a.py: says Pure, but harness.a -> getpass"),
    (
        "purity",
        {"harness.a": PURE + "from importlib import metadata"},
        "harness/a.py: says Pure, but harness.a -> importlib.metadata",
    ),
    (
        "purity",
        {"harness.a": PURE + "if TYPE_CHECKING:\n    import ssl\nelse:\n    import time"},
        "harness/a.py: says Pure, but harness.a -> time",
    ),
    (
        "purity",
        {"harness.a": PURE + "if typing.TYPE_CHECKING:\n    import ssl\nif not TYPE_CHECKING:\n    import time"},
        "harness/a.py: says Pure, but harness.a -> time",
    ),
    (
        "exceptions_from_purity",
        {"harness.a": '"""Adds. Pure, but\nfor a look."""'},
        "harness/a.py: says Pure, but for ...: say what it reads instead, or list it with a reason",
    ),
    (
        "pure_modules_read_no_disk_or_clock",
        {"harness.a": PURE + "from pathlib import Path\ndef f(a: Path) -> str:\n    return a.read_text()"},
        "harness/a.py:4: says Pure, but calls a.read_text",
    ),
    (
        "pure_modules_read_no_disk_or_clock",
        {"harness.a": PURE + "def f(a):\n    return a.b.read_bytes()"},
        "harness/a.py:3: says Pure, but calls a.b.read_bytes",
    ),
    (
        "pure_modules_read_no_disk_or_clock",
        {"harness.a": PURE + "x = open('a')"},
        "harness/a.py:2: says Pure, but calls open",
    ),
    (
        "pure_modules_read_no_disk_or_clock",
        {"harness.a": PURE + "from datetime import datetime\ndef f():\n    return datetime.now()"},
        "harness/a.py:4: says Pure, but calls datetime.now",
    ),
    (
        "catch_alls_at_boundaries",
        {"harness.a": "try:\n    f()\nexcept Exception:\n    pass"},
        "harness/a.py:3: catches everything",
    ),
    ("only_the_command_prints_and_exits", {"harness.a": "def f():\n    print(1)"}, "harness/a.py:2: prints"),
    ("only_the_command_prints_and_exits", {"harness.a": "import sys\nsys.exit(1)"}, "harness/a.py:2: exits"),
    (
        "only_the_command_prints_and_exits",
        {"harness.a": "import os\nx = os.environ"},
        "harness/a.py:2: reads the environment",
    ),
    ("sizes", {"harness.a": "def f():\n" + "    x = 1\n" * 60}, "harness/a.py:1: f has 61 lines, at most 60"),
    ("sizes", {"harness.a": "x = 1\n" * 401}, "harness/a.py: 401 lines, at most 400: split it along a real seam"),
    ("formatted_throughout", {"harness.a": "x = 1  # fmt: " + "skip"}, "harness/a.py:1: switches the formatter off"),
    ("formatted_throughout", {"harness.a": "\n# fmt: " + "off"}, "harness/a.py:2: switches the formatter off"),
    (
        "modules_say_what_they_own",
        {"harness.a": '"""Owns: all."""'},
        "harness/a.py: the docstring lacks 'not know'",
    ),
    (
        "tasks_in_their_folder",
        {"harness.a": "x = 'programs/eplb'", "evaluator.tasks.eplb.cases": ""},
        "harness/a.py:1: eplb",
    ),
    (
        "tasks_in_their_folder",
        {"harness.a": '"""As EPLB."""', "evaluator.tasks": "NAME = 'eplb'", "evaluator.tasks.eplb.cases": ""},
        "harness/a.py:1: eplb",
    ),
    ("nothing_happens_at_import", {"harness.a": "x = connect()"}, "harness/a.py:1: calls connect at import"),
    ("nothing_happens_at_import", {"harness.a": "for x in (): ..."}, "harness/a.py:1: does something at import"),
    (
        "globals_are_never_changed",
        {"harness.a": "SEEN = set()\ndef f(x):\n    SEEN.add(x)"},
        "harness/a.py:3: f changes SEEN",
    ),
    (
        "random_state_is_an_argument",
        {"harness.a": "import random\ndef f():\n    return random.random()"},
        "harness/a.py:3: uses the generator of everyone: random.random",
    ),
    (
        "one_parser_of_programs",
        {"harness.a": "import ast\ndef f(x):\n    return ast.parse(x)", "evaluator.screen": "ast.parse(x)"},
        "harness/a.py:3: parses programs: use evaluator.screen.parse",
    ),
]


@pytest.mark.parametrize(("rule", "sources", "fault"), BROKEN, ids=[fault for _, _, fault in BROKEN])
def test_a_rule_finds_what_breaks_it(rule: str, sources: dict[str, str], fault: str) -> None:
    faults = RULES[rule](written(sources))
    if rule == "rooms":  # which also misses the rest of the house in so small a tree
        assert fault in faults
    else:
        assert faults == [fault]


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


def test_files_of_every_kind_are_read(tmp_path: Path) -> None:
    kinds = ("a.md", "findings/a.sh", "programs/a/a.patch", "harness/a/a.j2", "configs/a.yaml", "evaluator/a.py")
    for name in (*kinds, "tests/data/a.py", "programs/a.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mend")
    assert words.denied(words.texts(tmp_path)) == [f"{name}:1: mend" for name in sorted(kinds)]


@pytest.mark.parametrize(
    ("path", "text", "faults"),
    [
        ("harness/a.py", 'x = "a run of another "\n    "hand"\n', ["harness/a.py:1: of another hand"]),
        ("harness/a.py", "# one that is\n# none\n", ["harness/a.py:1: that is none"]),
        ("README.md", "We recommend an amended\nlesson. Mend it.", ["README.md:2: Mend"]),
        ("configs/a.yaml", "a: 1\n# whom it favours", ["configs/a.yaml:2: whom"]),
        ("harness/a.py", "def mend_it(): ...\nx = a.so_many", ["harness/a.py:1: mend", "harness/a.py:2: so many"]),
        ("harness/a.py", "x = SoMany() or lessMended()", ["harness/a.py:1: Mended", "harness/a.py:1: So Many"]),
        ("findings/a.sh", "# Amends.\n# Mends.", ["findings/a.sh:2: Mends"]),
        ("programs/a.patch", "Mends it.\n\n<DIFF>\nmends\n</DIFF>", ["programs/a.patch:1: Mends"]),
        ("tests/a.py", "def test_so_many_are_lost(): ...", ["tests/a.py:1: so many"]),
        ("tests/a.py", "class TestSoMany: ...", ["tests/a.py:1: So Many"]),
        ("tests/a.py", 'def f():\n    """Tell\n    whom."""\n    return "mend"', ["tests/a.py:3: whom"]),
    ],
)
def test_words_are_found_where_they_are_read(path: str, text: str, faults: list[str]) -> None:
    assert words.denied({path: text}) == faults
