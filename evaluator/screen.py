"""The cheapest check: faults that show in a program's text alone.

Owns: the rules on size, syntax, entry point and imports. Does not know: how programs run. Nothing is executed, and
besides the text only what is installed decides.

These rules save evaluations that cannot succeed, and tell a model plainly what is not available. They do not protect
the machine: confinement does.
"""

from __future__ import annotations

import ast
import difflib
import threading
import warnings
from importlib.util import find_spec

from evaluator.types import Rejected

_LIBRARIES = ("numba", "numpy", "torch", "triton")
EXTRAS = frozenset(("numba",))
"""Libraries that packsmith does not need itself, each installed by an extra of the same name."""
_STANDARD = (
    "__future__ abc array bisect cmath collections contextlib copy dataclasses enum fractions functools heapq "
    "itertools math numbers operator random statistics string time types typing typing_extensions"
)
ALLOWED_IMPORTS = frozenset((*_LIBRARIES, *_STANDARD.split(" ")))


def installed(library: str) -> bool:
    """Whether a program can import a library here; the library is not imported."""
    return find_spec(library) is not None


def available_imports() -> frozenset[str]:
    """What a program may import on this machine."""
    return ALLOWED_IMPORTS - {library for library in EXTRAS if not installed(library)}


_PARSER = threading.Lock()
"""CPython's parser counts its depth across threads: a deeply nested program in one thread makes others fail."""


def parse(source: str) -> ast.Module:
    """The syntax tree of an untrusted text, parsed without warnings and while no other thread parses.

    Raises SyntaxError, and RecursionError, MemoryError or ValueError for a text that the parser cannot handle.
    """
    with _PARSER, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def screen(source: str, entry_point: str, *, max_bytes: int = 1_000_000) -> Rejected | None:
    """The rejection of a text that cannot be a valid program; None for any other text."""
    size = len(source.encode("utf-8", "replace"))
    if size > max_bytes:
        return _refuse("too_large", f"the program has {size:,} bytes, at most {max_bytes:,} bytes are allowed")
    if "\0" in source:
        return _refuse("syntax", "the program contains a NUL byte")
    try:
        tree = parse(source)
    except SyntaxError as error:
        line = "".join(c if c.isprintable() else "?" for c in (error.text or "").strip()[:200])
        return _refuse("syntax", f"line {error.lineno}: {error.msg}" + (f": {line}" if line else ""))
    except (RecursionError, MemoryError, ValueError) as error:
        return _refuse("syntax", f"the program cannot be parsed: {type(error).__name__}: {error}")
    return _check_imports(tree) or _check_entry_point(tree, entry_point)


def _refuse(reason: str, detail: str) -> Rejected:
    return Rejected(stage="screen", reason=reason, detail=detail)


def _check_imports(tree: ast.Module) -> Rejected | None:
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "" if node.level == 0 else "." * node.level]
        for name in names:
            library, line = name.partition(".")[0], getattr(node, "lineno", 0)
            if library not in ALLOWED_IMPORTS:
                allowed = ", ".join(sorted(available_imports() - {"__future__"}))
                return _refuse("import", f"line {line} imports {name!r}; a program may import: {allowed}")
            if library in EXTRAS and not installed(library):
                advice = f"pip install 'packsmith[{library}]'"
                return _refuse(
                    "not_installed",
                    f"line {line} imports {name!r}; {library} is not installed on this machine: {advice}",
                )
    return None


def _bound_names(body: list[ast.stmt]) -> set[str]:
    names: set[str] = set()
    todo = list(body)
    while todo:  # not recursive: each `elif` of a chain nests one level deeper
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        else:
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                for child in getattr(node, field, []):
                    todo += child.body if isinstance(child, ast.ExceptHandler | ast.match_case) else [child]
    return names


def _check_entry_point(tree: ast.Module, entry_point: str) -> Rejected | None:
    names = _bound_names(tree.body)
    if entry_point in names:
        return None
    near = difflib.get_close_matches(entry_point, names, 1)
    hint = f"; it defines {near[0]}: did you mean {entry_point}?" if near else ""
    return _refuse("entry_point", f"the program defines no function {entry_point} at its top level{hint}")
