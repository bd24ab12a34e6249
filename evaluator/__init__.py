"""The judge of packsmith: give it a program's source and a task, get a verdict.

What is imported here is its public face. Nothing in it knows of searching, and importing it does not import torch.
"""

from evaluator.agreement import Agreement, AgreementCheck, Disagreement, agreement
from evaluator.busy import BusyTime, busy_times
from evaluator.confined.sandbox import PROMISES
from evaluator.environment import (
    cores,
    cpu_name,
    cuda_devices,
    hardware,
    noise_warnings,
    numba_version,
    torch_version,
)
from evaluator.evaluate import Judge, evaluate
from evaluator.executors import EXECUTORS, LocalExecutor
from evaluator.gpus import promise as gpu_memory_promise
from evaluator.loads import TOP, Advice, Drift, LayerSkew, LoadsReport, StepKinds, WindowFigures, Written
from evaluator.measuring.redraws import Redrawn
from evaluator.measuring.stats import combined_gain, combined_speedup, joined
from evaluator.measuring.student import mean_interval
from evaluator.planning import Planned, plan
from evaluator.settings import LEVELS, JudgeSettings, Lane, TimingSettings
from evaluator.shipped import shipped
from evaluator.task_protocol import (
    Appraisal,
    Column,
    Deployments,
    Engine,
    Grid,
    Ladder,
    LoadsKind,
    NamedProgram,
    SoftwareMissing,
    Task,
    TaskKind,
    TaskOption,
)
from evaluator.tasks import DEFAULT_TASK, TASKS
from evaluator.types import (
    Case,
    CaseQuality,
    CaseScore,
    Comparison,
    Duel,
    Environment,
    EvaluatorError,
    Interval,
    OtherFailed,
    Progress,
    Quality,
    Rejected,
    Samples,
    Score,
    Scored,
    Verdict,
)

__all__ = [
    "DEFAULT_TASK",
    "EXECUTORS",
    "LEVELS",
    "PROMISES",
    "TASKS",
    "TOP",
    "Advice",
    "Agreement",
    "AgreementCheck",
    "Appraisal",
    "BusyTime",
    "Case",
    "CaseQuality",
    "CaseScore",
    "Column",
    "Comparison",
    "Deployments",
    "Disagreement",
    "Drift",
    "Duel",
    "Engine",
    "Environment",
    "EvaluatorError",
    "Grid",
    "Interval",
    "Judge",
    "JudgeSettings",
    "Ladder",
    "Lane",
    "LayerSkew",
    "LoadsKind",
    "LoadsReport",
    "LocalExecutor",
    "NamedProgram",
    "OtherFailed",
    "Planned",
    "Progress",
    "Quality",
    "Redrawn",
    "Rejected",
    "Samples",
    "Score",
    "Scored",
    "SoftwareMissing",
    "StepKinds",
    "Task",
    "TaskKind",
    "TaskOption",
    "TimingSettings",
    "Verdict",
    "WindowFigures",
    "Written",
    "agreement",
    "busy_times",
    "combined_gain",
    "combined_speedup",
    "cores",
    "cpu_name",
    "cuda_devices",
    "evaluate",
    "gpu_memory_promise",
    "hardware",
    "joined",
    "mean_interval",
    "noise_warnings",
    "numba_version",
    "plan",
    "shipped",
    "torch_version",
]
