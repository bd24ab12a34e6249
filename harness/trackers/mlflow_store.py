"""MLflow: a run in a local file store.

Owns: how a run is found again in the store, and what is logged. Does not know: attempts, other trackers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.text import encode
from harness.trackers.rows import Row
from harness.trackers.tracker import Subject

EXPERIMENT = "packsmith"
TAG = "packsmith.run"
"""The tag that holds the root commit of the run."""
LAST = "attempt"
"""The metric that holds the number of the attempt. It is written last, so it tells which rows are whole."""
_MOST_PARAMETERS = 100
"""In one request, by MLflow's limit."""


class MlflowRun:
    """A run in MLflow's format. A run that is there already, by its tag, is continued."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        """Raises ImportError if the package is missing, and what MLflow raises."""
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        folder.mkdir(parents=True, exist_ok=True)
        self._client = MlflowClient(tracking_uri=folder.resolve().as_uri())
        held = self._client.get_experiment_by_name(EXPERIMENT)
        experiment = self._client.create_experiment(EXPERIMENT) if held is None else held.experiment_id
        found = self._client.search_runs([experiment], f"tags.`{TAG}` = '{subject.id}'", max_results=1)
        if found:
            self._id = found[0].info.run_id
            self._last = int(found[0].data.metrics.get(LAST, -1))
            self._client.set_terminated(self._id, status="RUNNING")
        else:
            made = self._client.create_run(experiment, run_name=subject.name, tags={TAG: subject.id})
            self._id, self._last = made.info.run_id, -1
            params = [Param(name, str(value)) for name, value in subject.parameters.items()]
            for some in _portions(params):
                self._client.log_batch(self._id, params=some)
        self.place = f"{folder} (run {self._id[:8]} of the experiment {EXPERIMENT})"

    @property
    def last(self) -> int:
        return self._last

    def write(self, row: Row) -> None:
        from mlflow.entities import Metric

        figures = {**row.metrics, LAST: float(row.number)}
        metrics = [Metric(name, value, 1000 * row.when_s, row.number) for name, value in figures.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def close(self, best: str | None) -> None:
        if best is not None:
            with tempfile.TemporaryDirectory(prefix="packsmith-") as folder:
                path = Path(folder) / "best.py"
                path.write_bytes(encode(best))
                self._client.log_artifact(self._id, str(path))
        self._client.set_terminated(self._id)


def _portions(items: Sequence[Any]) -> list[list[Any]]:
    return [list(items[at : at + _MOST_PARAMETERS]) for at in range(0, len(items), _MOST_PARAMETERS)]
