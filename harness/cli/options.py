"""The options of `evaluate` and `replay --evaluate`, and the judge they describe.

Owns: these options, their help and their defaults. Does not know: what is done with the verdicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from evaluator import DEFAULT_REFERENCE, TASKS, Judge, JudgeSettings, Task, TimingSettings
from evaluator.settings import SandboxLevel
from evaluator.shipped import PHY2LOG_REFERENCE
from harness.cli.common import UserError, read_program

Form = Literal["triple", "phy2log"]
DECIDED_BY_RUN = (
    *("task", "reference", "case", "trace", "form", "device", "seed"),
    *("timeout", "budget", "memory", "threads", "require"),
)
"""The options that say how to judge: `--run` takes it all from a run."""


def read_case(text: str) -> str | dict[str, int | str]:
    """A case on the command line: a standard name, or sizes such as `layers=58,experts=256,replicas=288,...`."""
    if "=" not in text:
        return text
    sizes: dict[str, int | str] = {}
    for part in text.split(","):
        key, _, value = part.partition("=")
        if key.strip() == "name":
            sizes["name"] = value.strip()
        elif value.strip().isdigit():
            sizes[key.strip()] = int(value)
        else:
            raise UserError(f"--case {text}: expected {key.strip()}=WHOLE NUMBER, found {part.strip()!r}")
    return sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """The options of `evaluate` and `replay --evaluate`."""

    task: str
    reference: str
    cases: Sequence[str]
    traces: Sequence[Path]
    form: Form | None
    device: str
    seed: int
    timeout_s: float
    budget_s: float
    memory_gb: float
    threads: int
    require: SandboxLevel

    def build_task(self) -> Task:
        """The task these options describe. Raises UserError and WorkloadError."""
        if self.task not in TASKS:
            raise UserError(f"--task {self.task}: no such task; known: {', '.join(sorted(TASKS))}")
        options: dict[str, Any] = {}
        if self.cases:
            options["cases"] = [read_case(case) for case in self.cases]
        if self.traces:
            options["traces"] = [str(trace) for trace in self.traces]
        if self.form:
            options["form"] = self.form
        return TASKS[self.task](options)

    def settings(self) -> JudgeSettings:
        return JudgeSettings(
            timeout_s=self.timeout_s,
            memory_gb=self.memory_gb,
            threads=self.threads,
            require=self.require,
            timing=TimingSettings(budget_s=self.budget_s),
        )

    def judge(self, task: Task) -> Judge:
        """A judge, not yet started."""
        default = PHY2LOG_REFERENCE if self.form == "phy2log" else DEFAULT_REFERENCE
        reference = self.reference or default
        return Judge(
            task,
            reference=read_program(reference),
            reference_name=Path(reference).name,
            device=self.device,
            seed=self.seed,
            settings=self.settings(),
        )


Task_ = Annotated[str, typer.Option("--task", metavar="TASK", help="What the programs solve.")]
Reference = Annotated[
    str,
    typer.Option(
        "--reference", metavar="FILE", help="Time against this program, not the shipped vectorised_greedy.py."
    ),
]
Cases = Annotated[
    list[str] | None,
    typer.Option(
        "--case",
        metavar="CASE",
        help="A standard case such as global-ep32, or your own by layers, experts, replicas, groups, nodes and gpus, "
        "as in layers=58,experts=256,...; may be repeated. Without it, all six standard cases.",
    ),
]
Traces = Annotated[
    list[Path] | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        help="Measured loads instead of generated ones (ADRS JSON, SGLang JSON or .pt, .npy); several files are the "
        "sequence of windows.",
    ),
]
FormOption = Annotated[
    Form | None,
    typer.Option("--form", help="What programs return: DeepSeek's triple (the default), or phy2log alone."),
]
Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Decides the generated loads.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="Limit of one call.")]
BudgetS = Annotated[
    float, typer.Option("--budget", metavar="SECONDS", min=0.001, help="How long each case is measured.")
]
Memory = Annotated[float, typer.Option("--memory", metavar="GB", min=0.001, help="Memory a program may take.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads a program may use.")]
Require = Annotated[
    SandboxLevel, typer.Option("--require", help="Refuse to run under weaker confinement (see packsmith doctor).")
]
FromRun = Annotated[
    Path | None,
    typer.Option(
        "--run", metavar="RUN", help="Judge as this run does: its workload, reference, seed, device and limits."
    ),
]
