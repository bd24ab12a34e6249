"""The edges between rooms, held by reading the code: who imports whom, what happens at import, how large things are."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("evaluator", "harness")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAX_LINES, MAX_FUNCTION = 400, 60

IMPORTS_TORCH = {"evaluator.confined.device", "evaluator.confined.worker", "evaluator.confined.zygote"}
CATCHES_ALL = {"evaluator.confined.worker": 1, "harness.cli": 1}
PRINTS = ("harness.cli", "harness.report")
# Git is given an environment cleaned of the user's settings; a worker sets which one GPU its process will see.
READS_ENVIRONMENT = ("harness.cli", "harness.git", "evaluator.confined.device")
# What a module may call while it is imported: constructors of values and decorators' arguments.
CONSTRUCTORS = {
    "Lock",
    *("frozenset", "tuple", "dict", "set", "get_args", "TypeVar", "ParamSpec", "NewType", "namedtuple", "property"),
    *("MappingProxyType", "compile", "Struct", "dataclass", "field", "Path", "Decimal", "Fraction", "range", "len"),
    *("split", "splitlines", "strip", "format", "join", "cast", "Context", "getLogger", "ConfigDict", "Field"),
    *("Style", "Theme", "Typer", "Option", "Argument", "command", "callback", "add_typer", "model_validator"),
    *("field_validator", "keys", "values", "items", "union", "resolve", "encode", "dtype", "sorted", "maketrans"),
    *("fields", "fromkeys", "map", "ord", "chr", "zip", "enumerate", "list", "int", "str"),
}
DECLARATIONS = ("add_typer", "add_implicit_resolver")
"""Statements by which a library wants its own objects completed."""
MUTATORS = {"append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "remove", "discard", "clear"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): ast.parse(path.read_text()) for path in FILES}


def imports(tree: ast.AST, module: str) -> Iterator[tuple[str, bool]]:
    """Modules imported anywhere in a tree, each with whether that happens only for type checkers."""
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in typing_only
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import at line {node.lineno}"
            base = node.module or ""
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield (full if full in MODULES else base), id(node) in typing_only


EDGES = {
    module: sorted({name for name, typing_only in imports(tree, module) if not typing_only} - {module})
    for module, tree in MODULES.items()
}


def test_there_is_something_to_read() -> None:
    assert {"evaluator.evaluate", "evaluator.confined.worker", "harness.types"} <= set(MODULES)


def test_judge_knows_nothing_of_searching() -> None:
    for module, targets in EDGES.items():
        if module.startswith("evaluator"):
            assert not [name for name in targets if name.partition(".")[0] == "harness"], module


def test_neither_imports_programs_or_tests() -> None:
    for module, targets in EDGES.items():
        assert not [name for name in targets if name.partition(".")[0] in ("programs", "tests", "configs")], module


def test_types_stand_below_everything() -> None:
    ours = [name for name in EDGES["harness.types"] if name.partition(".")[0] in PACKAGES]
    assert set(ours) <= {"evaluator.types"}
    assert not [name for name in EDGES["evaluator.types"] if name.partition(".")[0] in PACKAGES]


def test_harness_uses_what_the_judge_makes_public() -> None:
    allowed = {"evaluator", "evaluator.types"}
    found = {
        f"{module} -> {name}"
        for module, targets in EDGES.items()
        if module.startswith("harness")
        for name in targets
        if name.partition(".")[0] == "evaluator" and name not in allowed
    }
    # The harness may also name the modules that DESIGN gives it by name.
    named = ("evaluator.evaluate", "evaluator.settings", "evaluator.screen", "evaluator.tasks", "evaluator.shipped")
    assert not {edge for edge in found if not edge.partition(" -> ")[2].startswith(named)}


def test_pure_modules_import_no_room_that_acts() -> None:
    acting = {"subprocess", "socket", "openai", "git", "gitdb", "requests", "httpx", "tempfile", "time", "shutil"}
    for module in (
        "evaluator.screen",
        "evaluator.measuring.stats",
        "evaluator.types",
        "harness.patch",
        "harness.select",
    ):
        if module in EDGES:
            assert not acting & {name.partition(".")[0] for name in EDGES[module]}, module


def test_no_cycles() -> None:
    state: dict[str, int] = {}

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert state.get(module) != 1, f"cycle: {' -> '.join((*path[path.index(module) :], module))}"
        if state.get(module) == 2:
            return
        state[module] = 1
        for target in EDGES[module]:
            if target in MODULES and not module.startswith(target + "."):
                visit(target, (*path, module))
        state[module] = 2

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("module", sorted(set(MODULES) - IMPORTS_TORCH))
def test_torch_stays_in_the_helper_processes(module: str) -> None:
    assert not [name for name in EDGES[module] if name.partition(".")[0] in ("torch", "triton")]


@pytest.mark.slow
@pytest.mark.parametrize("module", ["evaluator", "evaluator.evaluate", "evaluator.executors", "harness.cli"])
def test_fresh_import_is_quiet_and_without_torch(module: str, tmp_path: Path) -> None:
    if module not in MODULES:
        pytest.skip(f"{module} does not exist")
    code = f"import sys, threading; import {module}; print('torch' in sys.modules, threading.active_count())"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("False 1\n", "", 0)
    assert not list(tmp_path.iterdir())


def _catch_alls(tree: ast.AST) -> list[int]:
    """Lines that catch every error and keep it: not those that clean up and raise it again."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            last = node.body[-1]
            if isinstance(last, ast.Raise) and last.exc is None:
                continue
            caught = ast.unparse(node.type) if node.type else "BaseException"
            if {"Exception", "BaseException"} & set(caught.strip("()").replace(" ", "").split(",")):
                found.append(node.lineno)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            everything = {"Exception", "BaseException"} & {ast.unparse(argument) for argument in node.args}
            found += [node.lineno] if everything else []
    return found


