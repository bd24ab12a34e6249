"""The proposer that a config describes.

Owns: making it, and opening the run that it replays. Does not know: any one verb, the environment.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from harness.cli.console import UserError
from harness.cli.runs import is_run, open_run
from harness.config import Config, find_all
from harness.proposers import PROPOSERS, PatchText, Proposer, Recorded, recorded_replies, recorded_run


def proposer_of(config: Config, folder: Path, stack: ExitStack) -> Proposer:
    """The proposer of a config. If it replays a run, that run stays open until the stack ends. Raises UserError."""
    options = config.proposer_options
    if config.recording is not None:
        options = replace(options, recorded=_recorded(config.recording, folder, stack))
    return PROPOSERS[config.kind](options)


def _recorded(path: Path, folder: Path, stack: ExitStack) -> tuple[Recorded, ...]:
    if not is_run(path):
        files = find_all((str(path),), Path(), "proposer.from")
        return recorded_replies(PatchText(name=file.path.name, text=file.text()) for file in files)
    if path.resolve() == folder.resolve():
        raise UserError(f"proposer.from: {path} is the run itself: name another folder with --run DIR")
    archive = stack.enter_context(open_run(path)).archive
    return recorded_run(archive.entries, archive.reply)
