"""One search: the collaborators that a config describes, joined with a run.

Owns: which judges, proposer and models a search works with, and the limits it keeps to. Does not know: any one verb,
what is shown of the attempts, the environment.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from evaluator import Environment, RemoteJudge, identified
from harness.archive import Archive
from harness.archive.ledger_file import ledger_of
from harness.cli.wiring import proposer_of
from harness.config import Config
from harness.git.remote import remote
from harness.islands import Exchanger, Expected, IslandProposer
from harness.llm import Model, Models
from harness.llm.ledger import Ledger
from harness.proposers import EXTERNAL_PROPOSER
from harness.runs.judges import AnyJudge, Judges, entered, judge_of, started
from harness.search import Report, SearchSetup, settle
from harness.search import search as run_search
from harness.search.budget import Budget
from harness.select import standing
from harness.types import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """What one search works with. `models` have their keys; the ledger starts from what the run has spent."""

    archive: Archive
    config: Config
    folder: Path
    judges: Sequence[AnyJudge]
    checkers: Sequence[RemoteJudge]
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
            proposer, exchanger = proposer_of(config, self.folder, stack), self._exchanger(notice)
            if exchanger is not None:
                stack.enter_context(exchanger)
                proposer = IslandProposer(proposer, exchanger, archive.root_id, config.task.resolution)
            setup = SearchSetup(
                judges=self.judges,
                checkers=self.checkers,
                proposer=proposer,
                selector=config.selector(archive.source),
                objective=config.objective,
                budget=self.budget,
                seed=config.seed,
                models=asked,
                in_flight=_in_flight(config, len(self.judges)),
                refuse_repeats=config.raw.search.repeats == "refuse",
                progress=progress,
            )
            try:
                yield run_search(archive, setup)
            finally:
                if exchanger is not None:  # what was archived since the last proposal, too
                    front = standing(archive.entries, config.objective).front
                    exchanger.publish({entry.number: entry.id for entry in front})

    def _exchanger(self, notice: Callable[[str], None]) -> Exchanger | None:
        """What exchanges elites with the islands of the config; None without islands. Raises RemoteError."""
        config = self.config
        if not config.islands.remotes:
            return None
        return Exchanger(
            self.folder,
            self.archive.root_id,
            [remote(address) for address in config.islands.remotes],
            config.islands,
            Expected(task=identified(config.task), source_bytes=config.judge.source_bytes),
            note=notice,
        )


def _environment_then(archive: Archive) -> Environment | None:
    """The environment of the run's scores: that of the seed program's; None before it has one."""
    seed = next((entry for entry in archive.entries if entry.kind == "seed"), None)
    return seed.scored.environment if seed is not None and seed.scored is not None else None


def _in_flight(config: Config, judges: int) -> int:
    """Proposals under way at once: what the config says, else one; with several judges, one more than judges, so that
    none waits for the next program.
    """
    section = config.raw.search
    return judges + 1 if judges > 1 and "in_flight" not in section.model_fields_set else section.in_flight


@contextmanager
def searcher(
    archive: Archive,
    config: Config,
    folder: Path,
    models: Sequence[Model],
    *,
    budget: Budget | None = None,
    notice: Callable[[str], None] | None = None,
) -> Iterator[Searcher]:
    """The searcher of a config in its run; its judges are stopped when the block ends.

    `budget` replaces the config's, for a search that has been under way before; `notice` gets what judges elsewhere
    make us say.
    """
    limits = config.budget if budget is None else budget
    with ExitStack() as judging:
        if config.kind == EXTERNAL_PROPOSER:
            made = Judges(judges=entered(judging, [judge_of(config)]))
        else:
            made = started(config, judging, then=_environment_then(archive), note=notice)
        book = judging.enter_context(closing(ledger_of(archive))) if models else None
        yield Searcher(
            archive=archive,
            config=config,
            folder=folder,
            judges=made.judges,
            checkers=made.checkers,
            models=models,
            budget=limits,
            ledger=limits.ledger(archive.booked if book is None else None, book),
        )
