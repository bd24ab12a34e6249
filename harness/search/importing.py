"""Judge the programs of another framework's archive, in its order.

Owns: which of them is next, the proposal that it becomes, and that each is measured in full. Does not know: how the
archive was read, the steps of a ticket (`pipeline`), what was claimed of a program.

An imported program is an attempt of kind `import`, whose reply is the whole program; the first is the seed program. So
an import is interrupted and continued like a search: what is archived is known by its own id there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from evaluator.fate import Settled
from evaluator.splits import Split
from evaluator.types import Duel, Rejected, Verdict
from evaluator.types import Progress as Judging
from harness.archive import Archive
from harness.proposers.base import View
from harness.search.judge import Judge, Stoppable
from harness.search.loop import open_pipeline, seed_judged
from harness.search.setup import SearchSetup
from harness.turns import whole_candidate
from harness.types import Attempt, Entry, HarnessError, Imported, Proposal, Request, Turn, Unjudged


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedProgram:
    """A program to be imported. `parents` and `inspirations` are ids there, as in `imported.claimed.id`."""

    source: str
    imported: Imported
    parents: tuple[str, ...] = ()
    inspirations: tuple[str, ...] = ()
    model: str = ""

    @property
    def id(self) -> str:
        return self.imported.claimed.id

    def proposal(self, commits: Mapping[str, str], root_id: str) -> Proposal:
        """The proposal, given the commits of the programs before it; without parents, from the root."""
        return Proposal(
            kind="import",
            parents=tuple(commits[id_] for id_ in self.parents) or (root_id,),
            reply=self.source,
            proposer=self.imported.claimed.framework,
            inspirations=tuple(commits[id_] for id_ in self.inspirations),
            model=self.model,
            imported=self.imported,
        )

    def seed_proposal(self, root_id: str) -> Proposal:
        """The proposal of the first program, which is the seed program of the run."""
        own = self.proposal({}, root_id)
        return replace(own, kind="seed", reply="")


class ImportProposer:
    """Proposes the programs that are not archived yet, each once its parents are."""

    def __init__(self, programs: Sequence[ImportedProgram], root_id: str) -> None:
        self._programs, self._root_id = programs[1:], root_id

    def propose(self, view: View, rng: random.Random) -> Proposal | None:
        """The next program whose parents and inspirations are archived; None if none is."""
        commits = imported_commits(view.entries)
        open_ = {made.imported.claimed.id for made in view.open if isinstance(made, Proposal) and made.imported}
        for program in self._programs:
            if program.id in commits or program.id in open_:
                continue
            if all(id_ in commits for id_ in (*program.parents, *program.inspirations)):
                return program.proposal(commits, self._root_id)
        return None

    def repair(self, request: Request, turns: tuple[Turn, ...], verdict: Rejected) -> Request | None:
        """None: nothing is asked for."""
        return None


class FullJudge:
    """A judge that measures every program in full, since claims are compared and not only champions looked for."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def evaluate(self, source: str, *, progress: Callable[[Judging], None] | None = None) -> Verdict:
        return self._judge.evaluate(source, progress=progress)

    def compare(
        self,
        source: str,
        other: str,
        *,
        level: float,
        other_name: str = "the other program",
        settled: Settled | None = None,
        progress: Callable[[Judging], None] | None = None,
        split: Split = "search",
    ) -> Duel | Rejected:
        return self._judge.compare(
            source, other, level=level, other_name=other_name, settled=settled, progress=progress, split=split
        )

    def stop(self) -> None:
        if isinstance(self._judge, Stoppable):
            self._judge.stop()


def imported_commits(entries: Sequence[Entry]) -> dict[str, str]:
    """The commits of imported programs, by their own ids."""
    return {entry.claimed.id: entry.id for entry in entries if entry.claimed is not None}


def judge_imported(
    archive: Archive, setup: SearchSetup, programs: Sequence[ImportedProgram]
) -> Generator[Entry, None, None]:
    """Judge and archive the programs that are not archived yet, yielding each attempt once it is durable.

    Programs come after their parents; the first is the run's seed program, and the others are judged even if that one
    is rejected. Closing the generator stops the judges; the same call continues. Raises HarnessError where no import
    made the run, it holds programs that were not judged, or the machine is another one; EvaluatorError where a judge
    fails.
    """
    archive.refresh()
    if not archive.imported:
        raise HarnessError(f"{archive.path}: expected a run that an import made, found another: name another folder")
    if any(isinstance(entry.verdict, Unjudged) for entry in archive.entries):
        raise HarnessError(
            f"{archive.path} holds programs that were imported without being judged, and an attempt never changes: "
            f"name another folder, or judge single ones with packsmith remeasure"
        )
    pipeline = open_pipeline(archive, replace(setup, judges=[FullJudge(judge) for judge in setup.judges]))
    try:
        yield from seed_judged(archive, pipeline, programs[0].seed_proposal(archive.root_id))
        pipeline.resume(archive.adopt())
        yield from pipeline.run()
        pipeline.ended()
    finally:
        pipeline.close()


def store_unjudged(archive: Archive, programs: Sequence[ImportedProgram]) -> None:
    """Archive the programs without judging them: all become durable together. Raises ArchiveError."""
    commits: dict[str, str] = {}
    with archive.writing("the imported programs") as writing:
        for number, program in enumerate(programs):
            proposal = program.proposal(commits, archive.root_id)
            if number == 0:
                proposal = program.seed_proposal(archive.root_id)
            candidate = whole_candidate(proposal, program.source)
            attempt = Attempt(number=number, proposal=proposal, candidate=candidate, verdict=Unjudged())
            commits[program.id] = writing.append(attempt).id
