"""Fair draws of an expert's replicas by ranks, from one seeded generator, many draws at a time.

Owns: which draws `random.Random(SEED)` makes, exactly, and how they are made without asking it for every number.
Does not know: plans, loads, where ranks and replicas are. Pure.

A fair draw deals r ranks to c replicas: r // c ranks to each, and one more to each of r % c replicas, which are sampled
without replacement; then it shuffles which rank gets which. The sample alone decides how many ranks a replica gets, but
the shuffle takes numbers from the generator too, so it moves the draws that follow.

`random.Random` makes a number below m from the highest `m.bit_length()` bits of one 32-bit word of its Mersenne
Twister, and takes the next word as long as the number is not below m. So where a draw ends depends on where it begins,
and we tabulate that for all words at once: then each draw of a sequence costs two look-ups.

Shapes: X draws, D of them, N words, Y replicas that get one rank more.
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
MOST_KINDS = 48
"""So that the tables of a plan are still there for the next one: `lru_cache` keeps 128."""
_STRIDE = 16


def extra_ranks(count_X: Ints, ranks_X: Ints) -> tuple[Ints, Ints]:
    """Which replicas get one rank more than others in each draw: the draw `[Y]` and the replica `[Y]`, in any order.
    Draw i, made after those before it, deals `ranks_X[i]` ranks to `count_X[i]` replicas; both are at least 1.
    """
    if not count_X.size or count_X.max() > MOST_REPLICAS:
        return one_by_one(count_X, ranks_X)
    more_X = ranks_X % count_X
    expected = WORDS_PER_NUMBER * float((ranks_X + more_X).sum())
    words = max(LEAST_WORDS, 1 << math.ceil(math.log2(expected)))
    while words <= MOST_WORDS:
        begin_X = _begins(count_X, more_X, ranks_X, words)
        if begin_X is not None:
            return _sampled(count_X, more_X, begin_X, words)
        words *= 2
    return one_by_one(count_X, ranks_X)


def one_by_one(count_X: Ints, ranks_X: Ints) -> tuple[Ints, Ints]:
    """The same, number by number."""
    generator, sampled = random.Random(SEED), []
    for count, ranks in zip(count_X.tolist(), ranks_X.tolist(), strict=True):
        sampled.append(generator.sample(range(count), ranks % count))
        for below in range(ranks, 1, -1):  # as `shuffle`, which would be three times slower
            while generator.getrandbits(below.bit_length()) >= below:
                pass
    draw_Y = np.repeat(np.arange(len(sampled)), [len(taken) for taken in sampled])
    return draw_Y, np.array([replica for taken in sampled for replica in taken], dtype=np.int64)


def _begins(count_X: Ints, more_X: Ints, ranks_X: Ints, words: int) -> Ints | None:
    """The word at which each draw begins; None if the words do not suffice, or the draws are of too many kinds."""
    samples, sample_X = np.unique(count_X * (MOST_REPLICAS + 1) + more_X, return_inverse=True)
    shuffles, shuffle_X = np.unique(ranks_X, return_inverse=True)
    if max(len(samples), len(shuffles)) > MOST_KINDS:
        return None
    after_sample = [_sample(*divmod(kind, MOST_REPLICAS + 1), words).data for kind in samples.tolist()]
    after_shuffle = [_shuffled(kind, words).data for kind in shuffles.tolist()]
    at, begins = 0, []
    for sample, shuffle in zip(sample_X.tolist(), shuffle_X.tolist(), strict=True):
        begins.append(at)
        at = after_shuffle[shuffle][after_sample[sample][at]]
    return np.array(begins) if at < words else None


def _sampled(count_X: Ints, more_X: Ints, begin_X: Ints, words: int) -> tuple[Ints, Ints]:
    """What each sample takes, `more_X` of `count_X`, from the word `begin_X` on: draws `[Y]` and replicas `[Y]`."""
    draws, replicas = [count_X[:0]], [count_X[:0]]  # concatenating needs one array
    for count in np.unique(count_X[more_X > 0]).tolist():
        draw_D = np.flatnonzero((count_X == count) & (more_X > 0))
        at_D = begin_X[draw_D]
        # As `sample` does: the last of those that are left takes the place of the one that is taken.
        left_DC = np.tile(np.arange(count), (len(draw_D), 1))
        for taken in range(count):
            going_D = more_X[draw_D] > taken
            draw_D, at_D, left_DC = draw_D[going_D], at_D[going_D], left_DC[going_D]
            number_D, at_D = _numbers(count - taken, at_D, words)
            row_D = np.arange(len(draw_D))
            draws.append(draw_D)
            replicas.append(left_DC[row_D, number_D])
            left_DC[row_D, number_D] = left_DC[:, count - taken - 1]
    return np.concatenate(draws), np.concatenate(replicas)


def _numbers(below: int, at_D: Ints, words: int) -> tuple[Words, Ints]:
    """A number below `below` from each of the given words on, and the word after it."""
    word_N, shift = _words(words), np.uint32(32 - below.bit_length())
    number_D = word_N[at_D] >> shift
    while (refused_D := number_D >= below).any():
        at_D = at_D + refused_D
        number_D = word_N[at_D] >> shift
    return number_D, at_D + 1


@lru_cache
def _words(words: int) -> Words:
    """The generator's first words, uint32 `[N]`."""
    return np.frombuffer(random.Random(SEED).randbytes(4 * words), dtype="<u4")


@lru_cache
def _sample(count: int, more: int, words: int) -> Places:
    """The word after a sample of `more` of `count` that begins at each word, int32 `[N + 1]`; N where the words do not
    suffice.
    """
    at = np.arange(words + 1, dtype=np.int32)
    for below in range(count, count - more, -1):
        at = _after(below, words)[at]
    return at


@lru_cache
def _shuffled(ranks: int, words: int) -> Places:
    """The same for a shuffle of `ranks` things, which takes numbers below `ranks`, ..., 3, 2."""
    rest = max(1, (ranks - 1) // _STRIDE * _STRIDE)
    at = np.arange(words + 1, dtype=np.int32)
    for below in range(ranks, rest, -1):
        at = _after(below, words)[at]
    return at if rest == 1 else _shuffled(rest, words)[at]


def _after(below: int, words: int) -> Places:
    """The word after the first one, from each word on, that gives a number below `below`."""
    accepted_N = _words(words) < below << (32 - below.bit_length())
    at_N = np.where(accepted_N, np.arange(1, words + 1, dtype=np.int32), np.int32(words))
    after = np.empty(words + 1, dtype=np.int32)
    after[-1] = words
    after[:-1] = np.minimum.accumulate(at_N[::-1])[::-1]
    return after
