"""Faults that show in a program's text alone, and that no text makes the judge fail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator.screen import ALLOWED_IMPORTS, screen

GOOD = "def solve(weight):\n    return weight\n"


@pytest.mark.parametrize(
    "source",
    [
        GOOD,
        "import torch\nimport torch.nn.functional as F\nfrom math import sqrt\n" + GOOD,
        "from __future__ import annotations\n" + GOOD,
        "async def solve(weight): pass",
        "class solve: pass",
        "solve = lambda weight: weight",
        "solve: object = print",
        "a, (b, solve) = 1, (2, 3)",
        "from torch import argsort as solve",
        "if True:\n    pass\nelif False:\n    pass\nelse:\n    def solve(weight): pass",
        "try:\n    import triton\nexcept ImportError:\n    def solve(weight): pass",
        "try:\n    pass\nfinally:\n    def solve(weight): pass",
        "with open as x:\n    def solve(weight): pass",
        "for i in range(2):\n    def solve(weight): pass",
        "match 1:\n    case 1:\n        def solve(weight): pass",
        "\x0c" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "if x: pass\n" + "elif x: pass\n" * 1300 + GOOD,
        "# -*- coding: latin-1 -*-\n" + GOOD,
        "x = '\\N{BULLET} \U0001f600'\n" + GOOD,
    ],
)
def test_accepted(source: str) -> None:
    assert screen(source, "solve") is None


@pytest.mark.parametrize(
    ("source", "reason", "says"),
    [
        ("", "entry_point", "no function solve"),
        ("def solver(weight): pass", "entry_point", "it defines solver: did you mean solve?"),
        ("def f():\n    def solve(weight): pass", "entry_point", "at its top level"),
        ("class A:\n    def solve(weight): pass", "entry_point", "at its top level"),
        ("def solve(weight:", "syntax", "line 1: '(' was never closed: def solve(weight:"),
        ("x = 1\n  y = 2\n", "syntax", "line 2: unexpected indent"),
        (GOOD + "\0", "syntax", "NUL byte"),
        ("\ufeff" + GOOD, "syntax", "line 1"),
        ("x = '\udc80'\n" + GOOD, "syntax", "UnicodeEncodeError"),
        ("import os\n" + GOOD, "import", "line 1 imports 'os'; a program may import: abc, "),
        (GOOD + "    import socket\n", "import", "line 3 imports 'socket'"),
        ("from os import path\n" + GOOD, "import", "'os'"),
        ("import os.path as math\n" + GOOD, "import", "'os.path'"),
        ("import torch, sys\n" + GOOD, "import", "'sys'"),
        ("from . import torch\n" + GOOD, "import", "'.'"),
        ("from ..evaluator import wire\n" + GOOD, "import", "'..'"),
        ("import torchvision\n" + GOOD, "import", "'torchvision'"),
        ("x = " + "9" * 5000 + "\n" + GOOD, "syntax", "line 1"),
    ],
)
def test_refused(source: str, reason: str, says: str) -> None:
    verdict = screen(source, "solve")
    assert verdict is not None
    assert (verdict.stage, verdict.reason) == ("screen", reason)
    assert says in verdict.detail


def test_size_counts_bytes_not_characters() -> None:
    source = GOOD + "# " + "é" * 100
    size = len(source.encode())
    assert screen(source, "solve", max_bytes=size) is None
    verdict = screen(source, "solve", max_bytes=size - 1)
    assert verdict is not None and verdict.reason == "too_large"
    assert f"{size:,} bytes, at most {size - 1:,}" in verdict.detail


def test_text_of_a_refusal_cannot_control_a_terminal() -> None:
    verdict = screen("def solve(: \x1b[2J\x1b]0;owned\x07", "solve")
    assert verdict is not None and verdict.detail.isprintable()


@pytest.mark.parametrize(
    "source",
    [
        "(" * 100_000,
        "[" * 150 + "]" * 150,
        "-" * 100_000 + "1",
        "a" + ".b" * 100_000,
        "1" + "+1" * 100_000,
        "f = " + "lambda: " * 5_000 + "1",
        "if x: pass\n" + "elif x: pass\n" * 20_000,
        "".join(" " * i + "if x:\n" for i in range(200)),
        "x = " + "f(" * 90 + ")" * 90,
        "x = " + "not " * 50_000 + "1",
        "'" * 100_001,
        "\\\n" * 100_000,
        "f'" + "{" * 1000,
        "global " + ",".join("a" * 1000),
        "\N{ZERO WIDTH SPACE}",
        "ﬁ = 1",
    ],
    ids=lambda source: repr(source[:12]),
)
def test_deep_and_strange_texts_never_raise(source: str) -> None:
    screen(source, "solve")
    screen(source + "\n" + GOOD, "solve")


@given(source=st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_gives_a_verdict(source: str) -> None:
    verdict = screen(source, "solve")
    assert verdict is None or (verdict.stage == "screen" and verdict.detail)


def test_imports_that_matter() -> None:
    assert {"torch", "numpy", "math"} <= ALLOWED_IMPORTS
    assert not {"os", "sys", "subprocess", "socket", "ctypes", "importlib"} & ALLOWED_IMPORTS


@pytest.mark.slow
def test_a_deep_program_in_one_thread_does_not_break_parsing_in_another() -> None:
    deep = "x = " + "(" * 150 + "1" + ")" * 150 + "\n" + "\n".join("y = " + "-" * 80 + "1" for _ in range(200))
    plain = "def solve(a):\n    return a\n" + "\n".join(f"z{number} = [{number}, ({number},)]" for number in range(400))
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda source: screen(source, "solve"), [deep, plain] * 20))
    assert verdicts[1::2] == [None] * 20
