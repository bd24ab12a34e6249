"""Rules about what code does, wherever it stands. Each takes a tree and returns its faults, each with its place.

Owns: what these rules are, and who may do what others may not. Does not know: imports, words of prose.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import Tree, nodes, within

MAX_LINES, MAX_FUNCTION = 400, 60

CATCHES_ALL = {"evaluator.confined.worker": 1, "evaluator.task_file.host": 1, "harness.cli": 1}
CATCHES_ALL |= {"harness.trackers.feed": 1, "evaluator.remote.serving": 2}
PRINTS = ("harness.cli", "harness.report")
EXITS = ("harness.cli", "harness.__main__", "evaluator.confined", "evaluator.task_file.host")
# Git is given an environment cleaned of the user's settings; a worker sets which one GPU its process will see, and how
# many threads numba starts in it.
# A judge in a process of its own gets an allow-list of ours.
READS_ENVIRONMENT = ("harness.cli", "harness.git", "evaluator.confined.device", "evaluator.confined.zygote")
READS_ENVIRONMENT += ("evaluator.remote.process",)
TASKS = "evaluator.tasks"
"""Its folders are tasks; nothing outside of it names one."""
SEEDS = ("evaluator.confined.worker",)
"""Seeds the generators that a candidate may use."""

# What a module may call while it is imported: constructors of values and decorators' arguments.
_CONSTRUCTORS = (
    "Lock frozenset tuple dict set get_args TypeVar ParamSpec NewType namedtuple property MappingProxyType "
    "compile Struct dataclass field Path Decimal Fraction range len split splitlines strip format join cast "
    "Context getLogger ConfigDict Field Style Theme Typer Option Argument command callback add_typer "
    "model_validator field_validator keys values items union resolve encode dtype sorted maketrans fields "
    "fromkeys map ord chr zip enumerate list int str"
)
CONSTRUCTORS = frozenset(_CONSTRUCTORS.split())
DECLARATIONS = ("add_typer", "add_implicit_resolver")
"""Statements by which a library wants its own objects completed."""
_MUTATORS = (
    "append extend insert add update setdefault pop popitem remove discard clear appendleft popleft sort reverse"
)
MUTATORS = frozenset(_MUTATORS.split())


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


def catch_alls_at_boundaries(tree: Tree) -> list[str]:
    """Every error is caught in four places: where a candidate runs, where a task file does, where a tracker's library
    does, and where the command ends.
    """
    places: dict[str, list[str]] = {}
    for name, module in tree.items():
        boundary = next((known for known in CATCHES_ALL if within(name, (known,))), "")
        places.setdefault(boundary, []).extend(
            f"{module.at(line)}: catches everything" for line in _catch_alls(module.tree)
        )
    return [fault for boundary, found in places.items() for fault in found[CATCHES_ALL.get(boundary, 0) :]]


def only_the_command_prints_and_exits(tree: Tree) -> list[str]:
    """Libraries return and raise; only the command prints, exits and reads the environment."""
    faults = []
    for name, module in tree.items():
        for node in nodes(module.tree):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in ("print", "input") and not within(name, PRINTS):
                faults.append(f"{module.at(node)}: prints")
            if called in ("sys.exit", "os._exit", "exit", "quit") and not within(name, EXITS):
                faults.append(f"{module.at(node)}: exits")
            read = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if read in ("os.environ", "os.getenv") and not within(name, READS_ENVIRONMENT):
                faults.append(f"{module.at(node)}: reads the environment")
    return faults


def sizes(tree: Tree) -> list[str]:
    """A module and a function are short enough to be read whole."""
    faults = []
    for module in tree.values():
        lines = len(module.source.splitlines())
        if lines > MAX_LINES:
            faults.append(f"{module.path}: {lines} lines, at most {MAX_LINES}: split it along a real seam")
        for node in nodes(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > MAX_FUNCTION:
                    faults.append(f"{module.at(node)}: {node.name} has {length} lines, at most {MAX_FUNCTION}")
    return faults


def formatted_throughout(tree: Tree) -> list[str]:
    """No line keeps out of the formatter's hands, which would make the limits of size worth nothing."""
    return [
        f"{module.at(number)}: switches the formatter off"
        for module in tree.values()
        for number, line in enumerate(module.source.splitlines(), 1)
        if re.search(r"#\s*(fmt:\s*(skip|off)|yapf:\s*disable)", line)
    ]


