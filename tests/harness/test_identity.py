"""The syntax hash of a program: what keeps it, what changes it, and texts that have none."""

from __future__ import annotations

import ast
import importlib
import io
import re
import sys
import threading
import tokenize
import types
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.confined.worker import load
from evaluator.screen import ALLOWED_IMPORTS
from harness.identity import INTROSPECTIVE_NAMES, MOST_CHARACTERS, syntax_hash
from tests.harness.builders import PROGRAM

ROOT = Path(__file__).resolve().parents[2]
SYNTAX = '''\
"""Nearly all of the syntax."""
from __future__ import annotations

import math as m, functools
from collections import abc as _abc, deque

LIMIT: int = 0x10
BYTES, WORDS = b"ab" b"c", "it's" 'here' """and
there"""


@functools.lru_cache(maxsize=None)
def solve(a, /, b: int = 1, *rest, c: "float" = 1e3, d=None, **more) -> tuple[int, ...]:
    """What it does."""
    global LIMIT
    total = -a ** b // 3 if a and not b or c is not None else ~a
    for i, x in enumerate(rest, start=2):
        if i % 2 == 0: continue
        elif 0 < i <= 9 != x:
            total += x[1:, ::2, None, ...] @ x
        else:
            break
    else:
        assert total, f"no {total!r:>{b}} of {more['k']}, {{}} {x=}"
    with open_(a) as (f, g), g:
        del f.x, g[0]
    try:
        raise ValueError(a) from None
    except (ValueError, KeyError) as error:
        pass
    finally:
        LIMIT = (yield_ := {**more, None: 1j, True: {1, 2.5}})
    match a:
        case [1, *others, {"k": v, **left}] | Point(x=0) if v:
            return [y async for y in a if y], (lambda *z, k=1: z)
        case None | "s" | m.pi as whole:
            return whole
    while True:
        return {k: v for k, v in more.items()}, {*rest}, (w for w in b), print(*rest, sep="", **more)


class Box(dict, key=None):
    pass
'''
SHIPPED = [path.read_text() for path in sorted((ROOT / "programs" / "eplb").glob("*.py"))]
PROGRAMS = [PROGRAM, SYNTAX, *(source for source in SHIPPED if "numba" not in source)]
programs = st.sampled_from(PROGRAMS)

Change = Callable[[ast.AST], bool]


def of(text: str) -> str:
    """The syntax hash of a text, which must have one."""
    found = syntax_hash(text)
    assert re.fullmatch(r"[0-9a-f]{40}", found), text
    return found


of_program = cache(of)
"""The same, computed once for each of the few programs."""


