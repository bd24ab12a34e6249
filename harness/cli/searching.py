"""One search: the collaborators that a config describes, joined with a run.

Owns: which judges, proposer and models a search works with, and the limits it keeps to. Does not know: any one verb,
what is shown of the attempts, the environment.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from evaluator import Judge
from harness.archive import Archive
from harness.cli.wiring import proposer_of
from harness.config import Config
from harness.llm import Model, Models
from harness.llm.ledger import Ledger
from harness.proposers import EXTERNAL_PROPOSER
from harness.runs.judges import judge_of
from harness.search import Report, SearchSetup, settle
from harness.search import search as run_search
from harness.search.budget import Budget
from harness.types import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """What one search works with. `models` have their keys; the ledger starts from what the run has spent."""

    archive: Archive
    config: Config
    folder: Path
    judges: Sequence[Judge]
    models: Sequence[Model]
    budget: Budget
    ledger: Ledger

    @contextmanager
    def attempts(self, progress: Report, notice: Callable[[str], None]) -> Iterator[Generator[Entry, None, None]]:
        """The attempts, each once it is archived; to be closed before the block ends.

        `progress` gets each step of the search, `notice` what models' endpoints make us say, from any thread. Raises
        HarnessError and EvaluatorError as `search` and `settle` do.
        """
        archive, config = self.archive, self.config
        with ExitStack() as stack:
            asked = stack.enter_context(Models(self.models, self.ledger, notice=notice)) if self.models else None
            if config.kind == EXTERNAL_PROPOSER:
                yield settle(archive, self.judges[0], config.objective, archive.adopt(), progress=progress)
                return
            setup = SearchSetup(
                judges=self.judges,
                proposer=proposer_of(config, self.folder, stack),
                selector=config.selector(archive.source),
                objective=config.objective,
                budget=self.budget,
                seed=config.seed,
                models=asked,
                in_flight=config.raw.search.in_flight,
                refuse_repeats=config.raw.search.repeats == "refuse",
                progress=progress,
            )
            yield run_search(archive, setup)


@contextmanager
def searcher(
    archive: Archive, config: Config, folder: Path, models: Sequence[Model], *, budget: Budget | None = None
) -> Iterator[Searcher]:
    """The searcher of a config in its run; its judges are stopped when the block ends.

    `budget` replaces the config's, for a search that has been under way before.
    """
    limits = config.budget if budget is None else budget
    with ExitStack() as judging:
        judges = [judging.enter_context(judge_of(config)) for _ in range(config.raw.executor.workers or 1)]
        yield Searcher(
            archive=archive,
            config=config,
            folder=folder,
            judges=judges,
            models=models,
            budget=limits,
            ledger=limits.ledger(archive.booked),
        )
