"""Expert-parallel load balancing (EPLB): the task, its workloads and its metrics, in one folder."""

from evaluator.task_protocol import LoadsKind, TaskKind
from evaluator.tasks.eplb.about import LOADS_EXAMPLES, LOADS_OPTIONS, LOADS_READ, OPTIONS
from evaluator.tasks.eplb.deployment import DEPLOYMENTS
from evaluator.tasks.eplb.engines import ENGINE_POLICIES, read_policy
from evaluator.tasks.eplb.packages import ENGINES
from evaluator.tasks.eplb.recording import read_recording
from evaluator.tasks.eplb.task import Eplb
from evaluator.tasks.eplb.trace_files import FORMATS

KIND = TaskKind(
    build=Eplb.from_options,
    options=OPTIONS,
    loads=LoadsKind(
        read=read_recording, formats=FORMATS, reads=LOADS_READ, examples=LOADS_EXAMPLES, options=LOADS_OPTIONS
    ),
    deployments=DEPLOYMENTS,
    policies=tuple(ENGINE_POLICIES),
    read_policy=read_policy,
    engines=ENGINES,
)

__all__ = ["KIND", "Eplb"]