class TestAnyText:
    @given(st.one_of(st.text(), st.text("ab01()[]{}:=.,\\\"'#\n\t \0\ud800fπ@*-lambdefi"), st.binary().map(repr)))
    def test_hash_is_forty_digits_or_empty(self, text: str) -> None:
        assert re.fullmatch(r"[0-9a-f]{40}|", syntax_hash(text))
        assert syntax_hash(text) == syntax_hash(text)

    @given(programs, st.integers(0, 10_000), st.text(max_size=3))
    def test_hash_of_a_damaged_program_is_forty_digits_or_empty(self, program: str, place: int, put: str) -> None:
        place %= len(program)
        assert re.fullmatch(r"[0-9a-f]{40}|", syntax_hash(program[:place] + put + program[place + 1 :]))

    @pytest.mark.parametrize(
        "text",
        [
            *("x = ", "\0", "x = 1\0", "x = '\ud800'", "(" * 60_000, "-" * 60_000 + "1", "[]" * 30_000),
            *("not " * 15_000 + "1", "a" + ".b" * 30_000, "a+" * 30_000 + "a", "lambda: " * 7_000 + "1"),
            *("if a:\n a\n" + "elif a:\n a\n" * 5_000, "x = " + "9" * 5_000, "x" * (MOST_CHARACTERS + 1)),
        ],
        ids=lambda text: f"{text[:8]!a} of {len(text)}",
    )
    def test_unparsable_text_has_no_hash(self, text: str) -> None:
        assert syntax_hash(text) == ""

    def test_long_and_flat_text_has_a_hash(self) -> None:
        assert of("x = 0x" + "f" * 20_000) != of("x = 0x" + "f" * 19_999 + "e")
        assert len(of("x\n" * (MOST_CHARACTERS // 2))) == 40
        assert of("") == of("# nothing\n\n")

    def test_a_deep_program_in_another_thread_changes_nothing(self) -> None:
        """The parser counts its depth for all threads together."""
        ended = threading.Event()

        def deep() -> None:
            while not ended.is_set():
                syntax_hash("a+" * 20_000 + "a")

        thread, expected = threading.Thread(target=deep), of(SYNTAX)
        thread.start()
        try:
            assert {syntax_hash(SYNTAX) for _ in range(50)} == {expected}
        finally:
            ended.set()
            thread.join()


def commented(program: str, remark: str) -> str:
    """With a comment behind every logical line, and blank lines between them."""
    lines = program.splitlines(keepends=True)
    ends = [token.start for token in tokenize.generate_tokens(io.StringIO(program).readline) if token.type == 4]
    for row, column in ends:
        line = lines[row - 1]
        lines[row - 1] = f"{line[:column]}  # {remark}\n\n   # and {remark}\n\n"
    return "".join(lines)


def without_docstrings(program: str, put: str) -> str:
    """With every docstring replaced by another, and none where it is ""."""
    tree = ast.parse(program)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
            if put:
                node.body.insert(0, ast.Expr(ast.Constant(put)))
    return ast.unparse(ast.fix_missing_locations(tree))


class TestKept:
    @given(programs)
    def test_unparsing_keeps_the_hash(self, program: str) -> None:
        assert of(ast.unparse(ast.parse(program))) == of_program(program)

    @given(programs, st.text("abc: =#'\"\\(inspect", max_size=12))
    def test_comments_and_blank_lines_keep_the_hash(self, program: str, remark: str) -> None:
        assert of(commented(program, remark)) == of_program(program)

    @given(programs, st.text(min_size=1, max_size=20))
    def test_docstrings_keep_the_hash(self, program: str, text: str) -> None:
        bare = without_docstrings(program, "")
        assert of(without_docstrings(program, text)) == of(bare) == of_program(program)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("x = 16", "x = 0x1_0"),
            ("x = 1000.0", "x = 1e3"),
            ("x = 'it\\'s'", 'x = u"it" "\'s"'),
            ("x = b'\\x41'", "x = B'A'"),
            ("x = (1 + 2)", "x = \\\n 1 + (2)"),
            ("if a:\n  b\n  c\n", "if (a): b; c"),
            ("x = f(1, 2)", "x = f(\r\n    1,\r\n    2,\r\n)\r\n"),
            ("import a, b as c", "import a,\\\n b as c"),
            ("x = 'é'", "# -*- coding: latin-1 -*-\nx = 'é'"),
            ("ﬁne = 1", "fine = 1"),
            ("x = f'{a}b'", "x = f'{a}' 'b'"),
        ],
    )
    def test_another_spelling_keeps_the_hash(self, one: str, other: str) -> None:
        assert of(one) == of(other)


def _constant(node: ast.AST) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, int | float | complex | bytes):
        return False
    node.value = node.value + b"x" if isinstance(node.value, bytes) else node.value + 1
    return True


def _text(node: ast.AST) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    node.value += "x"
    return True


def _name(node: ast.AST) -> bool:
    for field in ("id", "attr", "arg", "name", "asname", "rest"):
        if isinstance(value := getattr(node, field, None), str):
            setattr(node, field, f"{value}_")
            return True
    return False


def _operator(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp | ast.AugAssign):
        node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
    elif isinstance(node, ast.UnaryOp):
        node.op = ast.USub() if isinstance(node.op, ast.Not) else ast.Not()
    elif isinstance(node, ast.Compare):
        node.ops[0] = ast.Gt() if isinstance(node.ops[0], ast.LtE) else ast.LtE()
    else:
        return False
    return True


def _order(node: ast.AST) -> bool:
    """Two neighbours change places: statements, arguments, items, cases."""
    for _, rows in ast.iter_fields(node):
        if isinstance(rows, list) and len(rows) > 1 and ast.dump(rows[-1]) != ast.dump(rows[-2]):
            rows[-1], rows[-2] = rows[-2], rows[-1]
            return True
    return False


