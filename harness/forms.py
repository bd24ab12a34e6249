"""When two programs do the same although they call their own things otherwise: by the hash of their form.

Owns: which names are a program's own. Does not know: archives, verdicts, how programs run. Pure: nothing is executed.

The form of a program is its normalised syntax (`identity`) with its own names replaced by numbers, in the order in
which they first stand in the tree. A name is the program's own if the program binds it, unless something else may use
it:
- it is that of an attribute or a keyword argument, or stands in a string;
- it is that of a module, or begins with two underscores;
- it is that of a function that the program does not use, or of a parameter of one: an entry point.
So programs with equal forms do the same in the same time. The opposite is not true.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator

from evaluator.screen import parse
from harness.identity import syntax_hash, words, written

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Documented = _Function | ast.ClassDef | ast.Module
_FIELDS = ("id", "name", "asname", "arg", "rest")
_NAMED = (
    *(ast.Name, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.arg, ast.alias, ast.ExceptHandler),
    *(ast.MatchAs, ast.MatchStar, ast.MatchMapping),
)
"""Nodes of which these fields hold a name that is bound or used."""


def form_hash(source: str) -> str:
    """The hash of a program's form, 40 hex digits; "" where it has no `syntax_hash`."""
    if syntax_hash(source) == "":
        return ""
    tree = parse(source)
    own = _bound(tree) - _used_elsewhere(tree)
    numbers: dict[str, str] = {}

    def renamed(name: str) -> str:
        return numbers.setdefault(name, f" {len(numbers)}") if name in own else name

    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [renamed(name) for name in node.names]
        for field, name in _names(node):
            if not (field == "name" and isinstance(node, ast.alias)):
                setattr(node, field, renamed(name))
    text = "\n".join(written(tree)[0])
    return hashlib.blake2b(text.encode("ascii"), digest_size=20).hexdigest()


def _names(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The fields of a node that hold a name, each with the name."""
    if isinstance(node, _NAMED):
        for field in _FIELDS:
            if isinstance(name := getattr(node, field, None), str):
                yield field, name


def _bound(tree: ast.Module) -> set[str]:
    """The names that a program binds somewhere."""
    return {
        name
        for node in ast.walk(tree)
        for field, name in _names(node)
        if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
        and not (isinstance(node, ast.alias) and field == "name")
    }


def _used_elsewhere(tree: ast.Module) -> set[str]:
    """The names that something else than the program's own names may stand for."""
    nodes = list(ast.walk(tree))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    for node in nodes:
        if isinstance(node, _Documented) and (text := ast.get_docstring(node, clean=False)):
            texts.remove(text)
    found = set(words(texts))
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    for node in nodes:
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
        elif isinstance(node, ast.alias) and node.asname is None:
            found.add(node.name.partition(".")[0])
        elif isinstance(node, _Function) and node.name not in used:
            found.add(node.name)
            found |= {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)}
    return found | {name for name in used | _bound(tree) if name.startswith("__")}
