"""What a chain of placements is worth over a course: each serves from its delay on until that of the next.

Owns: the time that an interval takes, and the figures of a chain. Does not know: calls, programs, options.

The time of an interval is that of the busiest GPU in every layer and step, and of the moves; the useful share is the
time in which the mean active GPU works / that. An interval begins with the window's end: until the end of the delay the
placement before serves. If that cannot serve, since a rank has failed, the new one does from the beginning.

Shapes: S steps of an interval, L layers, E experts, R slots, M GPUs, K steps of all intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluator.tasks.eplb.bounds import largest_load_bound
from evaluator.tasks.eplb.metrics import Floats, Ints
from evaluator.tasks.eplb_over_time.courses import Course
from evaluator.tasks.eplb_over_time.moves import Moves
from evaluator.tasks.eplb_over_time.pace import Costs, Pace
from evaluator.tasks.eplb_over_time.ranks import active_sizes, repaired


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One interval under a placement: the seconds in which the mean GPU works, those that the interval takes, the
    balance of its steps `[S]`, and the moves.
    """

    worked_s: float
    took_s: float
    balance_S: Floats
    moves: Moves

    @property
    def useful_share(self) -> float:
        return self.worked_s / self.took_s if self.took_s > 0 else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A course with the sizes, the pace and the costs that its chains are judged by."""

    course: Course
    sizes: Mapping[str, int]
    pace: Pace
    costs: Costs

    def served(self, interval: int, before_LR: Ints, plan_LR: Ints) -> Served:
        """An interval that begins with `before_LR` in force, and goes on with `plan_LR`."""
        samples, gpus = self.course.samples, self.sizes["gpus"]
        steps_SLE, weight_S = samples.steps_NSLE[interval], samples.load_weight_NS[interval]
        delay = 0 if self.course.urgent and interval == 0 else self.pace.delay
        late_S = samples.time_NS[interval] < delay
        largest_S = np.empty(len(steps_SLE))
        for placed_LR, of_S in ((before_LR, late_S), (plan_LR, ~late_S)):
            if of_S.any():
                largest_S[of_S] = largest_loads(placed_LR, steps_SLE[of_S], gpus).sum(axis=1)
        mean_S = steps_SLE.sum(axis=(1, 2)) / self.course.active_M.sum()
        moves = Moves.between(before_LR, plan_LR, self.sizes["experts"], gpus, self.sizes["nodes"], self.costs)
        token_s = self.costs.token_us / 1e6
        return Served(
            worked_s=token_s * float(weight_S @ mean_S),
            took_s=token_s * float(weight_S @ largest_S) + moves.seconds,
            balance_S=np.divide(mean_S, largest_S, out=np.ones_like(mean_S), where=largest_S > 0),
            moves=moves,
        )

    def all_served(self, plans: Sequence[Ints]) -> list[Served]:
        """Each interval under its plan, the plan before being the one of the interval before."""
        before = (self.course.old_LR, *plans[:-1])
        return [self.served(at, *pair) for at, pair in enumerate(zip(before, plans, strict=True))]

    @property
    def kept_LR(self) -> Ints:
        """The placement that is in force if it is left alone: repaired where it cannot serve."""
        old_LR = self.course.old_LR
        return repaired(old_LR, self.course.active_M, self.sizes["experts"]) if self.course.urgent else old_LR

    def ceiling(self) -> float:
        """The useful share that no chain exceeds: no moves, and the least load of the busiest GPU in every step."""
        samples, sizes = self.course.samples, active_sizes(self.sizes, self.course.active_M)
        steps_NSLE, weight_NS = samples.steps_NSLE, samples.load_weight_NS
        bound = largest_load_bound(steps_NSLE.reshape(-1, sizes["experts"]), sizes)
        least_NS = bound.reshape(steps_NSLE.shape[:3]).sum(axis=2)
        mean_NS = steps_NSLE.sum(axis=(2, 3)) / sizes["gpus"]
        least = float((weight_NS * least_NS).sum())
        return float((weight_NS * mean_NS).sum()) / least if least > 0 else 1.0

    def figures(self, plans: Sequence[Ints]) -> tuple[float, dict[str, float]]:
        """The useful share of the chain, and its metrics. Of moves, means over the rebalances."""
        served, kept = self.all_served(plans), self.all_served([self.kept_LR] * len(plans))
        before = (self.kept_LR, *plans[:-1])
        alone = [self.served(at, self.course.old_LR if at == 0 else placed, placed) for at, placed in enumerate(before)]
        value, of_kept = useful_share(served), useful_share(kept)
        pairs = list(zip(served, alone, strict=True))
        still = [np.array_equal(plan, placed) for plan, placed in zip(plans, before, strict=True)]
        paying = [one.took_s < other.took_s for one, other in pairs]
        count_K = self.course.samples.count_NS.ravel()
        balance_K, kept_K = (np.concatenate([each.balance_S for each in those]) for those in (served, kept))
        return value, {
            "over_keeping": value - of_kept,
            "pays": float(value > of_kept),
            "paying_share": float(np.mean(paying)),
            "left_alone_share": float(np.mean(still)),
            "balance_p50": reached(balance_K, count_K, 0.5),
            "balance_p99": reached(balance_K, count_K, 0.99),
            **_moved([each.moves for each in served]),
            "do_nothing_useful_share": of_kept,
            "do_nothing_balance_p50": reached(kept_K, count_K, 0.5),
            "do_nothing_balance_p99": reached(kept_K, count_K, 0.99),
        }


def useful_share(served: Sequence[Served]) -> float:
    """Of intervals that follow each other."""
    took_s = sum(each.took_s for each in served)
    return sum(each.worked_s for each in served) / took_s if took_s > 0 else 1.0


def _moved(moves: Sequence[Moves]) -> dict[str, float]:
    return {
        "moved_in_gpu_share": float(np.mean([each.in_gpu_share for each in moves])),
        "moved_in_node_share": float(np.mean([each.in_node_share for each in moves])),
        "moved_across_nodes_share": float(np.mean([each.across_share for each in moves])),
        "reloaded_share": float(np.mean([each.reloaded_share for each in moves])),
        "moved_gigabytes": float(np.mean([each.gigabytes for each in moves])),
        "move_seconds": float(np.mean([each.seconds for each in moves])),
    }


def largest_loads(plan_LR: Ints, steps_SLE: Floats, gpus: int) -> Floats:
    """The load of the busiest GPU in each step and layer `[S, L]`; slots with -1 carry none."""
    steps, layers, experts = steps_SLE.shape
    key_LR = plan_LR + 1 + np.arange(layers)[:, None] * (experts + 1)
    count_LX = np.bincount(key_LR.ravel(), minlength=layers * (experts + 1)).reshape(layers, experts + 1)
    carried_SLX = np.zeros((steps, layers, experts + 1))
    carried_SLX[..., 1:] = steps_SLE / np.maximum(count_LX[:, 1:], 1)
    slots_SLR = carried_SLX.reshape(steps, -1)[:, key_LR.ravel()]
    largest_SL: Floats = slots_SLR.reshape(steps, layers, gpus, -1).sum(axis=3).max(axis=2)
    return largest_SL


def reached(balance_K: Floats, count_K: Floats, share: float) -> float:
    """The balance that this share of the steps reach or exceed, where each stands for a count of them."""
    order_K = (-balance_K).argsort(kind="stable")
    upto_K = count_K[order_K].cumsum() / count_K.sum()
    return float(balance_K[order_K[np.searchsorted(upto_K, share - 1e-12)]])
