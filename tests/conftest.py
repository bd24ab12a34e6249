"""What all tests share: where things are, the order of tests, and which run here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evaluator.environment import cuda_devices


def pytest_configure(config: pytest.Config) -> None:
    """Processes that share the tests keep to a core each: then they share no timing lane either."""
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    cores = sorted(os.sched_getaffinity(0))
    if name.startswith("gw") and len(cores) > 1:
        os.sched_setaffinity(0, {cores[int(name[2:]) % len(cores)]})


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared(root: Path) -> Path:
    """The folder of shared material beside the repository; tests that need it are skipped where there is none."""
    folder = root.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no shared folder beside the repository")
    return folder


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Quick tests first, then the few long ones, which are not to be left over at the end for one process alone, then
    those of the command line, slow ones last; tests for a GPU are left out where there is none.
    """

    def order(item: pytest.Item) -> tuple[bool, ...]:
        long, slow = (item.get_closest_marker(name) is not None for name in ("long", "slow"))
        command = item.path.parent.name == "cli"
        return (slow and not long, command and not long, long)

    items.sort(key=order)
    for_gpu = [item for item in items if item.get_closest_marker("gpu") is not None]
    if for_gpu and not cuda_devices():
        config.hook.pytest_deselected(items=for_gpu)
        items[:] = [item for item in items if item not in for_gpu]
