"""The searcher of packsmith. `Run` is a run from Python (API.md); what is exported here stays.

Importing this package imports nothing else: a name is loaded when it is first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.runs.attempt import RunAttempt
    from harness.runs.run import OpenTicket, Run
    from harness.types import HarnessError

__all__ = ["HarnessError", "OpenTicket", "Run", "RunAttempt"]

if not TYPE_CHECKING:  # a type checker knows these names, and no others

    def __getattr__(name: str) -> object:
        if name in ("Run", "OpenTicket"):
            from harness.runs import run

            return getattr(run, name)
        if name == "RunAttempt":
            from harness.runs.attempt import RunAttempt

            return RunAttempt
        if name == "HarnessError":
            from harness.types import HarnessError

            return HarnessError
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
