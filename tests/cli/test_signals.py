"""Signals that come when the command has ended and Python still cleans up."""

from __future__ import annotations

import subprocess
import sys

from tests.cli.runs import environment

_LATE = """
import atexit, os, signal
from harness.cli.signals import catch_signals, ignore_signals
atexit.register(lambda: print("cleaned up"))
atexit.register(lambda: [os.kill(os.getpid(), number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)])
catch_signals()
ignore_signals()
raise SystemExit(130)
"""


def test_a_late_signal_breaks_into_no_clean_up() -> None:
    done = subprocess.run([sys.executable, "-c", _LATE], env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "cleaned up\n", "")
