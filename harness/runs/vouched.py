"""The task files that the user of this machine named himself, so that a run's copy of one may be executed.

Owns: this list, in the user's own folder. Does not know: runs, what a task file holds.

A task file is code that judging executes outside the confinement. A run stores one, and may come from a stranger, by
`pull` or as a plain copy of its folder: what a run says of itself proves nothing. The list holds digests, one empty
file each, in `~/.local/state/packsmith/task_files`.
"""

from __future__ import annotations

from pathlib import Path


def vouch(digest: str) -> None:
    """Note that the user named a file of this sha256. Without a home folder that can be written, nothing is noted."""
    try:
        folder = _folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / digest).touch()
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return


def is_vouched(digest: str) -> bool:
    """Whether the user named a file of this sha256 before."""
    try:
        return len(digest) == 64 and digest.isalnum() and (_folder() / digest).is_file()
    except (OSError, RuntimeError):
        return False


def _folder() -> Path:
    return Path.home() / ".local" / "state" / "packsmith" / "task_files"
