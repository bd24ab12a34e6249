"""Engines' own policies as programs of this task: `vllm:default`, `sglang:deepseek`, `sglang:deepseek_vec`.

Owns: which files of an engine a policy is, the interface that we know of it, and how they become one program.
Does not know: where files lie (see `evaluator.distributions`), how a policy is called (see `adapters`), judging.

A program is the policy's files as they are, one below the other, and our adapter. Imports of the engine itself are left
out, which works as long as they only name what another of the files defines; anything else is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from evaluator.distributions import Distribution, choose, wheel
from evaluator.screen import parse
from evaluator.task_protocol import NamedProgram, SoftwareMissing, Task
from evaluator.tasks.eplb.adapters import adapter
from evaluator.tasks.eplb.answers import Form
from evaluator.types import EvaluatorError

_MAX_POLICY_BYTES = 100_000
"""The policies read have up to 14,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy of an engine: its files, the last of which defines `function` (in a class: `Class.function`).

    `known` is the version whose files were read; `call` is a key of the adapters, which calls the function with the
    parameters `given`, in this order if `by_position`.
    """

    project: str
    known: str
    files: tuple[str, ...]
    function: str
    given: tuple[str, ...]
    call: str
    by_position: bool = False


_SGLANG = "sglang/srt/eplb/eplb_algorithms"
ENGINE_POLICIES: Mapping[str, Policy] = {
    "vllm:default": Policy(
        project="vllm",
        known="0.32.0",
        files=("vllm/distributed/eplb/policy/abstract.py", "vllm/distributed/eplb/policy/default.py"),
        function="DefaultEplbPolicy.rebalance_experts",
        given=("weight", "num_replicas", "num_groups", "num_nodes", "num_ranks", "old_global_expert_indices"),
        call="vllm",
        by_position=True,
    ),
    "sglang:deepseek": Policy(
        project="sglang",
        known="0.5.23",
        files=(f"{_SGLANG}/deepseek.py",),
        function="rebalance_experts",
        given=("weight", "num_replicas", "num_groups", "num_nodes", "num_gpus", "enable_hierarchical"),
        call="sglang sum",
    ),
    "sglang:deepseek_vec": Policy(
        project="sglang",
        known="0.5.23",
        files=(f"{_SGLANG}/deepseek_vec.py",),
        function="rebalance_experts",
        given=(
            *("tokens_per_expert", "num_physical_experts", "num_local_physical_experts"),
            *("num_groups", "num_nodes", "enable_hierarchical"),
        ),
        call="sglang steps",
    ),
}


def read_policy(name: str, task: Task, wheels: Sequence[Path]) -> NamedProgram:
    """A policy as a program in the task's form, with the engine's version in its name; `name` is a key of
    `ENGINE_POLICIES`. Raises EvaluatorError.
    """
    policy = ENGINE_POLICIES[name]
    found = _found(name, policy, wheels)
    texts = {path: _text(name, policy, found, path) for path in policy.files}
    trees = {path: _tree(name, found, path, text) for path, text in texts.items()}
    _check_interface(name, policy, found, trees[policy.files[-1]])
    form = cast(Form, task.identity()["form"])
    return NamedProgram(
        name=f"{name} {found.version}",
        source=_joined(name, policy, found, texts, trees) + adapter(policy.call, form),
    )


def _found(name: str, policy: Policy, wheels: Sequence[Path]) -> Distribution:
    read = [wheel(path) for path in wheels]
    projects = {each.project for each in ENGINE_POLICIES.values()}
    for each in read:
        if each.project.lower() not in projects:
            raise EvaluatorError(
                f"{each.path}: expected a wheel of {' or '.join(sorted(projects))}, found one of {each.project} "
                f"{each.version}"
            )
    found = choose(policy.project, read)
    if found is None:
        given = "".join(f"; {each.path} is of {each.project} {each.version}" for each in read)
        raise SoftwareMissing(
            f"{name}: {policy.project} is neither installed here nor given as a wheel{given}: get the wheel with "
            f"`pip download --no-deps {policy.project}=={policy.known}` and name it with --engine-wheel FILE, or in a "
            f"config under judge.engine_wheels"
        )
    return found


def _changed(name: str, found: Distribution, what: str) -> EvaluatorError:
    """The error for an engine whose policy is not the one that we know."""
    policy = ENGINE_POLICIES[name]
    return EvaluatorError(
        f"{name}: {what}, in {found.place}, version {found.version}: the policy has changed since version "
        f"{policy.known}, whose files were read; use a wheel of that version"
    )


def _text(name: str, policy: Policy, found: Distribution, path: str) -> str:
    text = found.text(path)
    if text is None:
        near = found.like("eplb")[:5]
        others = f"; files that may hold it: {', '.join(near)}" if near else ""
        raise _changed(name, found, f"expected the file {path}, found none{others}")
    if len(text) > _MAX_POLICY_BYTES:
        raise _changed(name, found, f"{path}: expected at most {_MAX_POLICY_BYTES:,} bytes, found {len(text):,}")
    return text


def _tree(name: str, found: Distribution, path: str, text: str) -> ast.Module:
    try:
        return parse(text)
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        raise _changed(name, found, f"{path}: expected Python, found {type(error).__name__}: {error}") from None


def _check_interface(name: str, policy: Policy, found: Distribution, tree: ast.Module) -> None:
    """Check that the function takes what we give, and needs no more."""
    *inside, own = policy.function.split(".")
    body: list[ast.stmt] = tree.body
    for outer in inside:
        body = next((node.body for node in body if isinstance(node, ast.ClassDef) and node.name == outer), [])
    functions = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == own]
    expected = f"{policy.function}({', '.join(policy.given)})"
    where = f"{policy.files[-1]}: expected {expected}"
    if not functions:
        raise _changed(name, found, f"{where}, found no such function")
    arguments = functions[-1].args
    named = [each.arg for each in (*arguments.posonlyargs, *arguments.args)][1 if inside else 0 :]
    required = set(named[: max(0, len(named) - len(arguments.defaults))])
    required |= {
        each.arg for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None
    }
    taken = named if policy.by_position else [*named, *(each.arg for each in arguments.kwonlyargs)]
    fits = named[: len(policy.given)] == list(policy.given) if policy.by_position else set(policy.given) <= set(taken)
    if not fits or not required <= set(policy.given):
        all_taken = [*named, *(each.arg for each in arguments.kwonlyargs)]
        raise _changed(name, found, f"{where}, found {policy.function}({', '.join(all_taken)})")


def _joined(
    name: str, policy: Policy, found: Distribution, texts: Mapping[str, str], trees: Mapping[str, ast.Module]
) -> str:
    """The files in one text: imports of the engine as comments, those from `__future__` at the top."""
    parts: list[str] = []
    future: list[str] = []
    defined: set[str] = set()
    for path, text in texts.items():
        lines = text.replace("\r\n", "\n").split("\n")
        for node in ast.walk(trees[path]):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            own = _of_the_engine(node, policy.project)
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                future.append(ast.unparse(node))
            elif not own:
                continue
            elif node.col_offset or not own <= defined:
                what = f"{ast.unparse(node)!r} in line {node.lineno} of {path}"
                expected = f"expected imports of the engine only among {', '.join(policy.files)}"
                raise _changed(name, found, f"{expected}, found {what}")
            for at in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[at] = f"# {lines[at]}"
        parts.append(f"# {path}, as it is in {policy.project} {found.version}, but for imports of the engine\n")
        parts.append("\n".join(lines) + "\n")
        defined |= {node.name for node in trees[path].body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    head = "".join(f"{line}\n" for line in dict.fromkeys(future))
    return head + "".join(parts) + f"\n\n# what calls {name} as the engine does: by packsmith\n"


def _of_the_engine(node: ast.Import | ast.ImportFrom, project: str) -> set[str]:
    """What an import takes from the engine: names as written; of a whole module its path, which no file defines."""
    if isinstance(node, ast.ImportFrom):
        of_engine = node.level or (node.module or "").partition(".")[0] == project
        names = node.names if of_engine else []
    else:
        names = [alias for alias in node.names if alias.name.partition(".")[0] == project]
    return {f"{alias.name} as {alias.asname}" if alias.asname else alias.name for alias in names}
