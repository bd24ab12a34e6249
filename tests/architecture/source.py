"""A tree of modules as text and syntax, from disk or from a few lines in a test.

Owns: names of modules and their rooms, and which module a module imports. Does not know: what is allowed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGES = ("evaluator", "harness")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Module:
    """One source file; `path` is relative to the repository. Equal to itself only, so that readings can be cached."""

    path: str
    source: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        """Whether it is a folder's `__init__.py`."""
        return self.path.endswith("__init__.py")

    def at(self, node: ast.AST | int) -> str:
        """Where a fault is, as editors understand it."""
        return f"{self.path}:{node if isinstance(node, int) else getattr(node, 'lineno', 1)}"


Tree = Mapping[str, Module]


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """An import statement's one name.

    `target` is the module of ours, or for other packages the dotted name that is imported (`pathlib.PurePath`).
    `name` is what is taken out of a module of ours, or "" for the module itself.
    """

    target: str
    name: str
    line: int
    typing_only: bool


def read(root: Path, packages: tuple[str, ...] = PACKAGES) -> dict[str, Module]:
    """Every module of these packages below the repository's root."""
    found = {}
    for path in sorted(path for package in packages for path in (root / package).rglob("*.py")):
        relative = path.relative_to(root)
        parts = relative.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = _module(relative.as_posix(), path.read_text())
    return found


def written(sources: Mapping[str, str]) -> dict[str, Module]:
    """A tree from sources by module name; a name with others below it is a package."""

    def path(name: str) -> str:
        package = any(other.startswith(f"{name}.") for other in sources)
        return name.replace(".", "/") + ("/__init__.py" if package else ".py")

    return {name: _module(path(name), source) for name, source in sources.items()}


def _module(path: str, source: str) -> Module:
    return Module(path=path, source=source, tree=ast.parse(source))


def room(name: str, module: Module) -> str:
    """The package folder that a module lies in; a module at the top of `harness` or `evaluator` is its own room. All
    tasks are one room, so that adding one changes no table.
    """
    if name.startswith("evaluator.tasks."):
        return "evaluator.tasks"
    if module.is_package or name.count(".") < 2:
        return name
    return name.rpartition(".")[0]


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """All nodes of a syntax tree, walked once for all rules."""
    return tuple(ast.walk(tree))


@cache
def _import_statements(module: Module) -> tuple[tuple[ast.Import | ast.ImportFrom, bool], ...]:
    """The import statements of a module, at its top or inside a function; whether each is for type checkers alone."""
    typing_only = {
        id(inner)
        for node in nodes(module.tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    statements = (node for node in nodes(module.tree) if isinstance(node, ast.Import | ast.ImportFrom))
    return tuple((node, id(node) in typing_only) for node in statements)


def imports(module: Module, tree: Tree) -> Iterator[Import]:
    """Everything that a module imports, at its top or inside a function."""
    for node, hidden in _import_statements(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(target=alias.name, name="", line=node.lineno, typing_only=hidden)
        else:
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                full = f"{base}.{alias.name}"
                target, name = (base, alias.name) if base in tree and full not in tree else (full, "")
                yield Import(target=target, name=name, line=node.lineno, typing_only=hidden)


def edges(tree: Tree) -> dict[str, list[Import]]:
    """What each module imports when it runs; imports for type checkers alone are left out."""
    return {
        name: [found for found in imports(module, tree) if not found.typing_only and found.target != name]
        for name, module in tree.items()
    }


def defining(found: Import, tree: Tree) -> str:
    """The module that defines an imported name, where a package only passes it on."""
    target, name = found.target, found.name
    seen = set()
    while name and target in tree and tree[target].is_package and target not in seen:
        seen.add(target)
        passed = [
            (node.module or "", alias.name)
            for node in tree[target].tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if (alias.asname or alias.name) == name
        ]
        if not passed:
            break
        base, name = passed[0]
        target, name = (f"{base}.{name}", "") if f"{base}.{name}" in tree else (base, name)
    return target


def within(name: str, prefixes: tuple[str, ...] | frozenset[str]) -> bool:
    """Whether a dotted name is one of these, or below one of them."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def documentation(tree: ast.AST) -> set[int]:
    """The ids of constants that are docstrings, of modules, classes, functions and attributes."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
