"""`packsmith stop`: ask the searches in a run to end.

Owns: this verb. Does not know: how a search ends.
"""

from __future__ import annotations

from harness.archive.owners import Owner
from harness.cli.console import output
from harness.cli.runs import RunFolder, open_run


def stop(run: RunFolder) -> None:
    """Ask every search that is working on a run to stop.

    Use it to end a search that runs in another terminal. The search starts nothing new; it first finishes and archives
    what models and judges are working on. The same search command continues later.

    \b
    Examples:
    packsmith stop runs/mine
    packsmith stop runs/mine && packsmith best runs/mine -o best.py
    """
    with open_run(run) as opened:
        opened.archive.ask_to_stop()
    if not Owner(run).living():
        output().print(
            f"no search works on {run} now, so there is nothing to stop; one that has only just begun is asked too",
            markup=False,
        )
        return
    output().print(
        f"asked the searches in {run} to stop; each finishes its work in progress. "
        "To continue, run the same command again",
        markup=False,
    )
