"""Rules about which module imports which. Each takes a tree and returns its faults, each with its place.

Owns: what these rules are. Does not know: the table of rooms, which the test holds.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from tests.architecture.source import Tree, defining, edges, imports, nodes, room, within

Rooms = Mapping[str, frozenset[str]]

TORCH = ("torch", "triton")
MAY_IMPORT_TORCH = ("evaluator.confined",)
PUBLIC_MODULES = ("evaluator.types", "evaluator.evaluate", "evaluator.settings", "evaluator.screen", "evaluator.tasks")
PUBLIC_MODULES += ("evaluator.fate", "evaluator.shipped", "evaluator.splits")
"""What the harness may import of the judge beside the names in `evaluator.__all__`; not what is below them."""

_ACTING = (
    "asyncio concurrent ctypes fcntl gc getpass git gitdb glob http httpx2 importlib io landlockpy logging mmap "
    "multiprocessing openai os pathlib platform pty queue resource rich secrets select selectors shutil signal socket "
    "socketserver ssl subprocess sys tempfile termios threading time torch typer urllib uuid webbrowser yaml zipfile"
)
ACTING = frozenset(_ACTING.split())
"""Modules through which a program acts on the world or is acted on. `time` is one: it reads a clock. `random` is
not: its shared generator is held off by `random_state_is_an_argument`."""
HARMLESS = frozenset(
    {
        "pathlib.PurePath",
        "pathlib.PurePosixPath",
        "pathlib.Path",  # a value in annotations; its calls are found by `pure_modules_read_no_disk_or_clock`
        "urllib.parse",
    }
)
REASONS = {
    ("evaluator.screen", "threading"): "a lock round the parser, which counts its depth for all threads together",
    ("evaluator.screen", "importlib.util.find_spec"): "whether a library is installed; it is not imported",
    ("harness.identity", "sys"): "the interpreter's version, a constant of the process",
    ("harness.llm.ledger", "threading"): "a lock round the sums; no thread is started",
}
"""What a module imports of these and stays as good as pure, and why."""
PURE_BUT = {"harness.prompt": "templates are read from the prompt folder"}
"""Modules that say "Pure, but for ...", and what for."""
_DISK = (
    "read_text read_bytes write_text write_bytes open exists is_file is_dir iterdir glob rglob mkdir unlink rmdir "
    "touch rename stat resolve cwd home expanduser"
)
DISK = frozenset(_DISK.split())
"""Methods of a path, which a module may be given without importing `Path`."""
CLOCK = frozenset({"now", "today", "utcnow"})
"""Methods of `datetime` and `date` that read the clock; the classes themselves are values."""
DYNAMIC = ("importlib.import_module", "importlib.__import__", "import_module", "__import__")
"""What imports a module by a string, which no rule can follow."""


def rooms(tree: Tree, table: Rooms) -> list[str]:
    """Every module is in a room of the table and imports only the rooms listed for it; every arrow listed is used."""
    faults, used = [], set()
    for name, module in tree.items():
        here = room(name, module)
        if here not in table:
            faults.append(f"{module.path}: the room {here} is not in the table")
            continue
        for found in imports(module, tree):
            if found.target not in tree:
                continue
            there = room(found.target, tree[found.target])
            used.add((here, there))
            if there != here and there not in table[here]:
                faults.append(f"{module.at(found.line)}: {here} may not import {there}")
    present = {room(name, module) for name, module in tree.items()}
    faults += [f"the table lists {here}, which does not exist" for here in table if here not in present]
    faults += [
        f"the table lists {here} -> {there}, which nothing uses"
        for here in present & set(table)
        for there in sorted(table[here])
        if (here, there) not in used
    ]
    return sorted(faults)


def judge_knows_nothing_of_searching(tree: Tree) -> list[str]:
    """The judge can be taken out and used alone."""
    return _forbidden(tree, lambda name: within(name, ("evaluator",)), ("harness",))


def no_import_of_programs_or_tests(tree: Tree) -> list[str]:
    """The product imports neither programs under test nor tests."""
    return _forbidden(tree, lambda name: True, ("programs", "tests", "configs"))


def torch_only_beside_the_candidate(tree: Tree) -> list[str]:
    """Importing torch takes seconds and starts threads: only confined processes do it."""
    return _forbidden(tree, lambda name: not within(name, MAY_IMPORT_TORCH), TORCH)


def _forbidden(tree: Tree, concerns: object, targets: tuple[str, ...]) -> list[str]:
    assert callable(concerns)
    return [
        f"{module.at(found.line)}: {name} may not import {found.target}"
        for name, module in tree.items()
        if concerns(name)
        for found in imports(module, tree)
        if within(found.target, targets)
    ]


def imports_are_absolute(tree: Tree) -> list[str]:
    """A dotted path says where a name comes from, and these rules can read it."""
    return [
        f"{module.at(node)}: relative import"
        for module in tree.values()
        for node in nodes(module.tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]


def harness_uses_public_names(tree: Tree) -> list[str]:
    """The harness uses what `evaluator` exports, and the few modules whose names are public too."""
    exported: set[str] = set()
    if "evaluator" in tree:
        for node in tree["evaluator"].tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                exported = set(ast.literal_eval(node.value))
    faults = []
    for name, module in tree.items():
        for found in imports(module, tree) if within(name, ("harness",)) else ():
            if not within(found.target, ("evaluator",)):
                continue
            public = found.target in PUBLIC_MODULES or (found.target == "evaluator" and found.name in exported)
            if not public or found.name.startswith("_"):
                what = f"{found.target}.{found.name}" if found.name else found.target
                faults.append(f"{module.at(found.line)}: {what} is not public")
    return faults


def imports_are_statements(tree: Tree) -> list[str]:
    """Nothing imports a module by a string: these rules read statements."""
    faults = []
    for module in tree.values():
        for node in nodes(module.tree):
            used = set()
            if isinstance(node, ast.Name):
                used = {node.id}
            elif isinstance(node, ast.Attribute) and node.attr in ("import_module", "__import__"):
                used = {ast.unparse(node)}
            elif isinstance(node, ast.ImportFrom):
                used = {f"{node.module}.{alias.name}" for alias in node.names}
            faults += [f"{module.at(node)}: uses {name}" for name in sorted(used & set(DYNAMIC))]
    return faults


def named_modules_exist(tree: Tree) -> list[str]:
    """A string that starts a process names modules that exist, alone ("evaluator.confined.zygote") or in code."""
    tops = {name.partition(".")[0] for name in tree}
    return [
        f"{module.at(node)}: no module {name}"
        for module in tree.values()
        for node in nodes(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in _named_modules(node.value)
        if name.partition(".")[0] in tops and name not in tree
    ]


def _named_modules(text: str) -> list[str]:
    if re.fullmatch(r"[a-z]+(\.[a-z_]+)+", text):
        return [text]
    return re.findall(r"\b(?:from|import) +(\w+(?:\.\w+)*)", text)


def no_cycles(tree: Tree) -> list[str]:
    """No module imports itself by way of others; a package may import what is in its folder."""
    graph = edges(tree)
    faults: list[str] = []
    state: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if state.get(name) == 1:
            faults.append(f"cycle: {' -> '.join((*path[path.index(name) :], name))}")
        if name in state:
            return
        state[name] = 1
        for found in graph[name]:
            if found.target in tree and not name.startswith(f"{found.target}."):
                visit(found.target, (*path, name))
        state[name] = 2

    for name in tree:
        visit(name, ())
    return faults


def says_pure(tree: Tree) -> list[str]:
    """The modules whose docstring says "Pure" without exception."""
    return [name for name, module in tree.items() if re.search(r"\bPure\b(?!, but)", _doc(module.tree))]


def exceptions_from_purity(tree: Tree) -> list[str]:
    """Modules that say "Pure, but for ..." stand in `PURE_BUT` with a reason: elsewhere the word is exact."""
    return [
        f"{module.path}: says Pure, but for ...: say what it reads instead, or list it with a reason"
        for name, module in tree.items()
        if re.search(r"\bPure, but\b", _doc(module.tree)) and name not in PURE_BUT
    ]


def _doc(tree: ast.Module) -> str:
    return " ".join((ast.get_docstring(tree) or "").split())


def purity(tree: Tree) -> list[str]:
    """A module that says "Pure" reaches nothing that acts, whatever of ours it reaches it through.

    A name that a package passes on counts as the module's that defines it; that importing it also runs the package's
    `__init__.py` does not count.
    """
    graph = edges(tree)
    faults = []
    for start in says_pure(tree):
        todo, seen = [(start,)], {start}
        while todo:
            path = todo.pop()
            for found in graph[path[-1]]:
                target = defining(found, tree)
                if target in tree:
                    if target not in seen:
                        seen.add(target)
                        todo.append((*path, target))
                elif (path[-1], target) not in REASONS and within(target, ACTING) and not within(target, HARMLESS):
                    faults.append(f"{tree[start].path}: says Pure, but {' -> '.join((*path, target))}")
    return faults


def pure_modules_read_no_disk_or_clock(tree: Tree) -> list[str]:
    """A module that says "Pure" opens nothing itself, for a path is a name to it, and is told what time it is."""
    return [
        f"{tree[name].at(node)}: says Pure, but calls {ast.unparse(node.func)}"
        for name in says_pure(tree)
        for node in nodes(tree[name].tree)
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == "open")
            or (isinstance(node.func, ast.Attribute) and node.func.attr in DISK | CLOCK)
        )
    ]
