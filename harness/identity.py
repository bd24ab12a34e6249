"""When two programs are the same although their texts differ: by the hash of their normalised syntax.

Owns: what counts as a difference. Does not know: archives, verdicts, how programs run. Pure: nothing is executed.

Python runs the syntax tree of a text; beyond the tree, only the places of its nodes and the text itself are left to be
seen. So comments, layout, brackets, line continuations and the spelling of constants (`0x10` and `16`, `'a'` and `"a"`)
do not count. Docstrings do not either. Everything else does: names, the order of arguments, defaults, decorators,
annotations (dataclasses and compilers of tensor programs read them), `from __future__`, statements without effect.

A program may look at itself, and then its places, its text and its docstrings do count. So a program that names any of
the ways there (`INTROSPECTIVE_NAMES`: `__doc__`, `__file__`, `__code__`, `inspect`, `open` and their like, as an
identifier or within a string; `program` is its file and its module) has no syntax hash, "": it is the same as another
only byte for byte.
Neither has one with type comments, which TorchScript reads; else it and Triton read a function's text only to parse it
again. A program that hides what it looks at is taken for its twin and fools its author alone: a twin takes over a
verdict and wins nothing by it.

The hash holds for one minor version of one implementation of Python: others may parse the same text to another tree. An
archive that is continued under another one no longer recognises its older programs by their syntax, only by
their bytes.
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
"""Of the serialised tree: to be raised when the same tree gives another hash, or programs are told apart otherwise."""
MOST_CHARACTERS = 64_000
"""In longer texts only the bytes count, since it is the loop's own thread that waits: 5 ms for an ordinary program of
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
"""Fields that follow from the place of a node, or that the parser leaves empty."""


def program_id(source: str) -> str:
    """The id git gives a program of this text, as in `Entry.program_id`."""
    data = encode(source)
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def syntax_hash(source: str) -> str:
    """The hash of a program's normalised syntax, 40 hex digits; "" where only its bytes count.

    That is so for what is no Python, too long or nested too deeply, and for a program that may look at itself.
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
    """The tree as lines, node by node, from which it could be read again; and every string in it.

    Not recursive: a tree may be nested deeper than Python calls.
    """
    written: list[str] = []
    strings: list[str] = []
    todo: list[Any] = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, ast.Constant):
            written.append(f"={_constant(value.value)}")  # {None: x} is not {**x}, where None stands for no key
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
    said = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return body[1:] if said else body


def _constant(value: object) -> str:
    """One line of ASCII for a value and its type; integers of any length, which `repr` refuses."""
    return f"{value:#x}" if type(value) is int else ascii(value)
