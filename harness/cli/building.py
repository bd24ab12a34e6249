"""The collaborators of a run, built from a config or from what an archive stores.

Owns: opening and making runs together with their configs, the judge and the proposer that a config describes.
Does not know: any one command, the environment.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from evaluator import Judge
from harness.archive import Archive
from harness.cli import common
from harness.cli.common import UserError
from harness.cli.opening import open_archive
from harness.config import REFERENCE, Config, difference, find_all, load, restored
from harness.proposers import PROPOSERS, PatchText, Proposer, Recorded, recorded_replies, recorded_run

LAST_S, LAST_TIMES = 6.0, 8.0
"""The best program is timed against the seed program for longer, because it is what a reader will quote: for so many
seconds a case, but at most so many times what the config gives a measurement.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run, and the config it is judged by. `own_config`: the user named its file, so that it is whole."""

    folder: Path
    archive: Archive
    settings: Config
    own_config: bool

    def judge(self) -> Judge:
        """The judge of this run, not yet started."""
        return judge_of(self.settings)


def judge_of(settings: Config, *, device: str | None = None, seed: int | None = None) -> Judge:
    """The judge a config describes, or that on another device or under another seed; not yet started."""
    name = settings.reference.path.name
    return judge_against(settings, settings.reference.text(), name, device=device, seed=seed)


def judge_against(
    settings: Config,
    reference: str,
    name: str,
    *,
    last: bool = False,
    device: str | None = None,
    seed: int | None = None,
) -> Judge:
    """The same with another reference program; `last`: for the figures that end a search."""
    limits = settings.judge
    usual_s = limits.timing.budget_s
    timing = replace(limits.timing, budget_s=max(usual_s, min(LAST_S, LAST_TIMES * usual_s)) if last else usual_s)
    return Judge(
        settings.task,
        reference=reference,
        reference_name=name,
        device=settings.device if device is None else device,
        seed=settings.seed if seed is None else seed,
        settings=replace(limits, timing=timing),
    )


def proposer_of(settings: Config, folder: Path, stack: ExitStack) -> Proposer:
    """The proposer a config describes. A recorded run that it answers from stays open until the stack ends."""
    options = settings.proposer_options
    if settings.recording is not None:
        options = replace(options, recorded=_recorded(settings.recording, folder, stack))
    return PROPOSERS[settings.kind](options)


def _recorded(path: Path, folder: Path, stack: ExitStack) -> tuple[Recorded, ...]:
    if not Archive.exists(path):
        files = find_all((str(path),), Path(), "proposer.from")
        return recorded_replies(PatchText(name=file.path.name, text=file.text()) for file in files)
    if path.resolve() == folder.resolve():
        raise UserError(f"proposer.from: {path} is the run itself: name another folder with --run DIR")
    archive = stack.enter_context(open_archive(path))
    return recorded_run(archive.entries, archive.reply)


def begun(folder: Path, settings: Config) -> Archive:
    """A config's run: a new one, or the one that is there if it was made under the same conditions."""
    resolved = settings.resolved()
    if not Archive.exists(folder):
        return Archive.create(
            folder,
            seed_source=settings.program.text(),
            config=resolved,
            files={REFERENCE: settings.reference.text()},
        )
    archive = open_archive(folder)
    lines = difference(archive.config, resolved)
    if lines:
        raise UserError(
            f"{folder} was begun under another config, and its scores would not compare:\n  "
            + "\n  ".join(lines)
            + "\nUndo the difference to carry it on, or start a new run with --run DIR."
        )
    return archive


@contextmanager
def opened(folder: Path, config: str | None) -> Iterator[OpenRun]:
    """A run with its config: the stored one, or the file named, which has to judge alike. Raises HarnessError."""
    common.need_git()
    with open_archive(folder) as archive:
        for damage in archive.damage:
            common.messages().print(f"warning: {damage}", style="yellow", markup=False)
        if config is not None:
            settings = load(config)
            if lines := difference(archive.config, settings.resolved()):
                raise UserError(f"{config} is not the config {folder} was begun with:\n  " + "\n  ".join(lines))
            yield OpenRun(folder=folder, archive=archive, settings=settings, own_config=True)
            return
        with tempfile.TemporaryDirectory(prefix="packsmith-run-") as scratch:
            settings = restored(
                archive.config,
                program=archive.source(archive.root_id),
                reference=archive.file(REFERENCE),
                folder=Path(scratch),
            )
            yield OpenRun(folder=folder, archive=archive, settings=settings, own_config=False)
