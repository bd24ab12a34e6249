"""A search: propose, ask, judge, archive, until the budget is used up; and answers told from outside, judged.

Owns: the ways into the loop, and what each of them takes part in. Does not know: how a ticket goes its way
(`pipeline`), how proposals are made, programs judged, attempts stored, or anything shown.

The proposal of ticket `n` draws from a random state of its own, made of the run's seed and `n`. With one in flight and
the same outcomes and replies, a search that was interrupted therefore goes on exactly as one that was not. With
several, what a proposal saw depends on what had arrived by then; the parents and inspirations that it was made from are
archived with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence

from evaluator.types import Rejected
from harness.archive import Archive
from harness.proposers.base import Proposer
from harness.search.budget import Budget
from harness.search.calls import Models
from harness.search.judging import Judge
from harness.search.pipeline import Pipeline
from harness.search.progress import Progress, Report
from harness.search.source import Source
from harness.search.tally import Tally
from harness.select import Objective, Selector
from harness.types import Entry, HarnessError, Pending, Proposal


def _quiet(step: Progress) -> None:
    pass


def search(
    archive: Archive,
    judges: Judge | Sequence[Judge],
    proposer: Proposer,
    selector: Selector,
    objective: Objective,
    budget: Budget,
    seed: int,
    clock: Callable[[], float] = time.monotonic,
    progress: Report | None = None,
    *,
    models: Models | None = None,
    in_flight: int = 1,
    waiting: int | None = None,
    wall: Callable[[], float] = time.time,
) -> Generator[Entry, None, None]:
    """Search until the budget is used up or nothing is left to propose, yielding each attempt once it is archived.

    `models` answer the requests of a proposer that makes any; `in_flight` is how many proposals may be under way at
    once. `waiting` is how many answers of models may wait for a judge, or be judged, before no further call is begun:
    None is 0 where one is in flight, so that each proposal sees the outcome of the one before, else four for each in
    flight. Each judge works in a thread of its own; everything else of ours happens in the thread that runs the
    generator.

    First what an earlier invocation left is finished: answers that are paid for are judged, and calls whose process is
    dead are archived at the most they may have cost. The budget's attempts count the whole archive without the seed,
    and what is under way; its minutes this invocation. `clock` counts seconds from anywhere, `wall` is Unix time.

    Closing the generator, or an exception out of it, stops what the judges do and leaves the archive such that the same
    call goes on. Raises HarnessError where the seed program is not valid, the machine is another one, or no model can
    be asked; EvaluatorError where a judge fails. What is finished by then is archived.
    """
    if in_flight < 1:
        raise ValueError(f"expected at least one proposal in flight, found {in_flight}")
    most_waiting = waiting if waiting is not None else 0 if in_flight == 1 else 4 * in_flight
    source = Source(proposer=proposer, selector=selector, seed=seed, in_flight=in_flight, waiting=most_waiting)
    archive.refresh()
    archive.listen()
    pipeline = Pipeline(
        archive,
        judges if isinstance(judges, Sequence) else [judges],
        Tally(archive, objective, budget, clock=clock, wall=wall),
        source=source,
        models=models,
        clock=clock,
        report=progress or _quiet,
    )
    try:
        yield from _seed(archive, pipeline)
        pipeline.resume(archive.adopt())
        yield from pipeline.run()
        pipeline.ended()
    finally:
        pipeline.close()


def settle(
    archive: Archive,
    judge: Judge,
    objective: Objective,
    tickets: Sequence[Pending] = (),
    *,
    clock: Callable[[], float] = time.monotonic,
    progress: Report | None = None,
) -> Generator[Entry, None, None]:
    """Judge and archive these tickets of this process, after the seed program where that is still to do."""
    archive.refresh()
    tally = Tally(archive, objective, Budget(attempts=1), clock=clock, wall=time.time)
    pipeline = Pipeline(archive, [judge], tally, clock=clock, report=progress or _quiet)
    try:
        yield from _seed(archive, pipeline)
        pipeline.resume(tickets)
        yield from pipeline.run()
    finally:
        pipeline.close()


def _seed(archive: Archive, pipeline: Pipeline) -> Generator[Entry, None, None]:
    """Judge the seed program where that is still to do, and no other process does it. Raises HarnessError where it is
    not valid.
    """
    made: list[Entry] = []
    with archive.alone("seed"):
        pipeline.catch_up()
        if not any(entry.kind == "seed" for entry in archive.entries):
            proposal = Proposal(kind="seed", parents=(archive.root_id,), reply="", proposer="packsmith")
            pipeline.resume([Pending(ticket=0, proposal=proposal, answered=True)])
            made = list(pipeline.run(propose=False))
    yield from made
    judged = next(entry for entry in archive.entries if entry.kind == "seed")
    if isinstance(judged.verdict, Rejected):
        verdict = judged.verdict
        raise HarnessError(
            f"the seed program was rejected ({verdict.stage}: {verdict.reason}): {verdict.detail}\nA search needs "
            f"a valid program to start from: mend `program` or the judge's limits, and start a new run"
        )
