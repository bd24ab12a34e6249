"""`packsmith push`, `pull` and `bundle`: a run exchanged with another repository, or made one file.

Owns: these three commands, and what a waiting person sees of them. Does not know: how anything is exchanged.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from evaluator import TASKS
from harness.archive import Archive
from harness.cli import common
from harness.cli.common import UserError
from harness.cli.run_verbs import Run
from harness.config import stored_objective
from harness.exchange.holdings import Pulled, Sent
from harness.exchange.receiving import Hooks
from harness.exchange.receiving import pull as pull_run
from harness.exchange.sending import bundle as bundle_run
from harness.exchange.sending import push as push_run
from harness.git.remote import Remote, remote
from harness.readings.verify import faults
from harness.report import jsonl
from harness.report.progress import Waiting
from harness.select import standing
from harness.text import one_line
from harness.types import Entry

Other = Annotated[str, typer.Argument(metavar="REMOTE", help="A folder, or an address: ssh, https, http, git.")]
_LINE = 300
_SHOWN = 20


class _Shown:
    """One line that says what goes on; out of the way while git may ask for a password. Silent but on a terminal."""

    def __init__(self) -> None:
        self._console = common.messages()
        self._waiting: Waiting | None = None
        self._text = ""

    def __enter__(self) -> _Shown:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def say(self, text: str) -> None:
        self._text = one_line(text, _LINE)
        if self._waiting is None:
            self._waiting = Waiting(self._console).__enter__()
        self._waiting.say(self._text)

    def progress(self, text: str) -> None:
        """What git says it is doing; "" when it begins."""
        if text:
            self.say(text)
            return
        self._stop()
        if self._console.is_terminal:
            self._console.print(self._text, style="dim", markup=False)

    def remote(self, address: str) -> Remote:
        return remote(address, progress=self.progress, terminal=self._console.is_terminal)

    @property
    def hooks(self) -> Hooks:
        return Hooks(check=_check, choose=_choose, say=self.say)

    def _stop(self) -> None:
        if self._waiting is not None:
            self._waiting.__exit__(None, None, None)
            self._waiting = None


def push(run: Run, remote: Other, json: common.Json = False) -> None:
    """Send a run to another repository.

    REMOTE is a folder, made if there is none, or the address of an empty repository or of the same run. Attempts,
    advice and measurements that are missing there are sent, and none there is overwritten. Open tickets stay here.

    \b
    Examples:
    packsmith push runs/eplb /backup/eplb
    packsmith push runs/eplb git@example.org:me/eplb.git
    """
    common.need_git()
    with _Shown() as shown:
        to = shown.remote(remote)
        sent = push_run(run, to, shown.hooks)
    if json:
        _emit({"run": str(run), "remote": to.shown}, sent)
    elif sent.nothing:
        _print(f"{to.shown} has all {_counted(sent.total)} already: nothing to send")
    elif sent.made:
        _print(f"made {to.shown}: {_all(sent)}")
    else:
        _print(f"sent to {to.shown}: {_all(sent)}")
    _beside(sent, json=json)


def pull(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder; made if there is none.")],
    remote: Annotated[str, typer.Argument(metavar="REMOTE", help="A folder, a bundle, or an address.")],
    json: common.Json = False,
) -> None:
    """Bring a run here, or what it lacks, from elsewhere.

    Into a folder that does not exist, the whole run; into the same run, the attempts, advice and measurements it
    lacks, also while a search goes on in it. Each attempt is verified first, and one that is not sound is left out:
    exit code 1 where one was.

    \b
    Examples:
    packsmith pull runs/theirs https://example.org/eplb.git
    packsmith pull runs/theirs eplb.bundle
    """
    common.need_git()
    with _Shown() as shown:
        from_ = shown.remote(remote)
        pulled = pull_run(run, from_, shown.hooks)
    if json:
        _emit({"run": str(run), "remote": from_.shown}, pulled)
    elif pulled.nothing:
        _print(f"{run} has everything of {from_.shown} already: nothing to pull ({_counted(pulled.total)})")
    elif pulled.made:
        _print(f"made {run} from {from_.shown}: {_all(pulled)}")
    else:
        _print(f"pulled from {from_.shown} into {run}: {_all(pulled)}")
    if pulled.advice and not json:
        _print(f"the advice stands in every prompt of {run} from now on: packsmith status {run}")
    _beside(pulled, json=json)


def bundle(
    run: Run,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The file; RUN's name and .bundle.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: common.Json = False,
) -> None:
    """Write a run into one file, to be mailed or kept.

    Read it with `packsmith pull NEWRUN FILE`, or `git clone --mirror FILE`. Open tickets stay here.

    \b
    Example:
    packsmith bundle runs/eplb eplb.bundle
    """
    common.need_git()
    with _Shown() as shown:
        path, sent = bundle_run(run, file, force=force, progress=shown.progress, say=shown.say)
    if json:
        _emit({"run": str(run), "file": str(path)}, sent)
    else:
        _print(f"wrote {path}: {_all(sent)}")
    _beside(sent, json=json)


def _check(archive: Archive, numbers: Collection[int]) -> dict[int, str]:
    """The first thing that is wrong with each attempt that `packsmith verify` would complain about."""
    found: dict[int, str] = {}
    for fault in faults(archive, numbers):
        if fault.number is not None:
            found.setdefault(fault.number, f"expected {fault.expected}, found {fault.found}")
    return found


def _choose(archive: Archive) -> tuple[Entry | None, Sequence[Entry]]:
    """The champion and the front of a run under its own objective. Raises UserError where its config has none."""
    try:
        name, objective = archive.config["task"]["name"], stored_objective(archive.config)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"the config stored in that run is none of packsmith's: {one_line(str(error), _LINE)}"
        ) from None
    if name not in TASKS:
        raise UserError(f"that run is on the task {name!r}, expected one of {', '.join(TASKS)}: update packsmith")
    where = standing(archive.entries, objective)
    return where.champion, where.front


def _all(done: Sent | Pulled) -> str:
    """What was exchanged, on one line."""
    counted = _counted(done.attempts)
    parts = [counted if done.attempts == done.total else f"{counted}, {done.total} now"]
    parts += [f"{done.advice} of advice"] if done.advice else []
    parts += ["measurements"] if done.notes else []
    return ", ".join([*parts, _size(done.size_bytes)])


def _beside(done: Sent | Pulled, *, json: bool) -> None:
    """What did not come along, and why. Exit code 1 where it should have."""
    console = common.messages()
    if isinstance(done, Sent):
        if done.tickets and not json:
            what = "1 open ticket stays" if done.tickets == 1 else f"{done.tickets} open tickets stay"
            console.print(f"{what} here: tickets belong to processes of this machine", markup=False)
        for warning in done.warnings:
            console.print(f"warning: {one_line(warning, _LINE)}", style="yellow", markup=False)
    for line in done.left_out[:_SHOWN]:
        console.print(f"left out: {one_line(line, _LINE)}", style="yellow", markup=False)
    if len(done.left_out) > _SHOWN:
        console.print(f"left out: {len(done.left_out) - _SHOWN} more; --json names all", style="yellow", markup=False)
    if done.left_out and isinstance(done, Pulled) and not json:
        console.print("git clone --mirror takes a run as it is, sound or not", style="dim", markup=False)
    if done.left_out:
        raise typer.Exit(1)


def _emit(named: dict[str, str], done: Sent | Pulled) -> None:
    values: dict[str, Any] = asdict(done)
    common.emit(jsonl.line({**named, **values, "nothing": done.nothing}))


def _print(text: str) -> None:
    common.output().print(one_line(text, _LINE), markup=False)


def _counted(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts:,} attempts"


def _size(bytes_: int) -> str:
    """As people say it."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if bytes_ >= scale:
            return f"{bytes_ / scale:.3g} {unit}"
    return f"{bytes_} bytes"
