"""The kinds of trackers. A further one is a module and a line here.

Owns: this list. Does not know: how any of them works.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harness.trackers.mlflow_store import MlflowRun
from harness.trackers.tensorboard_files import TensorBoardRun
from harness.trackers.tracker import Kind
from harness.trackers.wandb_runs import WandbRun

TRACKERS: Mapping[str, Kind] = MappingProxyType(
    {
        "mlflow": Kind(
            package="mlflow-skinny",
            extra="mlflow",
            folder="mlruns",
            look="MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri DIR",
            open=MlflowRun,
            # MLflow 3 refuses its file store unless it is told to, and sends usage data unless it is told not to.
            environment={"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"},
        ),
        "tensorboard": Kind(
            package="tensorboard",
            extra="tensorboard",
            folder="tensorboard",
            look="tensorboard --logdir DIR",
            open=TensorBoardRun,
        ),
        "wandb": Kind(
            package="wandb",
            extra="wandb",
            folder=".",
            look="wandb sync DIR/wandb/offline-run-*",
            open=WandbRun,
            environment={"WANDB_ERROR_REPORTING": "false"},
        ),
    }
)