def _less(node: ast.AST) -> bool:
    """Something that may be left out is: a default, a decorator, an annotation, a value."""
    for field in ("decorator_list", "defaults", "keywords", "ifs", "orelse"):
        rows = getattr(node, field, None)
        if rows and isinstance(rows, list):
            rows.pop()
            return True
    for field in ("annotation", "returns", "cause", "msg", "step", "guard", "format_spec"):
        if getattr(node, field, None) is not None and not isinstance(node, ast.AnnAssign):
            setattr(node, field, None)
            return True
    return False


CHANGES: tuple[Change, ...] = (_constant, _text, _name, _operator, _order, _less)


def docstrings(tree: ast.AST) -> set[int]:
    """The ids of the nodes that are docstrings, which do not count."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            first = node.body[0]
            assert isinstance(first, ast.Expr)
            found |= {id(node), id(first), id(first.value)}
    return found


class TestChanged:
    @settings(max_examples=150)
    @given(programs, st.sampled_from(CHANGES), st.data())
    def test_any_change_of_executed_code_changes_the_hash(
        self, program: str, change: Change, data: st.DataObject
    ) -> None:
        tree = ast.parse(program)
        exempt, nodes = docstrings(tree), list(ast.walk(tree))
        places = [at for at, node in enumerate(nodes) if id(node) not in exempt]
        node = nodes[data.draw(st.sampled_from(places))]
        if not change(node):
            return
        try:
            changed = ast.unparse(ast.fix_missing_locations(tree))
            ast.parse(changed)
        except (SyntaxError, ValueError, TypeError, AttributeError):  # a change that no text stands for
            return
        assert syntax_hash(changed) != of_program(program)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("x = 1", "x = 1.0"),
            ("x = 1", "x = True"),
            ("x = 'a'", "x = b'a'"),
            ("x = 'None'", "x = None"),
            ("x = {None: a}", "x = {**a}"),
            ("x = a[None]", "x = a[:]"),
            ("x: int = 1", "(x): int = 1"),
            ("x: int = 1", "x = 1"),
            ("x = (1,)", "x = 1"),
            ("x = -1", "x = - -1"),
            ("x = a - b - c", "x = a - (b - c)"),
            ("from a import b", "from .a import b"),
            ("import a.b", "import a.b as a"),
            ("from __future__ import annotations\nx = 1", "x = 1"),
            ("def f(a, b): pass", "def f(a, *, b): pass"),
            ("def f(a): pass", "def f(a): return a"),
            ("def f(): return", "async def f(): return"),
            ("x = f'{a}'", "x = f'{a!s}'"),
            ("x = 'a\\n'", "x = 'a\\\\n'"),
            ("if a:\n b\nc", "if a:\n b\n c"),
            ("x = 1\n'text'", "x = 1"),
        ],
    )
    def test_similar_but_different_code_has_another_hash(self, one: str, other: str) -> None:
        assert of(one) != of(other)


LISTENER = """\
class Listener:
    said = ""
    def write(self, text): Listener.said += text
    def flush(self): pass
"""
WAYS = {
    "a docstring": "def f():\n 'DOC'\n return f.__doc__",
    "a wrapper that copies it": """\
import functools
class Seen(list):
    def __setattr__(self, name, value): self.append(value)
def g(): "DOC"
def f():
    seen = Seen()
    functools.update_wrapper(seen, g)
    return [one for one in seen if isinstance(one, str)]
""",
    "the names that a wrapper copies": """\
import functools
def g(): "DOC"
def f(): return [str(getattr(g, name, "")) for name in functools.WRAPPER_ASSIGNMENTS]
""",
    "a metaclass": """\
seen = []
class M(type):
    def __new__(kind, name, bases, space):
        seen.extend(value for value in space.values() if isinstance(value, str))
        return super().__new__(kind, name, bases, space)
B = M("B", (), {})
class A(B): "DOC"
def f(): return seen
""",
    "the state of an object": """\
import contextlib
@contextlib.contextmanager
def g():
    "DOC"
    yield
def f(): return [one for one in g().__getstate__().values() if isinstance(one, str)]
""",
    "numpy's help": LISTENER
    + "import numpy\ndef g(): 'DOC'\ndef f():\n numpy.info(g, output=Listener())\n return Listener.said",
    "its file": "import numpy\ndef f(): return numpy.fromfile(__name__ + '.py', numpy.uint8).tobytes()",
    "a traceback": """\
