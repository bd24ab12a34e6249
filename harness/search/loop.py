"""Run a search (propose, ask, judge, archive until the budget is used up), or judge answers given from outside.

Owns: the two entry points, `search` and `settle`. Does not know: the steps of a ticket (`pipeline`), how proposals are
made, programs judged, attempts stored, or anything shown.

The proposal of ticket `n` has its own random state, from the run's seed and `n`. With one proposal in flight and the
same verdicts and replies, an interrupted search therefore continues exactly like one that was not interrupted. With
several, a proposal depends on which attempts had arrived by then; its parents and inspirations are archived with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence

from evaluator.types import Rejected
from harness.archive import Archive
from harness.search.budget import Budget
from harness.search.judge import Judge
from harness.search.pipeline import Pipeline
from harness.search.progress import Report
from harness.search.setup import SearchSetup, quiet
from harness.search.tally import Tally
from harness.select import Objective
from harness.types import Entry, HarnessError, Pending, Proposal, Unjudged


def search(archive: Archive, setup: SearchSetup) -> Generator[Entry, None, None]:
    """Search until the budget is used up or nothing is left to propose, yielding each attempt once it is archived.

    First the tickets that an earlier call left are finished: answers that are paid for are judged, and calls whose
    process is dead are archived at the most they may have cost. Apart from the judges, everything of ours happens in
    the thread that runs the generator.

    Closing the generator, or an exception out of it, stops the judges and leaves the archive so that the same call
    continues the search. Raises HarnessError where the seed program is not valid, the machine is another one, or no
    model can be asked; EvaluatorError where a judge fails. What is finished by then is archived.
    """
    archive.refresh()
    pipeline = open_pipeline(archive, setup)
    try:
        yield from _seed(archive, pipeline)
        pipeline.resume(archive.adopt())
        yield from pipeline.run()
        pipeline.ended()
    finally:
        pipeline.close()


def open_pipeline(archive: Archive, setup: SearchSetup) -> Pipeline:
    """A pipeline for the archive, which ignores requests to stop that were made before now."""
    archive.listen()
    return Pipeline(
        archive,
        setup.judges,
        Tally(archive, setup.objective, setup.budget, clock=setup.clock, wall=setup.wall),
        source=setup.source,
        models=setup.models,
        checkers=setup.checkers,
        clock=setup.clock,
        report=setup.progress,
    )


def settle(
    archive: Archive,
    judge: Judge,
    objective: Objective,
    tickets: Sequence[Pending] = (),
    *,
    clock: Callable[[], float] = time.monotonic,
    progress: Report = quiet,
) -> Generator[Entry, None, None]:
    """Judge and archive these tickets of this process, after the seed program if that has not been judged yet."""
    archive.refresh()
    tally = Tally(archive, objective, Budget(attempts=1), clock=clock, wall=time.time)
    pipeline = Pipeline(archive, [judge], tally, clock=clock, report=progress)
    try:
        yield from _seed(archive, pipeline)
        pipeline.resume(tickets)
        yield from pipeline.run()
    finally:
        pipeline.close()


def _seed(archive: Archive, pipeline: Pipeline) -> Generator[Entry, None, None]:
    """Judge the seed program, unless it is judged or another process does it. Raises HarnessError where it is not
    valid.
    """
    proposal = Proposal(kind="seed", parents=(archive.root_id,), reply="", proposer="packsmith")
    yield from seed_judged(archive, pipeline, proposal)
    judged = next(entry for entry in archive.entries if entry.kind == "seed")
    if isinstance(judged.verdict, Rejected):
        verdict = judged.verdict
        raise HarnessError(
            f"the seed program was rejected ({verdict.stage}: {verdict.reason}): {verdict.detail}\nA search needs "
            f"a valid program to start from: fix `program` or the judge's limits, and start a new run"
        )
    if isinstance(judged.verdict, Unjudged):
        raise HarnessError(
            f"the programs of {archive.path} were imported without being judged, and a search needs scores: import "
            f"them again, with --rejudge, into another folder"
        )


def seed_judged(archive: Archive, pipeline: Pipeline, proposal: Proposal) -> Iterator[Entry]:
    """Judge the seed program under this proposal, unless it is archived or another process does it."""
    made: list[Entry] = []
    with archive.alone("seed"):
        pipeline.catch_up()
        if not any(entry.kind == "seed" for entry in archive.entries):
            pipeline.resume([Pending(ticket=0, proposal=proposal, answered=True)])
            made = list(pipeline.run(propose=False))
    yield from made
