"""The way into the command, by its name and by `python -m harness`.

Owns: that Ctrl-C ends it quietly while it is still being imported. Does not know: what the command does.
"""

from __future__ import annotations

INTERRUPTED = 130


def main() -> None:
    """Run the command."""
    try:
        from harness.cli import main as run
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    run()


if __name__ == "__main__":
    main()
