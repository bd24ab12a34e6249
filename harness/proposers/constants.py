"""Numeric constants of a program, and the programs in which one of them is changed.

Owns: which numbers are worth changing, and to which values. Pure. Does not know: patches, archives, what the program is
for.

Numbers that are structural are left alone: indices and slices, dimensions, and bare 0, 1 and 2.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from evaluator.screen import parse

STRUCTURAL_KEYWORDS = frozenset({"dim", "dim0", "dim1", "axis", "dims", "ndim", "dtype", "start_dim", "end_dim"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A number in a program. `label` is the name it is assigned to if `named`, else the function it is in.

    `line` counts from 0; `start` and `end` are byte offsets in the line.
    """

    label: str
    named: bool
    value: int | float
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A program with one constant changed."""

    name: str
    description: str
    named: bool
    source: str


class _Finder(ast.NodeVisitor):
    def __init__(self) -> None:
        self.constants: list[Constant] = []
        self._label = "module"
        self._named = False

    def _visit_as(self, node: ast.AST, label: str, named: bool) -> None:
        before = self._label, self._named
        self._label, self._named = label, named
        self.visit(node)
        self._label, self._named = before

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = [*node.args.posonlyargs, *node.args.args]
        defaults = node.args.defaults
        pairs = [*zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True)]
        pairs += [(a, d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None]
        for argument, default in pairs:
            self._visit_as(default, argument.arg, True)
        for statement in node.body:
            self._visit_as(statement, node.name, False)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._assigned(node.targets, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._assigned([node.target], node.value)

    def _assigned(self, targets: list[ast.expr], value: ast.expr) -> None:
        """A number assigned to one name gets that name, except 0 and 1 in a function: often initial values."""
        target = targets[0]
        choice = self._label == "module" or not (isinstance(value, ast.Constant) and value.value in (0, 1))
        if len(targets) == 1 and isinstance(target, ast.Name) and _is_number(value) and choice:
            self._visit_as(value, target.id, True)
        else:
            self.visit(value)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg in STRUCTURAL_KEYWORDS:
            return
        if node.arg is not None and _is_number(node.value):
            self._visit_as(node.value, node.arg, True)
        else:
            self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Skipped: numbers inside an f-string have no reliable position."""

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if not _is_number(node) or not isinstance(value, (int, float)) or node.end_col_offset is None:
            return
        if self._named or isinstance(value, float) or value > 2:
            self.constants.append(
                Constant(
                    label=self._label,
                    named=self._named,
                    value=value,
                    line=node.lineno - 1,
                    start=node.col_offset,
                    end=node.end_col_offset,
                )
            )


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def constants(source: str) -> tuple[Constant, ...]:
    """The numbers of a program that are worth changing, in order; () where it is not Python."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    finder = _Finder()
    try:
        finder.visit(tree)
    except RecursionError:
        return ()
    return tuple(finder.constants)


def replacements(value: int | float) -> tuple[int | float, ...]:
    """Other values for a number: doubled, halved and, for whole numbers, one more and one less; never negative."""
    if isinstance(value, float):
        candidates: list[int | float] = [value * 2, value / 2]
    else:
        candidates = [value * 2, value // 2, value + 1, value - 1]
    least = 0 if value <= 1 else 1 if isinstance(value, int) else 0
    return tuple(dict.fromkeys(new for new in candidates if new != value and new >= least and abs(new) < 1e300))


def _slug(value: int | float) -> str:
    return repr(value).replace(".", "p").replace("-", "m").replace("+", "")


def variants(source: str) -> Iterator[Variant]:
    """Every program that differs from this one in one constant."""
    lines = source.encode().splitlines(keepends=True)
    for constant in constants(source):
        line = lines[constant.line]
        for new in replacements(constant.value):
            changed = line[: constant.start] + repr(new).encode() + line[constant.end :]
            subject = constant.label if constant.named else f"number_in_{constant.label}"
            yield Variant(
                name=f"set_{subject}_{_slug(constant.value)}_to_{_slug(new)}",
                description=f"Change {constant.value!r} to {new!r} on line {constant.line + 1}.",
                named=constant.named,
                source=b"".join([*lines[: constant.line], changed, *lines[constant.line + 1 :]]).decode(),
            )
