"""Searches in memory for tests of proposers: entries with the programs and replies they stand for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from evaluator.types import Rejected, Verdict
from harness.gate import gated_standing as standing
from harness.proposers import View
from harness.select import Objective, Pareto
from harness.types import Entry, Kind
from tests.harness.builders import confirmed, entry, scored


class Programs:
    """Entries with the programs they stand for."""

    def __init__(self, objective: Objective | None = None) -> None:
        self.objective = objective or Pareto()
        self.entries: list[Entry] = []
        self.sources: dict[str, str] = {}
        self.replies: dict[str, str] = {}

    def add(
        self,
        source: str,
        quality: float,
        speed: float,
        parents: tuple[str, ...] = (),
        kind: Kind = "patch",
        **values: Any,
    ) -> Entry:
        return self._add(source, scored(quality, speed), parents, kind, values)

    def reject(
        self,
        source: str,
        verdict: Rejected,
        parents: tuple[str, ...],
        kind: Kind = "patch",
        reply: str = "",
        **values: Any,
    ) -> Entry:
        added = self._add(source, verdict, parents, kind, values)
        self.replies[added.id] = reply
        return added

    def _add(
        self, source: str, verdict: Verdict, parents: tuple[str, ...], kind: Kind, values: dict[str, Any]
    ) -> Entry:
        number = len(self.entries)
        made = entry(number, verdict, source=source, parents=parents, kind=kind)
        added = replace(made, **{"name": "seed" if number == 0 else made.name, **values})
        # Only the new entry may change: those before it are the same objects in every view.
        self.entries.append(confirmed([*self.entries, added], self.objective)[-1])
        self.sources[added.id] = source
        return self.entries[-1]

    def view(self, *parents: Entry, **values: Any) -> View:
        where = standing(self.entries, self.objective)
        reply: Callable[[str], str] = lambda entry_id: self.replies.get(entry_id, "")  # noqa: E731
        return View(
            entries=tuple(self.entries),
            standing=where,
            parents=parents or where.front,
            source=self.sources.__getitem__,
            reply=reply,
            **values,
        )
