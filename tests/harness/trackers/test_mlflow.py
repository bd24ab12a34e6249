"""MLflow, read back by its own client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.harness.trackers.contracts import ID, TrackerContract

tracking = pytest.importorskip("mlflow.tracking")


class TestMlflow(TrackerContract):
    kind = "mlflow"

    def run(self, folder: Path) -> tuple[Any, Any]:
        client = tracking.MlflowClient(tracking_uri=folder.as_uri())
        experiment = client.get_experiment_by_name("packsmith")
        [run] = client.search_runs([experiment.experiment_id])
        assert run.data.tags["packsmith.run"] == ID and run.info.status == "FINISHED"
        return client, run

    def rows(self, folder: Path) -> dict[int, dict[str, float]]:
        client, run = self.run(folder)
        found: dict[int, dict[str, float]] = {}
        for name in run.data.metrics:
            history = client.get_metric_history(run.info.run_id, name)
            assert len({metric.step for metric in history}) == len(history), "an attempt is written once"
            for metric in history:
                found.setdefault(metric.step, {})[name] = metric.value
                assert metric.timestamp == 1_700_000_000_000
        return found

    def parameters(self, folder: Path) -> dict[str, str]:
        return dict(self.run(folder)[1].data.params)

    def best(self, folder: Path) -> str:
        client, run = self.run(folder)
        return Path(client.download_artifacts(run.info.run_id, "best.py")).read_text()
