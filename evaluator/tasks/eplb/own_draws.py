"""Fair draws that each rank makes for itself, from a generator of its own with the same seed, and takes its part of.

Owns: what a rank draws then. Does not know: plans, loads, why a rank draws. Pure.

Every rank makes the draws of those experts only for which it needs one, each as if for all ranks that need one. So two
ranks are at other numbers of the same generator, and what they take of one expert is not in equal parts.

Shapes: X draws, M ranks, P pairs of a draw and a rank that makes it, C the most replicas that a draw samples.
"""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb.fair_draws import MOST_WORDS, SEED, begins, numbers, sampled, words_for
from evaluator.tasks.eplb.metrics import Ints

PAIRS = 2**15
"""How many pairs are worked on at a time, so that they take little memory."""


def own_choices(count_X: Ints, draws_XM: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """What ranks take: the draw `[P]` and the replica `[P]`, a pair for each True in `draws_XM`.

    In draw i, the ranks of `draws_XM[i]`, at least one, are dealt to `count_X[i]` replicas, at least one.
    """
    ranks_X = draws_XM.sum(axis=1)
    draw_P, rank_P = np.nonzero(draws_XM)
    words = max(words_for(count_X[mine_X], ranks_X[mine_X]) for mine_X in draws_XM.T if mine_X.any())
    while words <= MOST_WORDS:
        begin_XM = _begins(count_X, ranks_X, draws_XM, words)
        if begin_XM is not None:
            turn_P = (np.cumsum(draws_XM, axis=1) - 1)[draw_P, rank_P]
            replica_P, order_P = np.empty_like(draw_P), np.argsort(-ranks_X[draw_P], kind="stable")
            for part in np.split(order_P, range(PAIRS, len(order_P), PAIRS)):
                draw = draw_P[part]
                begin = begin_XM[draw, rank_P[part]]
                replica_P[part] = _taken(count_X[draw], ranks_X[draw], turn_P[part], begin, words)
            return draw_P, replica_P
        words *= 2
    return draw_P, one_by_one(count_X, draws_XM)[draw_P, rank_P]


def one_by_one(count_X: Ints, draws_XM: NDArray[np.bool_]) -> Ints:
    """The replica that each rank takes in each draw that it makes, number by number: int64 `[X, M]`."""
    taken_XM = np.zeros(draws_XM.shape, dtype=np.int64)
    generators = [random.Random(SEED) for _ in range(draws_XM.shape[1])]
    for draw, count in enumerate(count_X.tolist()):
        ranks, replicas = np.flatnonzero(draws_XM[draw]).tolist(), range(count)
        for turn, rank in enumerate(ranks):
            each, more = divmod(len(ranks), count)
            dealt = [*replicas] * each + generators[rank].sample(replicas, more)
            generators[rank].shuffle(dealt)
            taken_XM[draw, rank] = dealt[turn]
    return taken_XM


def _begins(count_X: Ints, ranks_X: Ints, draws_XM: NDArray[np.bool_], words: int) -> Ints | None:
    """The word at which each rank begins each draw that it makes, int64 `[X, M]`; None as `begins`."""
    begin_XM = np.zeros(draws_XM.shape, dtype=np.int64)
    for rank, mine_X in enumerate(draws_XM.T):
        if mine_X.any():
            begin = begins(count_X[mine_X], ranks_X[mine_X], words)
            if begin is None:
                return None
            begin_XM[mine_X, rank] = begin
    return begin_XM


def _taken(count_P: Ints, ranks_P: Ints, turn_P: Ints, begin_P: Ints, words: int) -> Ints:
    """The replica that comes out at place `turn_P` of each draw, int64 `[P]`; most ranks first.

    A draw shuffles a list: all replicas as often as each has a rank for sure, then those of the sample. Step i, from
    the last place down to 1, exchanges what is in place i with what is in a place of at most i. So what ends in a place
    was put there in the step of that number, and we follow it back to where it was before.
    """
    sample_PC, at_P = sampled(count_P, ranks_P % count_P, begin_P, words)
    most = int(ranks_P[0])
    going_I = np.searchsorted(-ranks_P, -np.arange(most))  # as many draws have more than i ranks
    other_IP = np.zeros((most, len(ranks_P)), dtype=np.int16)
    for step in range(most - 1, 0, -1):
        going = going_I[step]
        other_IP[step, :going], at_P[:going] = numbers(np.full(going, step + 1), at_P[:going], words)
    was_P = other_IP[turn_P, np.arange(len(turn_P))].astype(np.int64)
    for step in range(1, most):
        moved = np.flatnonzero((other_IP[step] == was_P) & (turn_P < step) & (ranks_P > step))
        was_P[moved] = step
    sure_P = ranks_P // count_P * count_P
    from_sample = was_P >= sure_P
    replica_P: Ints = was_P % count_P
    replica_P[from_sample] = sample_PC[from_sample, (was_P - sure_P)[from_sample]]
    return replica_P
