"""The options of `packsmith plan` and `packsmith assess` for this task, and their values.

Owns: the options, their help and examples, and the checks of single values. Does not know: what is done with them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from evaluator.task_protocol import TaskOption
from evaluator.tasks.eplb.dispatch import RULES, TOKENS_PER_RANK, Dispatch, Rule
from evaluator.tasks.eplb.engine_dispatch import dispatch_of
from evaluator.tasks.eplb.placement_formats import FORMATS, Format
from evaluator.tasks.options import check_keys, choice, items, whole_number
from evaluator.types import WorkloadError

PlanOn = Literal["newest", "sum"]
MOST = 2**20


_SIZES = (
    TaskOption(key="gpus", flag="--gpus", metavar="N", help="GPUs that share the experts of a layer."),
    TaskOption(key="nodes", flag="--nodes", metavar="N", help="Nodes that these GPUs are in; 1."),
)
_MODEL = TaskOption(
    key="model",
    flag="--model",
    metavar="CONFIG",
    help="The model's config.json: its layers with experts, their groups, and how large an expert is.",
)
_FROM = TaskOption(
    key="in_force",
    flag="--from",
    metavar="FILE",
    help="The placement in force, in any of the formats; without it, the one that an engine starts with.",
)
_TRACES = (
    TaskOption(
        key="traces",
        flag="--trace",
        metavar="PATH",
        repeated=True,
        help="Recorded loads: a file (ADRS JSON, SGLang JSON or .pt, .npy), or a folder of .pt files of SGLang's "
        "recorder; repeatable: all are one sequence of windows.",
    ),
    TaskOption(
        key="steps_per_window",
        flag="--steps-per-window",
        metavar="STEPS",
        help="Steps, such as forward passes, that are summed into one window.",
    ),
)
_DISPATCH = (
    TaskOption(
        key="dispatch",
        flag="--dispatch",
        choices=RULES,
        help="How tokens reach the replicas of an expert. By default as the engine sends them: sglang_static for "
        "sglang, which SGLang sets with an all-to-all backend (without one: even); vllm_hash for vllm; else even.",
    ),
    TaskOption(
        key="tokens_per_rank",
        flag="--tokens-per-rank",
        metavar="TOKENS",
        help=f"With vllm_hash: tokens of a rank in a forward pass; {TOKENS_PER_RANK}, as in decoding.",
    ),
)

PLAN_OPTIONS = (
    TaskOption(
        key="format",
        flag="--for",
        choices=FORMATS,
        help="The engine: the file is SGLang's --init-expert-location (.json or .pt), a map for a policy of vLLM, "
        "TensorRT-LLM's load_balancer (.yaml), vllm-ascend's expert_map_path, or our own JSON.",
    ),
    *_TRACES,
    *_SIZES,
    TaskOption(
        key="redundant",
        flag="--redundant",
        metavar="N",
        help="Slots of a layer beyond one for each expert; 0. With them, the slots must be a multiple of the GPUs.",
    ),
    _MODEL,
    TaskOption(
        key="groups",
        flag="--groups",
        metavar="N",
        help="Expert groups; the model's. If they are a multiple of the nodes, a group stays on one node; 1: anywhere.",
    ),
    *_DISPATCH,
    _FROM,
    TaskOption(
        key="plan_on",
        flag="--plan-on",
        choices=("newest", "sum"),
        help="Plan on the newest window, with those before it as history (the default), or on the sum of all.",
    ),
)
SCORE_OPTIONS = (
    TaskOption(key="format", flag="--format", choices=FORMATS, help="The file's format; by default it is recognised."),
    *_TRACES,
    *_SIZES,
    _MODEL,
    *_DISPATCH,
    TaskOption(
        key="in_force", flag="--from", metavar="FILE", help="Another placement, to compare and count moves from."
    ),
)
PLAN_EXAMPLES = (
    "packsmith plan best.py --for sglang --trace loads.json --gpus 32 --nodes 4 \\\n"
    "    --redundant 32 --model config.json -o placement.json",
    "packsmith plan best.py --for trtllm --trace dumps/ --gpus 36 --nodes 9 \\\n"
    "    --redundant 32 --model config.json --from old.yaml -o new.yaml",
)
SCORE_EXAMPLES = (
    "packsmith assess placement.json --trace loads.json --gpus 32",
    "packsmith assess new.yaml --trace later.json --gpus 36 --from old.yaml",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The values; None where they were not given."""

    format: str
    traces: tuple[Path, ...]
    steps_per_window: int | None
    gpus: int | None
    nodes: int | None
    redundant: int
    groups: int | None
    model: Path | None
    in_force: Path | None
    plan_on: PlanOn
    rule: Rule | None
    tokens_per_rank: int | None

    @classmethod
    def of(cls, values: Mapping[str, Any], known: Collection[TaskOption]) -> Options:
        """The options from their values; strict. Raises WorkloadError."""
        check_keys(values, [option.key for option in known], "options")
        flags = {option.key: option.flag for option in known}

        def number(key: str, least: int) -> int | None:
            value = values.get(key)
            if value is None:
                return None
            if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
                value = int(value)
            if whole_number(value, flags[key], least=least) > MOST:
                raise WorkloadError(f"{flags[key]} {value}: expected at most {MOST}")
            return int(value)

        def path(key: str) -> Path | None:
            return Path(values[key]) if values.get(key) else None

        kind, rule = values.get("format"), values.get("dispatch")
        if not values.get("traces"):
            raise WorkloadError(f"expected recorded loads ({flags['traces']} PATH), found none")
        return cls(
            format=choice(kind, FORMATS, flags["format"]) if kind is not None else "",
            traces=tuple(Path(each) for each in items(values["traces"], flags["traces"])),
            steps_per_window=number("steps_per_window", 1),
            gpus=number("gpus", 1),
            nodes=number("nodes", 1),
            redundant=number("redundant", 0) or 0,
            groups=number("groups", 1),
            model=path("model"),
            in_force=path("in_force"),
            plan_on=cast(PlanOn, choice(values.get("plan_on") or "newest", ("newest", "sum"), "--plan-on")),
            rule=cast(Rule, choice(rule, RULES, flags["dispatch"])) if rule is not None else None,
            tokens_per_rank=number("tokens_per_rank", 1),
        )

    def dispatch(self, engine: Format) -> Dispatch:
        """How tokens reach replicas: the rule that was given, or the engine's. Raises WorkloadError."""
        return dispatch_of(engine, self.rule, self.tokens_per_rank)

    @property
    def engine(self) -> Format:
        """The format of the file to write. Raises WorkloadError if none was given."""
        kind = next((kind for kind in FORMATS if kind == self.format), None)
        if kind is None:
            raise WorkloadError(f"expected the engine (--for {'|'.join(FORMATS)}), found none")
        return kind
