"""When two programs are the same although their texts differ: by the hash of their normalised syntax.

Owns: which differences count. Does not know: archives, verdicts, how programs run. Pure: nothing is executed.

Python executes the syntax tree of a text. Apart from the tree, a program can only observe the positions of nodes and
the text itself. So comments, layout, brackets, line continuations, docstrings and the spelling of constants (`0x10` and
`16`, `'a'` and `"a"`) do not count. Everything else does: names, the order of arguments, defaults, decorators,
annotations (dataclasses and compilers of tensor programs read them), `from __future__`, statements without effect.

A program may inspect itself, and then positions, text and docstrings do count. So a program that contains one of
`INTROSPECTIVE_NAMES` as an identifier or within a string, or defines a metaclass, has no syntax hash, "": only equal
bytes make it equal to another. The names are complete for what a program may import and reach from there without
building a name from parts:
- attributes and modules that hold text, lines or docstrings; frames, tracebacks and code; `program` is the program's
  file and its module;
- what hands a docstring on without naming it: a metaclass, `update_wrapper`, an object's own state;
- what prints lines of the program, and where a program can read that: warnings go to standard error, which
  `redirect_stderr` gives to an object of the program;
- compilers. TorchScript, `torch.compile`, Triton and Numba read a function's text or bytecode only to compile it, but
  write its file and lines into their errors, graphs and caches. This costs a program that is compiled nothing but one
  more evaluation where it comes again in another layout. A program with type comments, which TorchScript reads, has no
  hash either.

Not in the list: annotations, which are part of the tree; `__qualname__` and `__name__`, which are names; `exec` and
`eval`, whose texts are strings of the tree and searched like all others. A program that hides its introspection fools
its author alone: a twin takes over a verdict, is no program of a standing, and so becomes neither champion nor parent.

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
    # attributes of functions, classes, modules and objects
    "__doc__ __file__ __loader__ __spec__ __dict__ __dir__ __globals__ __builtins__ __firstlineno__ __getstate__ "
    "__reduce__ __reduce_ex__ vars globals locals dir help program "
    # class bodies and wrappers, which get docstrings
    "__prepare__ __build_class__ metaclass prepare_class new_class EnumType EnumMeta ABCMeta update_wrapper wraps "
    "WRAPPER_ASSIGNMENTS WRAPPER_UPDATES "
    # code, frames and tracebacks
    "__code__ co_code co_consts co_filename co_firstlineno co_lines co_linetable co_lnotab co_positions co_branches "
    "gi_code cr_code ag_code gi_frame cr_frame ag_frame cr_origin f_back f_code f_globals f_lasti f_lineno f_locals "
    "tb_frame tb_lasti tb_lineno tb_next __traceback__ _getframe _getframemodulename _current_frames "
    "_current_exceptions currentframe settrace setprofile monitoring addaudithook excepthook unraisablehook "
    "set_coroutine_origin_tracking_depth last_exc last_traceback exc_info print_exc format_exc get_overloads "
    "_overload_registry CapturedTraceback _traceback "
    # modules, also under the names by which others import them
    "inspect linecache traceback tokenize dis ast symtable importlib pkgutil runpy pydoc pdb gc ctypes ctypeslib "
    "builtins bltns sys _sys os _os _osp io _io pathlib glob pickle zipfile threading subprocess tempfile shutil "
    "multiprocessing unittest logging warnings _warnings __import__ breakpoint getdoc getsource getsourcelines "
    # files
    "open fromfile from_file fromregex loadtxt genfromtxt memmap DataSource read_text read_bytes "
    # what is printed
    "redirect_stderr redirect_stdout stderr stdout warn showwarning formatwarning catch_warnings suppress_warnings "
    "deprecated "
    # numpy, torch and compilers
    "info lookfor add_newdoc add_docstring testing f2py jit _jit_internal njit numba compile _dynamo _inductor fx "
    "export package library profiler anomaly_mode detect_anomaly set_detect_anomaly metadata stack_trace "
    "_record_memory_history memory_snapshot _snapshot _C"
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
    lines, strings = written(tree)
    if not INTROSPECTIVE_NAMES.isdisjoint(words(strings)):
        return ""
    python = f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
    text = "\n".join((f"meaning {_FORMAT}, {python}", *lines))
    return hashlib.blake2b(text.encode("ascii"), digest_size=20).hexdigest()


def words(texts: list[str]) -> list[str]:
    """The words of some texts, each of letters, digits and underscores."""
    return _WORD.findall("\n".join(texts))


def written(tree: ast.Module) -> tuple[list[str], list[str]]:
    """The tree as lines, node by node, without loss; and every string in it, `metaclass` for a class derived from
    `type` too.

    Not recursive: a tree may be nested deeper than Python's call stack.
    """
    lines: list[str] = []
    strings: list[str] = []
    todo: list[Any] = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, ast.Constant):
            lines.append(f"={_constant(value.value)}")  # {None: x} differs from {**x}, where None means no key
            if isinstance(value.value, str):
                strings.append(value.value)
        elif isinstance(value, ast.AST):
            lines.append(type(value).__name__)
            if isinstance(value, ast.ClassDef) and any(getattr(base, "id", "") == "type" for base in value.bases):
                strings.append("metaclass")
            fields = [getattr(value, name, None) for name in reversed(value._fields) if name not in _IGNORED]
            if isinstance(value, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                fields = [_without_docstring(field) if field is value.body else field for field in fields]
            todo += fields
        elif isinstance(value, list):
            lines.append(f"[{len(value)}")
            todo += reversed(value)
        else:
            lines.append(_constant(value))
            if isinstance(value, str):
                strings.append(value)
    return lines, strings


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    documented = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return body[1:] if documented else body


def _constant(value: object) -> str:
    """One line of ASCII for a value and its type; integers of any length, which `repr` refuses."""
    return f"{value:#x}" if type(value) is int else ascii(value)
