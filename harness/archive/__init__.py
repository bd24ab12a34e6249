"""The archive of a run: attempts, tickets and notices, as commits and refs of one bare git repository (README.md)."""

from harness.archive.archive import Archive
from harness.archive.commits import ArchiveError, is_gated

__all__ = ["Archive", "ArchiveError", "is_gated"]