@pytest.mark.parametrize("module", sorted(MODULES))
def test_catch_alls_stand_at_two_boundaries(module: str) -> None:
    lines = _catch_alls(MODULES[module])
    allowed = next((count for name, count in CATCHES_ALL.items() if f"{module}.".startswith(f"{name}.")), 0)
    assert len(lines) <= allowed, f"{module} catches everything at lines {lines}"


def test_catch_all_of_the_command_is_one() -> None:
    whole = [line for module, tree in MODULES.items() if module.startswith("harness.cli") for line in _catch_alls(tree)]
    assert len(whole) <= 1


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_the_command_prints_exits_and_reads_the_environment(module: str) -> None:
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input"):
            assert module.startswith(PRINTS), f"{module} prints at line {node.lineno}"
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv"):
            assert module.startswith(READS_ENVIRONMENT), f"{module} reads the environment at line {node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_sizes(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_LINES, f"{lines} lines, at most {MAX_LINES}: split it along a real seam"
    for node in ast.walk(MODULES[module_name(path)]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION, f"{node.name} has {length} lines, at most {MAX_FUNCTION}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_say_what_they_own(module: str) -> None:
    text = ast.get_docstring(MODULES[module]) or ""
    assert text or not MODULES[module].body, f"{module} has no docstring"
    if not ROOT.joinpath(*module.split(".")).is_dir():
        assert "Owns" in text, f"{module}'s docstring does not say what it owns"
        assert "not know" in text, f"{module}'s docstring says what it owns, but not what it does not know"


def _calls_at_import(statement: ast.stmt) -> Iterator[ast.Call]:
    """Calls that run while the module is imported: not those inside functions."""
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Call):
            yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        elif isinstance(node, ast.Lambda):
            continue
        else:
            todo += ast.iter_child_nodes(node)


def _builders(tree: ast.Module) -> set[str]:
    """A module's own functions that only put values together."""
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and all(
            ast.unparse(call.func).rpartition(".")[2] in CONSTRUCTORS or ast.unparse(call.func)[:1].isupper()
            for call in ast.walk(node)
            if isinstance(call, ast.Call)
        )
    }


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_happens_at_import(module: str) -> None:
    own_classes = {node.name for tree in MODULES.values() for node in tree.body if isinstance(node, ast.ClassDef)}
    for statement in MODULES[module].body:
        assert not isinstance(statement, ast.For | ast.While | ast.With | ast.Delete), (
            f"{module} does something at import, line {statement.lineno}"
        )
        if isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant):
            name = ast.unparse(statement.value)
            assert any(word in name for word in DECLARATIONS), f"{module} does something at import: {name}"
        for call in _calls_at_import(statement):
            name = ast.unparse(call.func).rpartition(".")[2]
            assert name in {*CONSTRUCTORS, *DECLARATIONS, *own_classes, *_builders(MODULES[module])}, (
                f"{module} calls {name} at import, line {call.lineno}"
            )


def _changed_names(function: ast.AST) -> Iterator[tuple[str, int]]:
    """Names whose object a function changes in place, where the name is not its own."""
    own = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    for node in ast.walk(function):
        target: ast.expr | None = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            target = node.func.value
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            target = node.value
        if isinstance(target, ast.Name) and target.id not in own:
            yield target.id, node.lineno


@pytest.mark.parametrize("module", sorted(MODULES))
def test_globals_are_never_changed(module: str) -> None:
    tree = MODULES[module]
    names = {
        leaf.id
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for leaf in ast.walk(statement)
        if isinstance(leaf, ast.Name) and isinstance(leaf.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Global), f"{module} has a global statement at line {node.lineno}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            changed = [f"{name} at line {line}" for name, line in _changed_names(node) if name in names]
            assert not changed, f"{module}: {node.name} changes {', '.join(changed)}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_random_state_is_an_argument(module: str) -> None:
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if module != "evaluator.confined.worker":  # which seeds the generators that a candidate may use
                allowed = ("random.Random", "np.random.default_rng", "np.random.SeedSequence", "np.random.Generator")
                assert not name.startswith(("random.", "np.random.")) or name in allowed, (
                    f"{module} uses the generator of everyone at line {node.lineno}: {name}"
                )