class Context:
    def __enter__(self): return self
    def __exit__(self, kind, error, trace):
        self.line = trace.tb_lineno
        return True
def f():
    with Context() as context: 1 / 0
    return context.line
""",
    "a warning": LISTENER
    + """\
import contextlib, numpy
def f():
    with contextlib.redirect_stderr(Listener()), numpy.errstate(all="warn"):
        numpy.float64(1) / numpy.float64(0)
    return Listener.said
""",
    "TorchScript's graph": """\
import torch
def g(x: torch.Tensor): return x + 1
def f(): return str(torch.jit.script(g).graph)
""",
    "TorchScript's error": """\
import torch
def g(x: torch.Tensor): return x.nothing(1)
def f():
    try: torch.jit.script(g)
    except RuntimeError as error: return str(error)
""",
}
"""Programs that return something of their own text or lines, each by another way."""


def print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    """What Python does with a warning where nothing else is set."""
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


class TestLooksAtItself:
    @pytest.mark.filterwarnings("default")
    @pytest.mark.parametrize("way", WAYS)
    def test_a_program_that_sees_its_text_is_not_the_same_in_another_layout(
        self, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setitem(sys.modules, "program", types.ModuleType("program"))
        monkeypatch.setattr(warnings, "showwarning", print_warning)  # in place of the one that collects a test's
        twin = "# one comment more\n" + WAYS[way].replace("DOC", "COD")
        told, other = (load(program, "f", []).function() for program in (WAYS[way], twin))
        assert told != other, "it sees nothing"
        assert syntax_hash(WAYS[way]) == syntax_hash(twin) == ""

    def test_no_importable_module_lends_another_name_for_one_that_shows_text(self) -> None:
        shows = {"ast", "builtins", "ctypes", "dis", "gc", "glob", "importlib", "inspect", "io", "linecache", "logging"}
        shows |= {"os", "posixpath", "pickle", "sys", "tokenize", "traceback", "warnings", "threading"}
        lent = set()
        for name in ALLOWED_IMPORTS - {"triton", "numba", "torch"}:
            module = importlib.import_module(name)
            found = [one for one in vars(module) if isinstance(getattr(module, one), types.ModuleType)]
            lent |= {one for one in found if getattr(module, one).__name__.partition(".")[0] in shows}
        assert {"_sys", "_os", "inspect"} <= lent <= INTROSPECTIVE_NAMES

    @pytest.mark.parametrize(
        "program",
        [
            "def f():\n '''1'''\n return int(f.__doc__)",
            "x = getattr(f, '__doc__')",
            "x = f.__code__.co_firstlineno",
            "import inspect",
            "from dataclasses import inspect as i",
            "import numpy.sys",
            "x = open(__file__).read()",
            "exec('import traceback')",
            "def f(inspect): pass",
            "x = f'{a.__doc__}'",
            "class A(metaclass=B): 'text'",
            "class A(int, type): 'text'",
            "@numba.njit\ndef f(): pass",
            "from torch import compile",
            "x = []  # type: list[int]",
        ],
    )
    def test_introspective_programs_have_no_hash(self, program: str) -> None:
        assert syntax_hash(program) == ""

    def test_a_name_in_a_comment_or_a_docstring_is_not_introspection(self) -> None:
        plain = of("def f():\n return 1")
        assert of("# we open and inspect sys\ndef f():\n 'See __doc__ of this program.'\n return 1") == plain

    @pytest.mark.parametrize(
        "program", ["x = type(a)", "class A(B): 'text'", "x: int = __name__", "def annotated(): pass"]
    )
    def test_what_shows_no_text_is_not_introspection(self, program: str) -> None:
        assert of(program) == of(f"# one comment more\n{program}")

    @given(st.sampled_from(sorted(INTROSPECTIVE_NAMES)))
    def test_every_way_of_introspection_is_detected(self, way: str) -> None:
        assert syntax_hash(f"x = y.{way}") == syntax_hash(f"x = 'from {way} import'") == ""
        assert len(of(f"x = y.{way}x")) == 40


def test_another_python_version_gives_another_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    here = of(PROGRAM)
    monkeypatch.setattr(sys, "version_info", (3, 99, 0, "final", 0))
    assert of(PROGRAM) != here
