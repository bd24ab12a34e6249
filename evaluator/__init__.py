"""The judge of packsmith: give it a program's source and a task, get a verdict.

What is imported here is its public face. Nothing in it knows of searching, and importing it does not import torch.
"""

from evaluator.agreement import Agreement, AgreementCheck, Disagreement, agreement
from evaluator.busy import BusyTime, busy_times
from evaluator.confined.sandbox import PROMISES
from evaluator.contract import CLAUSES, Finding, check_task_file, confined_programs
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
from evaluator.remote import Cluster, JudgeSpec, ProcessLine, RemoteJudge, Room
from evaluator.settings import LEVELS, JudgeSettings, Lane, TimingSettings
from evaluator.shipped import shipped
from evaluator.task_file import (
    FileTask,
    TaskFileError,
    Unfit,
    identified,
    is_task_file,
    kind_of,
    open_task_file,
    stored_task,
)
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
    JudgeLost,
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
    "CLAUSES",
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
    "Cluster",
    "Column",
    "Comparison",
    "Deployments",
    "Disagreement",
    "Drift",
    "Duel",
    "Engine",
    "Environment",
    "EvaluatorError",
    "FileTask",
    "Finding",
    "Grid",
    "Interval",
    "Judge",
    "JudgeLost",
    "JudgeSettings",
    "JudgeSpec",
    "Ladder",
    "Lane",
    "LayerSkew",
    "LoadsKind",
    "LoadsReport",
    "LocalExecutor",
    "NamedProgram",
    "OtherFailed",
    "Planned",
    "ProcessLine",
    "Progress",
    "Quality",
    "Redrawn",
    "Rejected",
    "RemoteJudge",
    "Room",
    "Samples",
    "Score",
    "Scored",
    "SoftwareMissing",
    "StepKinds",
    "Task",
    "TaskFileError",
    "TaskKind",
    "TaskOption",
    "TimingSettings",
    "Unfit",
    "Verdict",
    "WindowFigures",
    "Written",
    "agreement",
    "busy_times",
    "check_task_file",
    "combined_gain",
    "combined_speedup",
    "confined_programs",
    "cores",
    "cpu_name",
    "cuda_devices",
    "evaluate",
    "gpu_memory_promise",
    "hardware",
    "identified",
    "is_task_file",
    "joined",
    "kind_of",
    "mean_interval",
    "noise_warnings",
    "numba_version",
    "open_task_file",
    "plan",
    "shipped",
    "stored_task",
    "torch_version",
]
