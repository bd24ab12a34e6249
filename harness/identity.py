"""When two programs are the same although their texts differ: by the hash of their normalised syntax.

Owns: which differences count. Does not know: archives, verdicts, how programs run. Pure: nothing is executed.

Python executes the syntax tree of a text. Apart from the tree, a program can only observe the positions of nodes and
the text itself. So comments, layout, brackets, line continuations, docstrings and the spelling of constants (`0x10` and
`16`, `'a'` and `"a"`) do not count. Everything else does: names, the order of arguments, defaults, decorators,
annotations (dataclasses and compilers of tensor programs read them), `from __future__`, statements without effect.

A program may inspect itself, and then positions, text and docstrings do count. So a program that contains one of
`INTROSPECTIVE_NAMES` (`__doc__`, `__file__`, `__code__`, `inspect`, `open` and similar, as an identifier or within a
string; `program` is its file and its module) has no syntax hash, "": only equal bytes make it equal to another.
The same holds for a program with type comments, which TorchScript reads; apart from those, TorchScript and Triton read
a function's text only to parse it again. A program that hides its introspection can be mistaken for its twin, but gains
nothing: a twin copies a verdict and never becomes champion by it.

The hash is valid for one minor version of one implementation of Python, since others may parse a text to another tree.
A run that is continued under another Python recognises its older programs only by their bytes.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from typing import Any

from evaluator.screen import parse
from harness.text import encode

_FORMAT = 1
"""Version of the hash. Raise it when the serialised tree changes, or the rules for what counts as a difference."""
MOST_CHARACTERS = 64_000
"""Longer texts are compared by their bytes only, since hashing blocks the search loop: 5 ms for an ordinary program of
10 KB (a third of it for the parser), and half a second for the worst text of this length.
"""
_WAYS = (
    "__doc__ __file__ __loader__ __spec__ __dict__ __globals__ vars globals locals dir help __prepare__ metaclass "
    "__code__ co_code co_consts co_firstlineno co_lines co_linetable co_lnotab co_positions gi_code cr_code ag_code "
    "gi_frame cr_frame ag_frame f_back f_code f_globals f_lasti f_lineno f_locals tb_frame tb_lasti tb_lineno "
    "tb_next __traceback__ _getframe _current_frames currentframe settrace setprofile exc_info print_exc "
    "format_exc inspect getdoc getsource getsourcelines linecache traceback tokenize dis symtable get_overloads "
    "__import__ importlib sys os io open program"
)
INTROSPECTIVE_NAMES = frozenset(_WAYS.split(" "))
_TYPE_COMMENT = re.compile(r"#\s*type\s*:")
_WORD = re.compile(r"\w+")
_IGNORED = frozenset(("ctx", "type_comment", "type_ignores"))
"""Fields that follow from the position of a node, or that the parser leaves empty."""


def program_id(source: str) -> str:
    """The git blob id of a program with this text (40 hex digits), as in `Entry.program_id`."""
    data = encode(source)
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def syntax_hash(source: str) -> str:
    """The hash of a program's normalised syntax, 40 hex digits; "" where only its bytes count.

    That is a text that does not parse, is too long or too deeply nested, or may inspect itself.
    """
    if len(source) > MOST_CHARACTERS or "\0" in source or _TYPE_COMMENT.search(source):
        return ""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    written, strings = _written(tree)
    if not INTROSPECTIVE_NAMES.isdisjoint(_WORD.findall("\n".join(strings))):
        return ""
    python = f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
    text = "\n".join((f"meaning {_FORMAT}, {python}", *written))
    return hashlib.blake2b(text.encode("ascii"), digest_size=20).hexdigest()


def _written(tree: ast.Module) -> tuple[list[str], list[str]]:
    """The tree as lines, node by node, without loss; and every string in it.

    Not recursive: a tree may be nested deeper than Python's call stack.
    """
    written: list[str] = []
    strings: list[str] = []
    todo: list[Any] = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, ast.Constant):
            written.append(f"={_constant(value.value)}")  # {None: x} differs from {**x}, where None means no key
            if isinstance(value.value, str):
                strings.append(value.value)
        elif isinstance(value, ast.AST):
            written.append(type(value).__name__)
            fields = [getattr(value, name, None) for name in reversed(value._fields) if name not in _IGNORED]
            if isinstance(value, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                fields = [_without_docstring(field) if field is value.body else field for field in fields]
            todo += fields
        elif isinstance(value, list):
            written.append(f"[{len(value)}")
            todo += reversed(value)
        else:
            written.append(_constant(value))
            if isinstance(value, str):
                strings.append(value)
    return written, strings


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    documented = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return body[1:] if documented else body


def _constant(value: object) -> str:
    """One line of ASCII for a value and its type; integers of any length, which `repr` refuses."""
    return f"{value:#x}" if type(value) is int else ascii(value)
