"""Which proposals mean the same idea, by the words of their names.

Owns: the words of a name or a description that count, their stems, and when two sets of them are near. Pure.
Does not know: attempts, what an idea bought, how it is shown.

Models repeat an idea under other names: `vectorise_packing`, `VectorizedPacking`, `vectorise_the_packing_v2`; and under
other numbers: `chunk_16`, `chunk_64`. So names are compared by the set of their words, without numbers, endings, and
words that say nothing of what is changed. Where nothing is left of a name, the first words of the description count.
Texts are of any length and content: only their beginnings are read.
"""

from __future__ import annotations

import re

_LONGEST_NAME, _LONGEST_DESCRIPTION, _LONGEST_WORD = 240, 600, 24
"""How many characters of each are read."""
_MOST_WORDS = 8
_OF_DESCRIPTION = 6
"""How many words of a description stand for a name."""
_NEAR = (3, 4)
"""Two sets are near if their common words are at least this fraction (three quarters) of all their words. What is split
by mistake costs a line; what is joined by mistake makes its figures those of no idea.
"""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+")
_COUNTED = re.compile(r"([a-z]+)\d\w*")
"""Letters and a number: `round2`, `v2`, `p05`."""
_NUMBERED = re.compile(r"\d+([a-z]{3,})")
"""A number and a word: `2opt`."""
_WIDE = "float int uint bfloat fp bf"
_TYPES = frozenset(_WIDE.split())
"""With their widths they are words: `float32`."""
_ENDINGS = (
    *("isations", "isation", "ising", "ised", "ises", "ise", "ations", "ation"),
    *("ings", "ing", "ed", "es", "s", "e"),
)
_SHORTEST = 3
"""A stem has at least this many characters."""
_SAY_NOTHING = (
    "a an and are as at be by for from in into is it its of on so than that the then this to via when while with we "
    "will add added adding apply approach attempt better best chang change cod code cros enhanc fast faster final fix "
    "get giv good implement improv improvement increas instead introduc mak new now only optim optimal perform "
    "performanc program propos quick quicker replac set solut solution speed speedup try tun tweak updat us using "
    "variant version"
)
_EMPTY = frozenset(_SAY_NOTHING.split())
"""Words and stems that say nothing of what is changed."""
_TURN_ROUND = "avoid disabl drop fewer les mor never no not remov revert skip undo without"
_OPPOSED = frozenset(_TURN_ROUND.split())
"""Stems that turn an idea into another one: sets that differ in one of these are never near."""

Words = tuple[str, ...]
"""The words of an idea: stems, each once, sorted; () where there is nothing to tell it by."""


def words(name: str, description: str = "") -> Words:
    """The words by which an idea is told: those of its name, else the first ones of its description."""
    return _stems(name[:_LONGEST_NAME], _MOST_WORDS) or _stems(description[:_LONGEST_DESCRIPTION], _OF_DESCRIPTION)


def near(first: Words, second: Words) -> bool:
    """Whether two sets of words mean one idea. Symmetric; equal sets do."""
    part, whole = _NEAR
    if whole * min(len(first), len(second)) < part * max(len(first), len(second)):
        return False
    common = len(set(first).intersection(second))
    if whole * common < part * (len(first) + len(second) - common):
        return False
    return _OPPOSED.isdisjoint({*first} ^ {*second})


def keys(of: Words) -> Words:
    """The words under which a set is looked up: of two sets that are near, some key is common.

    A set of n words has at least 3 n / 4 in common with one that is near. So of each, all but that number less one can
    be left out (prefix filtering; Chaudhuri, Ganti, Kaushik: A primitive operator for similarity joins, ICDE 2006).
    """
    part, whole = _NEAR
    return of[: len(of) + 1 - -(-part * len(of) // whole)]


def _stems(text: str, most: int) -> Words:
    found: dict[str, None] = {}
    for match in _WORD.finditer(_CAMEL.sub(" ", text)):
        word = _word(match.group()[:_LONGEST_WORD].casefold())
        stem = _stem(word)
        if stem and word not in _EMPTY and stem not in _EMPTY:
            found[stem] = None
            if len(found) == most:
                break
    return tuple(sorted(found))


def _word(token: str) -> str:
    """A token without its number; "" where nothing but a number is left."""
    if match := _COUNTED.fullmatch(token):
        letters = match.group(1)
        if letters in _TYPES:
            return token
        return letters if len(letters) >= _SHORTEST else ""
    if token[0].isdecimal():
        match = _NUMBERED.fullmatch(token)
        return match.group(1) if match else ""
    return token


def _stem(word: str) -> str:
    """A word without its ending, in one spelling: `vectorised`, `vectorizing` and `vector` are one."""
    word = word.replace("iz", "is")
    for ending in _ENDINGS if word.endswith(_ENDINGS) and not word.endswith("eed") else ():
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
            word = word[: len(word) - len(ending)]
            break
    return word[:-1] if len(word) > _SHORTEST and word[-1] == word[-2] else word
