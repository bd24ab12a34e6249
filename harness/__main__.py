"""The way into the command, by its name and by `python -m harness`.

Owns: that the import is quick, and that Ctrl-C ends it quietly meanwhile. Does not know: what the command does.
"""

from __future__ import annotations

import gc
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command.

    Importing leaves next to nothing to collect: not looking for it, nor through all modules at the end, takes an eighth
    off the time of a command that does little else.
    """
    gc.disable()
    try:
        from harness.cli import main as run
        from harness.cli.verbs import verbs

        verbs(sys.argv[1:])
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
