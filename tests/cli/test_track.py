"""`packsmith track` and `search --track`: rows arrive, and a tracker that fails stops no search."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Searched
from tests.cli.runs import QUICKLY, Cli, environment


def without(folder: Path, package: str) -> dict[str, str]:
    """An environment in which a package is not installed: another one of its name goes before it, and fails."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text(f"raise ImportError(\"No module named '{package}'\")\n")
    before = environment().get("PYTHONPATH", "")
    return environment(PYTHONPATH=f"{folder}:{before}" if before else str(folder))


def test_a_run_is_sent_and_only_what_is_new_again(searched: Searched, tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    cli = Cli(cwd=searched.workshop)
    place = tmp_path / "events"
    done = cli("track", "run", "--to", "tensorboard", "-o", place)
    assert done.code == 0, done.err
    assert done.out.startswith(f"sent 8 attempts to {place}/run-") and f"tensorboard --logdir {place}" in done.out
    [record] = cli("track", "run", "--to", "tensorboard", "-o", place, "--json").records
    assert record["sent"] == 0
    events = reader.EventAccumulator(record["place"]).Reload()
    best = events.Scalars("best_attempt")
    assert [event.step for event in best] == list(range(8)) and best[-1].value == searched.best["number"]
    speeds = {event.step: event.value for event in events.Scalars("speedup")}
    for attempt in searched.records:
        held = attempt["speedup"]
        assert speeds.get(attempt["number"]) == (None if held is None else pytest.approx(held["median"], rel=1e-6))


def test_what_cannot_be_sent_is_one_clear_error(searched: Searched, tmp_path: Path) -> None:
    cli = Cli(cwd=searched.workshop)
    assert "expected one of mlflow, tensorboard, wandb" in cli.refused("track", "run", "--to", "neptune", code=2)
    assert "expected one of mlflow" in cli.refused("search", "tiny.yaml", "--track", "neptune=x", code=2)
    twice = cli.refused("search", "tiny.yaml", "--track", "wandb", "--track", "wandb=x", code=2)
    assert "found wandb twice" in twice
    error = cli.refused("track", "run", "--to", "mlflow", "-o", tmp_path, env=without(tmp_path / "none", "mlflow"))
    assert "mlflow-skinny is not installed" in error and "pip install 'packsmith[mlflow]'" in error


def test_a_tracker_that_fails_does_not_stop_the_search(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    trackers = ("--track", "mlflow", "--track", f"tensorboard={tmp_path}/events")
    env = without(tmp_path / "none", "mlflow")
    done = cli("search", "tiny.yaml", "--run", "run", *QUICKLY, "-s", "budget.attempts=1", *trackers, env=env)
    assert done.code == 0 and "best program:" in done.out, done.err
    assert done.err.count("note: mlflow gets nothing more of this run: ") == 1
    [record] = cli("track", "run", "--to", "tensorboard", "-o", tmp_path / "events", "--json").records
    assert record["sent"] == 0, "both attempts went there as they came"