def modules_say_what_they_own(tree: Tree) -> list[str]:
    """A module's docstring says what it owns and what it does not know; a package's says what it is."""
    faults = []
    for module in tree.values():
        text = ast.get_docstring(module.tree) or ""
        if not text and module.tree.body:
            faults.append(f"{module.path}: no docstring")
        elif not module.is_package:
            faults += [
                f"{module.path}: the docstring lacks {word!r}" for word in ("Owns", "not know") if word not in text
            ]
    return faults


def tasks_in_their_folder(tree: Tree) -> list[str]:
    """Only the folder of tasks names a task, in code and in prose."""
    inside = [name.removeprefix(f"{TASKS}.").split(".") for name in tree if name.startswith(f"{TASKS}.")]
    tasks = sorted({folder for folder, *module in inside if module})
    return [
        f"{module.path}:{number}: {task}"
        for name, module in tree.items()
        if not within(name, (TASKS,))
        for number, line in enumerate(module.source.splitlines(), start=1)
        for task in tasks
        if task in line.lower()
    ]


def _calls_at_import(statement: ast.stmt) -> Iterator[ast.Call]:
    """Calls that run while the module is imported: not those inside functions."""
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Call):
            yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        elif not isinstance(node, ast.Lambda):
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


def nothing_happens_at_import(tree: Tree) -> list[str]:
    """Importing a module makes its names and does nothing else."""
    classes = {node.name for module in tree.values() for node in module.tree.body if isinstance(node, ast.ClassDef)}
    faults = []
    for module in tree.values():
        allowed = {*CONSTRUCTORS, *DECLARATIONS, *classes, *_builders(module.tree)}
        for statement in module.tree.body:
            if isinstance(statement, ast.If) and ast.unparse(statement.test) == "__name__ == '__main__'":
                continue  # runs as a program only
            if isinstance(statement, ast.For | ast.While | ast.With | ast.Delete):
                faults.append(f"{module.at(statement)}: does something at import")
            if isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant):
                if not any(word in ast.unparse(statement.value) for word in DECLARATIONS):
                    faults.append(f"{module.at(statement)}: does something at import")
                continue
            for call in _calls_at_import(statement):
                called = ast.unparse(call.func).rpartition(".")[2]
                if called not in allowed:
                    faults.append(f"{module.at(call)}: calls {called} at import")
    return faults


def _changed_names(function: ast.AST) -> Iterator[tuple[str, ast.AST]]:
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
            yield target.id, node


def globals_are_never_changed(tree: Tree) -> list[str]:
    """What a module defines stays as it was defined."""
    faults = []
    for module in tree.values():
        names = {
            leaf.id
            for statement in module.tree.body
            if isinstance(statement, ast.Assign | ast.AnnAssign)
            for leaf in ast.walk(statement)
            if isinstance(leaf, ast.Name) and isinstance(leaf.ctx, ast.Store)
        }
        for node in nodes(module.tree):
            if isinstance(node, ast.Global):
                faults.append(f"{module.at(node)}: a global statement")
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                faults += [
                    f"{module.at(where)}: {node.name} changes {name}"
                    for name, where in _changed_names(node)
                    if name in names
                ]
    return faults


def random_state_is_an_argument(tree: Tree) -> list[str]:
    """Nothing draws from a generator that everyone shares."""
    allowed = ("random.Random", "np.random.default_rng", "np.random.SeedSequence", "np.random.Generator")
    made = tuple(f"{maker}(" for maker in allowed)  # what is called on a generator just made is its own
    return [
        f"{module.at(node)}: uses the generator of everyone: {ast.unparse(node.func)}"
        for name, module in tree.items()
        if name not in SEEDS
        for node in nodes(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).startswith(("random.", "np.random.", "numpy.random."))
        and ast.unparse(node.func) not in allowed
        and not ast.unparse(node.func).startswith(made)
    ]


def one_parser_of_programs(tree: Tree) -> list[str]:
    """Programs are parsed under one lock, since the parser of CPython 3.11 fails in two threads at once."""
    return [
        f"{module.at(node)}: parses programs: use evaluator.screen.parse"
        for name, module in tree.items()
        if not within(name, ("evaluator.screen",))
        for node in nodes(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "ast.parse"
    ]
