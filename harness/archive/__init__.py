"""The archive of a run: attempts, tickets and notices, as commits and refs of one bare git repository (README.md)."""

from harness.archive.archive import Archive
from harness.archive.commits import ArchiveError

__all__ = ["Archive", "ArchiveError"]
