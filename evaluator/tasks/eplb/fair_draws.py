"""Fair draws of an expert's replicas by ranks, from one seeded generator, many draws at a time.

Owns: which draws `random.Random(SEED)` makes, exactly, and how they are made without asking it for every number.
Does not know: plans, loads, where ranks and replicas are. Pure.

A fair draw deals r ranks to c replicas: r // c ranks to each, and one more to each of r % c replicas, which are sampled
without replacement; then it shuffles which rank gets which. The sample alone decides how many ranks a replica gets, but
the shuffle takes numbers from the generator too, so it moves the draws that follow.

`random.Random` makes a number below m from the highest `m.bit_length()` bits of one 32-bit word of its Mersenne
Twister, and takes the next word as long as the number is not below m. So where a draw ends depends on where it begins,
and we tabulate that for all words at once: then each draw of a sequence costs one look-up.

Shapes: X draws, C the most replicas that a draw samples, N words, Y replicas that get one rank more.
"""

from __future__ import annotations

import math
import random
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb.metrics import Ints

Words = NDArray[np.uint32]
Places = NDArray[np.int32]

SEED = 42
WORDS_PER_NUMBER = 1.4
"""2 ln 2 words on average, where m is as likely to be any number between two powers of two."""
LEAST_WORDS, MOST_WORDS = 2**12, 2**18
"""Longer sequences are drawn number by number: their tables would take too long to make, and too much memory."""
MOST_REPLICAS = 21
"""`random.Random.sample` works otherwise for more."""
MOST_RANKS = 2**12
MOST_KINDS = 96
"""So that the tables of a plan are still there for the next one: `lru_cache` keeps 128."""
_STEPWISE, _STRIDE = 96, 16
"""Tables of shuffles are made from that of one thing less, which is kept; larger ones from that of up to 16 less."""


def extra_ranks(count_X: Ints, ranks_X: Ints) -> tuple[Ints, Ints]:
    """Which replicas get one rank more than others in each draw: the draw `[Y]` and the replica `[Y]`, in any order.
    Draw i, made after those before it, deals `ranks_X[i]` ranks to `count_X[i]` replicas; both are at least 1.
    """
    words = words_for(count_X, ranks_X)
    while words <= MOST_WORDS:
        begin_X = begins(count_X, ranks_X, words)
        if begin_X is not None:
            more_X = ranks_X % count_X
            taken_XC, _ = sampled(count_X, more_X, begin_X, words)
            taken_Y = taken_XC[np.arange(taken_XC.shape[1]) < more_X[:, None]]
            return np.repeat(np.arange(len(more_X)), more_X), taken_Y.astype(np.int64)
        words *= 2
    return one_by_one(count_X, ranks_X)


def one_by_one(count_X: Ints, ranks_X: Ints) -> tuple[Ints, Ints]:
    """The same, number by number."""
    generator, taken = random.Random(SEED), []
    for count, ranks in zip(count_X.tolist(), ranks_X.tolist(), strict=True):
        taken.append(generator.sample(range(count), ranks % count))
        for below in range(ranks, 1, -1):  # as `shuffle`, which would be three times slower
            while generator.getrandbits(below.bit_length()) >= below:
                pass
    draw_Y = np.repeat(np.arange(len(taken)), [len(each) for each in taken])
    return draw_Y, np.array([replica for each in taken for replica in each], dtype=np.int64)


def words_for(count_X: Ints, ranks_X: Ints) -> int:
    """The words that tables are made of: probably enough for these draws. More than MOST_WORDS if tables are no use."""
    if not count_X.size or count_X.max() > MOST_REPLICAS or ranks_X.max() > MOST_RANKS:
        return 2 * MOST_WORDS
    expected = WORDS_PER_NUMBER * float((ranks_X + ranks_X % count_X).sum())
    return max(LEAST_WORDS, 1 << math.ceil(math.log2(expected)))


def begins(count_X: Ints, ranks_X: Ints, words: int) -> Ints | None:
    """The word at which each draw begins; None if the words do not suffice, or the draws are of too many kinds."""
    above = int(ranks_X.max()) + 1
    kind_X = count_X * above + ranks_X
    kinds = np.flatnonzero(np.bincount(kind_X)).tolist()
    if len(kinds) > MOST_KINDS:
        return None
    after = {kind: _drawn(*divmod(kind, above), words).data for kind in kinds}
    at = 0
    ends = [at := after_kind[at] for after_kind in map(after.__getitem__, kind_X.tolist())]
    return np.array([0, *ends[:-1]]) if at < words else None


