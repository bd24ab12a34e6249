"""What all tests share: where things are, the order of tests, and which run here.

Owns: the mark `process`, set by place, and what `--quick` leaves out. Does not know: what any test is about.
"""

from __future__ import annotations

import gc
import os
import re
import resource
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

from evaluator.environment import cuda_devices
from evaluator.executors import EXECUTORS
from tests.evaluator.kept import KEPT, kept

PROCESS_PLACES = (
    *("tests/cli", "tests/evaluator/confined"),
    *("tests/test_gpu_benchmark.py", "tests/test_kills.py", "tests/test_programs.py", "tests/test_quick.py"),
)
"""Folders and files whose tests start the command or a judge's processes."""
PROCESS_MODULES = (
    *("evaluator.evaluate", "evaluator.executors", "evaluator.worker_handle", "evaluator.confined"),
    *("tests.cli", "tests.harness.archive.fire", "tests.harness.page.pages", "tests.harness.processes"),
    "tests.stub",
)
"""A test module that imports one of these, or a name defined there, starts processes or a server. Git is exempt."""
_NAMES_ONE = re.compile(rf"^(?:from|import) (?:{'|'.join(map(re.escape, PROCESS_MODULES))})\b", re.MULTILINE)
QUICK_EXAMPLES = 15
"""Examples of a property in the quick loop; the whole suite takes as many as the test asks for."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help=f"at most {QUICK_EXAMPLES} examples of each property")
    parser.addoption("--long", action="store_true", help="more kills, and more hostile programs at once")


def pytest_configure(config: pytest.Config) -> None:
    """Processes that share the tests keep to a core each: then they share no timing lane either. Archives that tests
    leave open until they are collected need more files than many machines allow at first.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    cores = sorted(os.sched_getaffinity(0))
    if name.startswith("gw") and len(cores) > 1:
        os.sched_setaffinity(0, {cores[int(name[2:]) % len(cores)]})


@pytest.fixture(scope="session")
def at_length(pytestconfig: pytest.Config) -> bool:
    """Whether tests that draw at random are to draw more often than every run of the suite can afford."""
    return bool(pytestconfig.getoption("long"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared(root: Path) -> Path:
    """The folder of shared material beside the repository; tests that need it are skipped elsewhere."""
    folder = root.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no shared folder beside the repository")
    return folder


@pytest.fixture(scope="session")
def kept_processes() -> Iterator[None]:
    """Judges that are made with `executor=KEPT` go on with the processes of the one before."""
    with kept():
        yield


@pytest.fixture
def shared_processes(kept_processes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """So do all judges in this process."""
    monkeypatch.setitem(EXECUTORS, "local", EXECUTORS[KEPT])


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The quick loop does not even import tests that start processes, where their place or their first lines tell."""
    if not config.getoption("quick"):
        return None
    if collection_path.relative_to(config.rootpath).as_posix() in PROCESS_PLACES:
        return True
    tests = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if tests and _names_one(collection_path) else None


def _names_one(path: Path) -> bool:
    return _NAMES_ONE.search(path.read_text()) is not None


def starts_processes(path: str, module: ModuleType) -> bool:
    """Whether a test module is marked `process`: by where it lies, or by what it imports."""
    if any(path == place or path.startswith(f"{place}/") for place in PROCESS_PLACES):
        return True
    origins = (
        value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
        for value in vars(module).values()
    )
    return any(origin == name or origin.startswith(f"{name}.") for origin in origins for name in PROCESS_MODULES)


def _fewer_examples(item: pytest.Item) -> None:
    """Hypothesis has no public way to lower what a test asks for: without this attribute, a test runs in full."""
    function = getattr(getattr(item, "obj", None), "__func__", getattr(item, "obj", None))
    asked = getattr(function, "_hypothesis_internal_use_settings", None)
    if asked is not None and asked.max_examples > QUICK_EXAMPLES:
        fewer = hypothesis.settings(asked, max_examples=QUICK_EXAMPLES)
        function._hypothesis_internal_use_settings = fewer  # type: ignore[union-attr]


def pytest_collection_finish() -> None:
    """What was imported stays: no later search for garbage is to look through it."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Quick tests first, then the few long ones, which are not to be left over at the end for one process alone, then
    those of the command line, slow ones last; tests for a GPU are left out where the machine has no GPU.
    """
    process: dict[Path, bool] = {}
    for item in items:
        if item.path not in process:
            path = item.path.relative_to(config.rootpath).as_posix()
            process[item.path] = isinstance(item, pytest.Function) and (
                _names_one(item.path) or starts_processes(path, item.module)
            )
        if process[item.path]:
            item.add_marker("process")
        if config.getoption("quick"):
            _fewer_examples(item)

    def order(item: pytest.Item) -> tuple[bool, ...]:
        long, slow = (item.get_closest_marker(name) is not None for name in ("long", "slow"))
        command = item.path.parent.name == "cli"
        return (slow and not long, command and not long, long)

    items.sort(key=order)
    for_gpu = [item for item in items if item.get_closest_marker("gpu") is not None]
    if for_gpu and not cuda_devices():
        config.hook.pytest_deselected(items=for_gpu)
        items[:] = [item for item in items if item not in for_gpu]
