"""`packsmith doctor`: what this machine offers, and what it lacks.

Owns: this verb. Does not know: how anything it reports is used.
"""

from __future__ import annotations

import platform
import subprocess
from typing import Any

from rich.table import Table
from rich.text import Text

from evaluator import (
    LEVELS,
    PROMISES,
    TASKS,
    EvaluatorError,
    JudgeSettings,
    LocalExecutor,
    SoftwareMissing,
    cores,
    cpu_name,
    cuda_devices,
    gpu_memory_promise,
    noise_warnings,
    numba_version,
    torch_version,
)
from harness.cli.console import Json, emit, messages, output
from harness.report import jsonl
from harness.report.progress import Waiting

_NOTHING = {
    "cuda": "no device",
    "policies": "no engine is installed (evaluate --engine-wheel reads a wheel)",
}


def doctor(json: Json = False) -> None:
    """Show what this machine offers: versions, devices, confinement.

    Use it first on a new machine, and when a search refuses to run or its figures are noisy.

    \b
    Examples:
    packsmith doctor
    packsmith doctor --json
    """
    with Waiting(messages()) as waiting:
        waiting.say("starting the judge's helper processes")
        facts = _facts()
    if json:
        emit(jsonl.line(facts))
        return
    console = output()
    for name in ("python", "torch", "numba", "git", "cpu", "cuda", "policies"):
        value = facts[name]
        nothing = _NOTHING.get(name, "not installed")
        text = (", ".join(value) or nothing) if isinstance(value, list) else str(value or nothing)
        console.print(f"{name:<8} {text}", markup=False)
    if facts["cuda"]:
        console.print(f"gpu memory: {facts['gpu_memory']}", markup=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("sandbox", "here", "promises"):
        table.add_column(heading)
    for level in reversed(LEVELS):
        state = facts["sandbox"][level]
        here = Text("in force", style="bold green") if level == facts["level"] else Text(_hindrance(state))
        table.add_row(level, here, PROMISES[level])
    console.print(table)
    for warning in facts["warnings"]:
        console.print(f"warning: {warning}", style="yellow", markup=False)


def _hindrance(state: str | None) -> str:
    if state is None:
        return "only you can declare it"
    return f"no: {state}" if state else "works"


def _policies() -> tuple[list[str], list[str]]:
    """The policies of installed engines, with versions, and warnings about those that cannot be used."""
    found, warnings = [], []
    for kind in TASKS.values():
        task = kind({})
        for name in kind.policies:
            try:
                policy = kind.policy(name, task, ())
            except SoftwareMissing:
                continue
            except EvaluatorError as error:
                warnings.append(str(error))
            else:
                found += [policy.name] if policy is not None else []
    return found, warnings


def _facts() -> dict[str, Any]:
    with LocalExecutor(JudgeSettings(require="L0")) as executor:
        ready = executor.ready
    devices = list(cuda_devices())
    policies, unusable = _policies()
    return {
        "python": platform.python_version(),
        "torch": torch_version(),
        "numba": numba_version(),
        "git": _git_version(),
        "cpu": f"{cpu_name()}, {cores()} cores",
        "cuda": devices,
        "gpu_memory": gpu_memory_promise() if devices else "",
        "level": ready.level,
        "sandbox": {name: ready.hindrances.get(name) for name in LEVELS},
        "policies": policies,
        "warnings": [*unusable, *noise_warnings()],
    }


def _git_version() -> str:
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "not found: install git, the archive needs it"
    return done.stdout.strip().removeprefix("git version ")