def sampled(count_X: Ints, more_X: Ints, begin_X: Ints, words: int) -> tuple[NDArray[np.uint8], Ints]:
    """What each sample takes, `more_X` of `count_X` replicas, from the word `begin_X` on: replicas `[X, C]`, of which
    the first `more_X` count, and the word after each sample.
    """
    order_X = np.argsort(-more_X.astype(np.int16), kind="stable")
    count_X, at_X, after_X = count_X[order_X], begin_X[order_X], np.empty_like(begin_X)
    going_C = len(more_X) - np.cumsum(np.bincount(more_X))[:-1]
    width = int(count_X.max())
    left_XC = np.tile(np.arange(width, dtype=np.uint8), (len(count_X), 1))
    taken_XC, row_X = np.zeros((len(count_X), len(going_C)), dtype=np.uint8), np.arange(len(count_X)) * width
    left = left_XC.reshape(-1)
    for taken, going in enumerate(going_C.tolist()):
        below = count_X[:going] - taken
        number, at_X[:going] = numbers(below, at_X[:going], words)
        # As `sample` does: the last of those that are left takes the place of the one that is taken.
        place = row_X[:going] + number
        taken_XC[:going, taken] = left[place]
        left[place] = left[row_X[:going] + below - 1]
    result_XC = np.empty_like(taken_XC)
    result_XC[order_X], after_X[order_X] = taken_XC, at_X
    return result_XC, after_X


def numbers(below_X: Ints, at_X: Ints, words: int) -> tuple[Words, Ints]:
    """A number below each of `below_X` from the given words on, and the words after them."""
    word_N = generated(words)
    shift_X, at_X = _shifts()[below_X], at_X.copy()
    number_X = word_N[at_X] >> shift_X
    refused = np.flatnonzero(number_X >= below_X)
    while refused.size:
        at_X[refused] += 1
        number_X[refused] = word_N[at_X[refused]] >> shift_X[refused]
        refused = refused[number_X[refused] >= below_X[refused]]
    return number_X, at_X + 1


@lru_cache
def generated(words: int) -> Words:
    """The generator's first words, uint32 `[N]`."""
    return np.frombuffer(random.Random(SEED).randbytes(4 * words), dtype="<u4")


@lru_cache
def _shifts() -> Words:
    """By how many bits a word is shifted for a number below each m: uint32 `[MOST_RANKS + 1]`."""
    return np.array([32 - below.bit_length() for below in range(MOST_RANKS + 1)], dtype=np.uint32)


@lru_cache
def _drawn(count: int, ranks: int, words: int) -> Places:
    """The word after a draw of `ranks` ranks and `count` replicas that begins at each word, int32 `[N + 1]`; N where
    the words do not suffice.
    """
    at = np.arange(words + 1, dtype=np.int32)
    for below in range(count, count - ranks % count, -1):
        at = _kept_after(below, words)[at]
    return _shuffled(ranks, words)[at]


@lru_cache
def _shuffled(ranks: int, words: int) -> Places:
    """The same for a shuffle of `ranks` things, which takes numbers below `ranks`, ..., 3, 2."""
    rest = ranks - 1 if ranks <= _STEPWISE else (ranks - 1) // _STRIDE * _STRIDE
    at = np.arange(words + 1, dtype=np.int32)
    for below in range(ranks, max(1, rest), -1):
        at = _after(below, words)[at]
    return at if rest <= 1 else _shuffled(rest, words)[at]


@lru_cache
def _kept_after(below: int, words: int) -> Places:
    return _after(below, words)


def _after(below: int, words: int) -> Places:
    """The word after the first one, from each word on, that gives a number below `below`."""
    accepted_N = generated(words) < below << (32 - below.bit_length())
    at_N = np.where(accepted_N, np.arange(1, words + 1, dtype=np.int32), np.int32(words))
    after = np.empty(words + 1, dtype=np.int32)
    after[-1] = words
    after[:-1] = np.minimum.accumulate(at_N[::-1])[::-1]
    return after
