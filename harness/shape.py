"""The shape of a program: how long its text is, and what its syntax tree is made of.

Owns: which nodes are counted, and how far two shapes are apart. Pure: nothing is executed.
Does not know: archives, scores, which programs count as the same (`identity`).
"""

from __future__ import annotations

import ast
import math
from dataclasses import astuple, dataclass

from evaluator.screen import parse

MOST_CHARACTERS = 64_000
"""The tree of a longer text is not counted: that would block the search."""
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_BRANCHES = (ast.If, ast.IfExp, ast.Match, ast.Try, ast.BoolOp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Counts of a program's text: its characters, and in its tree loops (comprehensions too), branches, calls,
    functions, operations of arithmetic and comparison, and subscripts. All 0 but the first where it does not parse.
    """

    characters: int
    loops: int = 0
    branches: int = 0
    calls: int = 0
    functions: int = 0
    operations: int = 0
    subscripts: int = 0

    def distance(self, other: Shape) -> float:
        """The mean over the counts of |ln((1 + mine) / (1 + other's))|: 0 for equal counts, .69 for all doubled."""
        pairs = list(zip(astuple(self), astuple(other), strict=True))
        return sum(abs(math.log((1 + mine) / (1 + theirs))) for mine, theirs in pairs) / len(pairs)


def shape(source: str) -> Shape:
    """The shape of a program with this text."""
    if len(source) > MOST_CHARACTERS or "\0" in source:
        return Shape(characters=len(source))
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Shape(characters=len(source))
    nodes = list(ast.walk(tree))

    def count(*kinds: type[ast.AST]) -> int:
        return sum(isinstance(node, kinds) for node in nodes)

    return Shape(
        characters=len(source),
        loops=count(*_LOOPS),
        branches=count(*_BRANCHES),
        calls=count(ast.Call),
        functions=count(*_FUNCTIONS),
        operations=count(ast.BinOp, ast.AugAssign, ast.UnaryOp, ast.Compare),
        subscripts=count(ast.Subscript),
    )
