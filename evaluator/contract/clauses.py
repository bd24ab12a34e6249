"""The clauses of the contract about a task's file, its members, its cases and its draws.

Owns: what each of these clauses asks for, and how it is tried. Does not know: files, the command, how findings are
shown. A clause returns what was tried, or raises Broken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import numpy as np

from evaluator.contract.findings import Broken
from evaluator.contract.subject import SEED, Subject, arrays, digest
from evaluator.task_file import FileTask
from evaluator.types import Call, Value

IMPORT_S = 2.0
"""Seconds of processor time that importing a task file may take."""
_DRAWS, _SEEDS = 5, 12


def quiet_import(subject: Subject) -> str:
    """Importing the file makes names, and does nothing else."""
    loaded = subject.loaded
    if loaded["did"]:
        acts = "; ".join(f"line {line}: {act}" if line else str(act) for line, act in loaded["did"])
        raise Broken(f"importing the file does something: {acts}", "do it in a method, such as `cases`, or not at all")
    if loaded["import_s"] > IMPORT_S:
        raise Broken(
            f"importing the file takes {loaded['import_s']:.1f} s of processor time, at most {IMPORT_S:g} are allowed",
            "compute in the methods",
        )
    return f"no file, network, process, thread or print, {loaded['import_s']:.2f} s"


def members(subject: Subject) -> str:
    """Every member is there, and of its type."""
    task = subject.task
    return f"task {task.name}, version {task.version}, quality {task.quality_name}"


def seeds(subject: Subject) -> str:
    """The seed, and nothing else, decides the cases, the small calls and the draws."""
    task, fresh = subject.task, subject.fresh()
    try:
        for name, first, again, elsewhere in (
            (what, made(task), made(task), made(fresh)) for what, made in _SEEDED.items()
        ):
            if not first == again == elsewhere:
                where = "in one process" if first != again else "in another process"
                raise Broken(
                    f"`{name}` gives something else when it is asked again {where}, with the same arguments",
                    "draw from np.random.default_rng(seed), or from the generator that is given, and let nothing hang "
                    "on the order of a set",
                )
    finally:
        fresh.process.close()
    identity = dict(task.identity())
    return f"cases, draws, hard cases and identity ({len(json.dumps(identity))} bytes) repeat, in two processes"


def _drawn(task: FileTask) -> str:
    return digest([task.draw(case, np.random.default_rng(SEED)) for case in task.cases(SEED)])


_SEEDED: Mapping[str, Callable[[FileTask], str]] = {
    "cases": lambda task: digest(task.cases(SEED)),
    "draw": _drawn,
    "hard_cases": lambda task: digest(task.hard_cases(SEED)),
    "agreement_calls": lambda task: digest(task.agreement_calls(SEED)),
    "identity": lambda task: json.dumps(dict(task.identity()), sort_keys=True),
}


def varying_draws(subject: Subject) -> str:
    """Every draw has other data than the case and than every other draw, and as many steps; quality depends on it."""
    for case, drawn in subject.draws(_DRAWS):
        if len({each.data.tobytes() for each in (case, *drawn)}) < 1 + _DRAWS:
            raise Broken(
                f"case {case.name}: of {_DRAWS} draws some have the data of another, or of the case: a program can "
                "remember it",
                "draw from all that the case is drawn from, with the generator that `draw` is given",
            )
        if len({subject.task.steps(each) for each in drawn}) > 1:
            raise Broken(f"case {case.name}: draws differ in their number of steps", "give every draw as many")
    return f"{_DRAWS} draws of each case, all different"


def _kind(value: Value) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return type(value).__name__


def _form(call: Call) -> str:
    parts = [_kind(value) for value in call.args]
    return ", ".join([*parts, *(f"{name}={_kind(value)}" for name, value in sorted(call.offered.items()))])


def _traits(call: Call) -> dict[str, float]:
    """Figures by which a program might tell calls apart."""
    named = [(f"argument {at + 1}", value) for at, value in enumerate(call.args)]
    figures: dict[str, float] = {}
    for name, value in (*named, *call.offered.items()):
        if isinstance(value, np.ndarray) and value.size and value.dtype.kind in "biuf":
            figures |= {f"the mean of {name}": float(value.mean()), f"the largest of {name}": float(value.max())}
            figures |= {f"the least of {name}": float(value.min()), f"the spread of {name}": float(value.std())}
        elif isinstance(value, int | float):
            figures[name] = float(value)
    return figures


def alike(subject: Subject) -> str:
    """A call of the pass and a scored one have the same form, and their data come from the same range."""
    task = subject.task
    advice = "make both with the same code; a program that knows which calls are scored can work less in the others"
    passes = [task.cases(seed) for seed in range(_SEEDS)]
    vary = len({digest(made) for made in passes}) > 1
    for at, (case, drawn) in enumerate(subject.draws(_SEEDS, seed=2)):
        ours = [task.call(made[at], 0, ()) for made in passes if len(made) > at]
        theirs = [task.call(each, 0, ()) for each in drawn]
        forms = {_form(call) for call in ours}, {_form(call) for call in theirs}
        if forms[0] != forms[1]:
            found = " and ".join(sorted(forms[0] ^ forms[1])[:2])
            raise Broken(f"case {case.name}: calls of the pass and of draws differ in their form: {found}", advice)
        figures = [_traits(call) for call in ours], [_traits(call) for call in theirs]
        for name in figures[0][0] if vary else ():
            mine, others = ([each[name] for each in side] for side in figures)
            if max(mine) < min(others) or max(others) < min(mine):
                raise Broken(
                    f"case {case.name}: {name} tells them apart: {min(mine):.6g} to {max(mine):.6g} in "
                    f"{_SEEDS} passes, {min(others):.6g} to {max(others):.6g} in {_SEEDS} draws",
                    advice,
                )
    ranges = f", the same ranges in {_SEEDS} of each" if vary else "; `cases` are the same under every seed"
    return f"the same types, shapes and offered names{ranges}"


def room(subject: Subject) -> str:
    """Calls and answers take at most the bytes that the task says."""
    task, most = subject.task, 0
    asked = [(each.case, each.call, each.answer) for passed in subject.answered for each in passed.asked]
    for case, call, answer in asked:
        for member, found in (("call_bytes", arrays(call)), ("answer_bytes", list(answer))):
            used, said = sum(array.nbytes for array in found), getattr(task, member)(case)
            most = max(most, used)
            if used > said:
                raise Broken(
                    f"case {case.name}: `{member}` says {said:,} bytes, and {used:,} are needed", f"correct `{member}`"
                )
    for hard in subject.small:
        used, said = sum(array.nbytes for array in arrays(hard.call)), task.call_bytes(hard.case)
        if used > said:
            raise Broken(f"{hard.case.name}: `call_bytes` says {said:,} bytes, and {used:,} are needed", "correct it")
    return f"{len(asked)} calls and answers fit, the largest has {most:,} bytes"
