"""The judge that a config describes.

Owns: making it, not yet started. Does not know: runs, any verb.
"""

from __future__ import annotations

from evaluator import Judge, Task
from harness.config import Config


def judge_of(config: Config, *, device: str | None = None, seed: int | None = None, task: Task | None = None) -> Judge:
    """The judge of a config, not yet started; `device`, `seed` and `task` replace the config's."""
    return Judge(
        config.task if task is None else task,
        reference=config.reference.text(),
        reference_name=config.reference.path.name,
        device=config.device if device is None else device,
        seed=config.seed if seed is None else seed,
        settings=config.judge,
    )
