"""Weights & Biases in its offline mode: a run as a folder that `wandb sync` uploads.

Owns: the settings under which nothing leaves the machine, and what is logged. Does not know: attempts, other trackers.

A folder of an offline run cannot be continued. So each time a run is opened it is written whole into a new folder,
under the id of the run: the newest folder holds all of it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from harness.text import encode
from harness.trackers.rows import Row
from harness.trackers.tracker import Subject

PROJECT = "packsmith"


class WandbRun:
    """A run in the format of Weights & Biases."""

    last = -1

    def __init__(self, subject: Subject, folder: Path) -> None:
        """Raises ImportError if the package is missing, and what wandb raises."""
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        quiet = wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_disable_stats=True,
            x_save_requirements=False,
        )
        self._run = wandb.init(
            mode="offline",
            project=PROJECT,
            id=subject.id[:16],
            name=subject.name,
            dir=str(folder),
            config=dict(subject.parameters),
            settings=quiet,
            reinit="create_new",
        )
        self._artifact = wandb.Artifact
        self._name = f"best-{subject.id[:16]}"
        self.place = str(Path(self._run.dir).parent)

    def write(self, row: Row) -> None:
        self._run.log(row.metrics, step=row.number)

    def close(self, best: str | None) -> None:
        if best is not None:
            with tempfile.TemporaryDirectory(prefix="packsmith-") as folder:
                path = Path(folder) / "best.py"
                path.write_bytes(encode(best))
                artifact = self._artifact(self._name, type="program")
                artifact.add_file(str(path))
                self._run.log_artifact(artifact)
        self._run.finish()
