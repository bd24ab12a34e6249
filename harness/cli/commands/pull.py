"""`packsmith pull`: a run, or the missing part of it, fetched from elsewhere.

Owns: this verb. Does not know: how anything is exchanged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import Json, counted
from harness.cli.exchanging import Shown, all_of, emit_record, report_rest, say
from harness.cli.runs import need_git
from harness.exchange.receiving import pull as pull_run


def pull(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder; created if it does not exist.")],
    remote: Annotated[str, typer.Argument(metavar="REMOTE", help="A folder, a bundle, or an address.")],
    json: Json = False,
) -> None:
    """Fetch a run, or the missing part of it, from elsewhere.

    Use it to get another person's run, or to merge the attempts of others into yours. If RUN does not exist, it gets
    the whole run; if it is the same run, it gets the attempts, advice and measurements that it lacks, also while a
    search works on it. Each attempt is verified first, and a damaged one is left out, with exit code 1.

    \b
    Examples:
    packsmith pull runs/theirs https://example.org/mine.git
    packsmith pull runs/theirs mine.bundle
    """
    need_git()
    with Shown() as shown:
        from_ = shown.remote(remote)
        pulled = pull_run(run, from_, shown.hooks)
    if json:
        emit_record({"run": str(run), "remote": from_.shown}, pulled)
    elif pulled.nothing:
        say(f"{run} has everything of {from_.shown} already: nothing to pull ({counted(pulled.total)})")
    elif pulled.made:
        say(f"made {run} from {from_.shown}: {all_of(pulled)}")
    else:
        say(f"pulled from {from_.shown} into {run}: {all_of(pulled)}")
    if pulled.advice and not json:
        say(f"every prompt of {run} repeats the advice from now on: packsmith status {run}")
    report_rest(pulled, json=json)
