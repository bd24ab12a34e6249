import pytest

from harness.forms import form_hash
from harness.shape import Shape, shape

PROGRAM = '''\
import numpy as np


def helper(rows, count=2):
    """What it does."""
    total = [row * count for row in rows]
    return total


def solve(items, depth):
    found = helper(items, count=depth)
    return np.sort(found)
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("found", "result"),
        ("total", "sums"),
        ("helper", "multiples"),
        ("np", "numpy_"),
        ("What it does", "Something about rows and total"),
        ("row ", "entry "),
    ],
)
def test_names_of_its_own_do_not_count(old: str, new: str) -> None:
    changed = PROGRAM.replace(old, new)
    assert changed != PROGRAM and form_hash(changed) == form_hash(PROGRAM) != ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("solve", "answer"),  # the entry point
        ("items", "things"),  # its parameters are passed by name
        ("count", "times"),  # a keyword argument, though it would do here
        ("sort", "unique"),
        ("count=2", "count=3"),
        ("row * count", "count * row"),
        ("numpy", "math"),
    ],
)
def test_everything_else_counts(old: str, new: str) -> None:
    changed = PROGRAM.replace(old, new)
    assert changed != PROGRAM and form_hash(changed) != form_hash(PROGRAM)


def test_names_that_change_places_count() -> None:
    one = "def solve(a, b):\n    x = a\n    y = b\n    return x - y\n"
    other = "def solve(a, b):\n    x = a\n    y = b\n    return y - x\n"
    assert form_hash(one) != form_hash(other)


METHODS = """\
class A:
    def f(self):
        return 1

    def g(self):
        return 2


def solve():
    return A().f()
"""


def test_methods_keep_their_names() -> None:
    swapped = METHODS.replace("def f", "def h").replace("def g", "def f").replace("def h", "def g")
    assert form_hash(METHODS) != form_hash(swapped)


@pytest.mark.parametrize("source", ["def", "import inspect\n", "x = vars()\n", "\0"])
def test_no_form_without_a_syntax_hash(source: str) -> None:
    assert form_hash(source) == ""


def test_a_shape_counts_the_parts_of_the_tree() -> None:
    made = shape(PROGRAM)
    assert (made.loops, made.calls, made.functions, made.operations) == (1, 2, 2, 1)
    assert shape("def") == Shape(characters=3)
    assert made.distance(made) == 0 < made.distance(shape("x = 1\n"))
