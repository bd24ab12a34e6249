"""Which model to ask next: the one with the best prospects of an improvement per dollar.

Owns: what an attempt tells of its model, how that is forgotten, and the choice. Pure; everything follows from the
archived entries and the random state. Does not know: prices, endpoints, how attempts are made.

An attempt is an improvement, or it is none: it is one where its program joined the front of the standing of the moment
(the champion's place included). That is what a search is after, whatever its objective; the size of a gain is left
out, since gains in quality and in speed have no common measure, and one large gain of the first minutes, when anything
helps, would outweigh all that come later. Failed attempts, answers that never came and repairs are attempts too, with
what they cost.

Of every model and kind of proposal there are three sums: attempts, improvements, cost. Each further attempt of that
kind, whosever, discounts them all, so that a model whose ideas have run out is left again. The choice is Thompson
sampling under costs (Xia, Li, Qin, Yu, Liu: Thompson sampling for budgeted multi-armed bandits, IJCAI 2015): for each
model a rate of improvement is drawn from what is known of it, a Beta distribution, and divided by its mean cost; the
largest quotient wins. A model little is known of varies most, and so is tried.

Cost is dollars; where none of the models has cost any, it is tokens. Where some have, the free ones count as if they
cost a hundredth of the mean: their answers take up the search's other budgets too.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from harness.select import Standing
from harness.types import Entry, Kind

CHEAPEST = 0.01
"""The least a model is taken to cost, as a share of the mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditSettings:
    """How fast the bandit forgets, and how much it trusts a model that it knows little of."""

    discount: float = 0.98
    """What an attempt counts for after one more attempt of its kind: at .98, half after 34 attempts."""
    prior: float = 2.0
    """So many attempts as good and as dear as the average of all models are added to each model's own."""

    def __post_init__(self) -> None:
        if not 0 < self.discount <= 1 or not self.prior > 0:
            raise ValueError(f"expected 0 < discount <= 1 and prior > 0, found {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What is known of one model for one kind of proposal: discounted sums over its attempts."""

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
    """What the entries so far tell of the models. `standing` is where the search stood after the last of them."""

    settings: BanditSettings
    standing: Standing
    arms: Mapping[tuple[Kind, str], Arm] = field(default_factory=_no_arms)

    def add(self, entry: Entry) -> Bandit:
        """With one more entry, which must have a higher number than all before it. Attempts of no model change no
        arm.
        """
        standing = self.standing.add(entry)
        if not entry.model:
            return replace(self, standing=standing)
        joined = entry.scored is not None and any(member.id == entry.id for member in standing.front)
        one = Arm(attempts=1.0, improvements=float(joined), usd=entry.usd, tokens=float(entry.tokens))
        by = self.settings.discount
        arms = {key: arm.discounted(by) if key[0] == entry.kind else arm for key, arm in self.arms.items()}
        key = (entry.kind, entry.model)
        arms[key] = arms.get(key, Arm()).plus(one)
        return replace(self, standing=standing, arms=MappingProxyType(arms))

    def choose(self, kind: Kind, models: Sequence[tuple[str, float]], rng: random.Random) -> str:
        """One of these models, each given with a weight that multiplies its prospects."""
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
