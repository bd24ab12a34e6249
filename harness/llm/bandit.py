"""Choose the model to ask next: Thompson sampling of the rate of improvement per dollar.

Owns: the reward of an attempt, discounting, and the choice. Pure; everything follows from the archived entries and the
random state. Does not know: prices, endpoints, how attempts are made.

The reward is binary: an attempt is an improvement if its program joined the front at that moment (or became champion).
The size of a gain is ignored, since gains in quality and in speed have no common scale, and one large gain of the first
minutes, when anything helps, would outweigh all later ones. Failed attempts, calls without a reply and repairs count as
attempts, with their costs.

For every model and kind of proposal there are three sums: attempts, improvements, cost. Each further attempt of that
kind, by any model, discounts them all, so that a model whose ideas have run out loses its lead. The choice is budgeted
Thompson sampling (Xia, Li, Qin, Yu, Liu: Thompson sampling for budgeted multi-armed bandits, IJCAI 2015): for each
model a rate of improvement is drawn from its Beta posterior and divided by its mean cost; the largest quotient wins. A
model with few attempts has the widest posterior, and so is explored.

Cost is in dollars, or in tokens if no model has cost any dollars. If some have, a free model counts as if it cost a
hundredth of the mean, since its answers use up the other budgets of the search.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from harness.select import Standing
from harness.types import Entry, Kind

CHEAPEST = 0.01
"""The lowest cost of a model, as a share of the mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditSettings:
    """The discount and the prior of the bandit."""

    discount: float = 0.98
    """The weight of an attempt after one more attempt of its kind: 0.98 halves it after 34 attempts."""
    prior: float = 2.0
    """Strength of the prior: this many attempts of average reward and cost are added to each model's own."""

    def __post_init__(self) -> None:
        if not 0 < self.discount <= 1 or not self.prior > 0:
            raise ValueError(f"expected 0 < discount <= 1 and prior > 0, found {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Discounted sums over the attempts of one model at one kind of proposal."""

    attempts: float = 0.0
    improvements: float = 0.0
    usd: float = 0.0
    tokens: float = 0.0

    def discounted(self, by: float) -> Arm:
        return Arm(
            attempts=self.attempts * by,
            improvements=self.improvements * by,
            usd=self.usd * by,
            tokens=self.tokens * by,
        )

    def plus(self, other: Arm) -> Arm:
        return Arm(
            attempts=self.attempts + other.attempts,
            improvements=self.improvements + other.improvements,
            usd=self.usd + other.usd,
            tokens=self.tokens + other.tokens,
        )


def _no_arms() -> Mapping[tuple[Kind, str], Arm]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandit:
    """The state of the bandit after some entries. `standing` is that of the search after the last of them."""

    settings: BanditSettings
    standing: Standing
    arms: Mapping[tuple[Kind, str], Arm] = field(default_factory=_no_arms)

    def add(self, entry: Entry) -> Bandit:
        """The bandit after one more entry, whose number must be the highest so far. Attempts without a model change no
        arm.
        """
        standing = self.standing.add(entry)
        if not entry.model:
            return replace(self, standing=standing)
        joined = entry.scored is not None and any(member.id == entry.id for member in standing.front)
        outcome = Arm(attempts=1.0, improvements=float(joined), usd=entry.usd, tokens=float(entry.tokens))
        by = self.settings.discount
        arms = {key: arm.discounted(by) if key[0] == entry.kind else arm for key, arm in self.arms.items()}
        key = (entry.kind, entry.model)
        arms[key] = arms.get(key, Arm()).plus(outcome)
        return replace(self, standing=standing, arms=MappingProxyType(arms))

    def choose(self, kind: Kind, models: Sequence[tuple[str, float]], rng: random.Random) -> str:
        """One of these models, each given as its name and a weight that multiplies its sampled quotient."""
        arms = [self.arms.get((kind, name), Arm()) for name, _ in models]
        pool = Arm()
        for arm in arms:
            pool = pool.plus(arm)
        in_dollars = pool.usd > 0
        rate = (pool.improvements + 1) / (pool.attempts + 2)
        mean = _cost(pool, in_dollars) / pool.attempts if pool.attempts else 0.0
        best, best_prospects = models[0][0], -1.0
        for (name, weight), arm in zip(models, arms, strict=True):
            wins = arm.improvements + self.settings.prior * rate
            losses = arm.attempts - arm.improvements + self.settings.prior * (1 - rate)
            drawn = rng.betavariate(wins, losses)
            cost = (_cost(arm, in_dollars) + self.settings.prior * mean) / (arm.attempts + self.settings.prior)
            prospects = weight * drawn / max(cost, CHEAPEST * mean) if mean > 0 else weight * drawn
            if prospects > best_prospects:
                best, best_prospects = name, prospects
        return best


def _cost(arm: Arm, in_dollars: bool) -> float:
    return arm.usd if in_dollars else arm.tokens
