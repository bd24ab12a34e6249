"""The search: a proposal's way from its ticket to the archive, many at once, within a budget."""

from harness.search.importing import ImportedProgram, ImportProposer, judge_imported, store_unjudged
from harness.search.judge import Judge
from harness.search.loop import search, settle
from harness.search.progress import Phase, Progress, Report
from harness.search.setup import SearchSetup
from harness.search.source import attempt_rng

__all__ = [
    "ImportProposer",
    "ImportedProgram",
    "Judge",
    "Phase",
    "Progress",
    "Report",
    "SearchSetup",
    "attempt_rng",
    "judge_imported",
    "search",
    "settle",
    "store_unjudged",
]
