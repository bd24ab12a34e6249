"""A program of another run as it came: what is known of it is hearsay.

Owns: where such a program is from, what its run claims of it, and when a claim is exposed by our own measurement.
Does not know: git, how it was fetched, searches. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from evaluator.types import Rejected, Scored
from harness.types import Claimed, Entry, Imported, Proposal

FRAMEWORK = "packsmith"
"""The framework that claims of islands name."""
ISLAND = "island"
"""The proposer of their attempts."""
_ORIGIN = re.compile(r"([0-9a-f]{40})/([0-9]+)/([0-9a-f]{40})/([0-9a-f]{12})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a program is from: the root commit of its run, its number and commit there, and the fingerprint of the
    environment it was scored in.
    """

    root: str
    number: int
    commit: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.root}/{self.number}/{self.commit}/{self.fingerprint}"

    @property
    def shown(self) -> str:
        """For people."""
        return f"attempt {self.number} of the run {self.root[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Elite:
    """A program of another run, and the score that is claimed for it there."""

    origin: Origin
    source: str
    name: str
    description: str
    scores: Mapping[str, float]

    @classmethod
    def of(cls, origin_root: str, entry: Entry, source: str) -> Elite:
        """Of an attempt of a run. Raises ValueError if it has no score."""
        scored = entry.scored
        if scored is None:
            raise ValueError(f"attempt {entry.number} has no score")
        score, quality = scored.score, scored.score.quality_interval
        origin = Origin(
            root=origin_root, number=entry.number, commit=entry.id, fingerprint=scored.environment.fingerprint
        )
        scores = {
            "quality": quality.median,
            "quality_low": quality.low,
            "quality_high": quality.high,
            "speedup": score.speedup.median,
            "speedup_low": score.speedup.low,
            "speedup_high": score.speedup.high,
        }
        return cls(origin=origin, source=source, name=entry.name, description=entry.description, scores=scores)

    def proposal(self, root_id: str) -> Proposal:
        """The proposal to judge it here, from the root `root_id` of this run: its own parents are not here."""
        claimed = Claimed(framework=FRAMEWORK, id=str(self.origin), scores=dict(self.scores))
        imported = Imported(claimed=claimed, name=self.name, description=self.description)
        return Proposal(kind="import", parents=(root_id,), reply=self.source, proposer=ISLAND, imported=imported)


def origin_of(claimed: Claimed | None) -> Origin | None:
    """Where an attempt came from; None if it is not from an island."""
    if claimed is None or claimed.framework != FRAMEWORK:
        return None
    found = _ORIGIN.fullmatch(claimed.id)
    if found is None:
        return None
    return Origin(root=found[1], number=int(found[2]), commit=found[3], fingerprint=found[4])


def exposed(entry: Entry, resolution: float) -> str:
    """How the claim of an attempt from an island differs from what was measured here, as a sentence; "" if it may hold.

    A claim is exposed if its 95 % interval lies wholly above ours by more than `resolution` in quality, or, if both
    were taken on hardware of one kind, by more than a twentieth in speed. Claims below the measurement harm nobody.
    """
    origin = origin_of(entry.claimed)
    if origin is None or entry.claimed is None:
        return ""
    where, scores = f"attempt {entry.number}, {origin.shown}", entry.claimed.scores
    if isinstance(entry.verdict, Rejected):
        return f"{where}: claimed as scored, rejected here at {entry.verdict.stage} ({entry.verdict.reason})"
    if not isinstance(entry.verdict, Scored):
        return ""
    score, environment = entry.verdict.score, entry.verdict.environment
    quality, speedup = score.quality_interval, score.speedup
    if scores.get("quality_low", 0.0) > quality.high + resolution:
        return (
            f"{where}: claims {score.quality.name} {scores['quality_low']:.4f} or more, measured here "
            f"{quality.median:.4f} [{quality.low:.4f}, {quality.high:.4f}]"
        )
    if environment.fingerprint == origin.fingerprint and scores.get("speedup_low", 0.0) > 1.05 * speedup.high:
        return (
            f"{where}: claims {scores['speedup_low']:.3g}x or more, measured here {speedup.median:.3g}x "
            f"[{speedup.low:.3g}, {speedup.high:.3g}]"
        )
    return ""
