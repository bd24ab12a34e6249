"""`packsmith mcp`: a run as tools for coding agents.

Owns: this verb. Does not know: the protocol, what the tools do.
"""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer

from harness.cli.console import UserError, messages, warn
from harness.cli.runs import ConfigOption, RunFolder
from harness.cli.signals import Interrupted


def mcp(
    run: RunFolder,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Offer only the tools that look: nothing is archived or judged.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Serve a run to a coding agent, by the Model Context Protocol.

    An agent starts it itself: give it this command in its settings. It speaks the protocol on standard input and
    output, until its input ends. The agent can ask for tickets and tell answers, look at attempts, have programs judged
    in confinement, and advise. It needs packsmith[mcp].

    \b
    Examples:
    packsmith mcp runs/mine
    packsmith mcp runs/mine --read-only
    """
    try:
        from harness.mcp.server import serve
    except ImportError as error:
        raise UserError(
            f"expected the Model Context Protocol's SDK, version 2 or later, found {_found()} ({error}): "
            f"pip install 'packsmith[mcp]'"
        ) from error
    if sys.stdin.isatty():
        messages().print(
            f"serving {run} on standard input and output: an agent starts this command (Ctrl-D ends it)", markup=False
        )
    received = serve(run, config, read_only=read_only, version=metadata.version("packsmith"), notice=warn)
    if received:
        raise Interrupted(received)


def _found() -> str:
    try:
        return f"version {metadata.version('mcp')}"
    except metadata.PackageNotFoundError:
        return "none"
