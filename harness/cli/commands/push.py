"""`packsmith push`: a run sent to another repository.

Owns: this verb. Does not know: how anything is exchanged.
"""

from __future__ import annotations

from harness.cli.console import Json, counted
from harness.cli.exchanging import Other, Shown, all_of, emit_record, report_rest, say
from harness.cli.runs import RunFolder, need_git
from harness.exchange.sending import push as push_run


def push(run: RunFolder, remote: Other, json: Json = False) -> None:
    """Send a run to another repository.

    Use it to back a run up or to share it. REMOTE is a folder, which is created if it does not exist, or the address of
    an empty repository or of the same run. Attempts, advice and measurements that are missing there are sent; nothing
    there is overwritten. Open tickets stay here.

    \b
    Examples:
    packsmith push runs/mine /backup/mine
    packsmith push runs/mine git@example.org:me/mine.git
    """
    need_git()
    with Shown() as shown:
        to = shown.remote(remote)
        sent = push_run(run, to, shown.hooks)
    if json:
        emit_record({"run": str(run), "remote": to.shown}, sent)
    elif sent.nothing:
        say(f"{to.shown} has all {counted(sent.total)} already: nothing to send")
    elif sent.made:
        say(f"made {to.shown}: {all_of(sent)}")
    else:
        say(f"sent to {to.shown}: {all_of(sent)}")
    report_rest(sent, json=json)
