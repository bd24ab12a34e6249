"""How EPLB describes itself to reports and to the command line.

Owns: its columns, its ladder, its reference programs, and its command-line options.
Does not know: calls, plans, scores.
"""

from __future__ import annotations

from collections.abc import Mapping

from evaluator.task_protocol import Column, Ladder, TaskOption
from evaluator.tasks.eplb.answers import FORMS, Form
from evaluator.tasks.eplb.dispatch import RULES, TOKENS_PER_RANK
from evaluator.tasks.eplb.step_kinds import STEP_KINDS
from evaluator.types import WorkloadError

SAME_WINDOW = "same_window_balance"
"""The balance of plans on the windows they were made from."""

COLUMNS = (Column(key=SAME_WINDOW, heading="same\nwindow"),)

REFERENCES: Mapping[Form, str] = {
    "triple": "programs/eplb/vectorised_greedy.py",
    "phy2log": "programs/eplb/vectorised_greedy_phy2log.py",
}
"""The same algorithm in both forms; programs are compared only within a form."""

LADDER = Ladder(
    programs=(
        "programs/eplb/random_placement.py",
        "programs/eplb/snake.py",
        "programs/eplb/greedy.py",
        "programs/eplb/lpt_swap.py",
    ),
    metric=SAME_WINDOW,
    step=5e-4,
    note="With two slots per GPU, sorting and folding is already optimal, so snake, greedy and lpt_swap tie there; "
    "elsewhere a tie means that the case tells little.",
)
"""All return the triple."""

UNEVEN_LADDER = Ladder(
    programs=("programs/eplb/random_placement.py", "programs/eplb/greedy.py", "programs/eplb/lpt_swap.py"),
    metric=SAME_WINDOW,
    step=5e-4,
    note="Where replicas do not share evenly, a program that balances for an even split can lose to one that does not: "
    "a tie tells little of the case.",
)
"""Without snake, which such a rule of dispatch places before or behind greedy."""


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
            raise WorkloadError(f"--case {text}: expected {key.strip()}=WHOLE NUMBER, found {part.strip()!r}")
    return sizes


def read_steps(text: str) -> int:
    """A number of steps on the command line."""
    return _whole_number(text, "--steps-per-window")


def read_tokens(text: str) -> int:
    """A number of tokens on the command line."""
    return _whole_number(text, "--tokens-per-rank")


def _whole_number(text: str, flag: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise WorkloadError(f"{flag} {text}: expected a whole number of at least 1")
    return int(text)


LOADS_READ = (
    "Reads ADRS JSON, SGLang's logical_count as JSON or .pt, folders of its .pt dumps, folders of TensorRT-LLM's "
    "expert statistics, and .npy [steps, layers, experts]."
)
LOADS_EXAMPLES = (
    "recorded.json",
    "monday.json tuesday.json --layers 3-60 --only decode",
    "dumps/ --windows 4-9 --json",
    "dumps/ --to npy -o steps.npy",
    "steps.npy --windows 6-9 --to sglang -o last.pt",
)
LOADS_OPTIONS = (
    TaskOption(
        key="steps_per_window",
        flag="--steps-per-window",
        metavar="STEPS",
        parse=read_steps,
        help="Steps, such as forward passes, that are summed into one window. Default: 100 for ADRS, as many as make 6 "
        "to 16 windows for SGLang, 1 for .npy. With --to: write windows instead of steps.",
    ),
    TaskOption(
        key="only",
        flag="--only",
        choices=STEP_KINDS,
        help="Decode or prefill steps alone, told apart by the load of a step; windows are of these.",
    ),
)
"""Of `packsmith loads`."""

OPTIONS = (
    TaskOption(
        key="cases",
        flag="--case",
        metavar="CASE",
        repeated=True,
        parse=read_case,
        help="A standard case such as global-ep32, or your own by layers, experts, replicas, groups, nodes and gpus, "
        "as in layers=58,experts=256,...; repeatable. Default: all six standard cases.",
    ),
    TaskOption(
        key="traces",
        flag="--trace",
        metavar="PATH",
        repeated=True,
        parse=str,
        help="Measured loads instead of generated ones: a file (ADRS JSON, SGLang JSON or .pt, .npy), or a folder of "
        ".pt files of SGLang's recorder or of TensorRT-LLM's statistics; repeatable: all are one sequence of windows.",
    ),
    TaskOption(
        key="steps_per_window",
        flag="--steps-per-window",
        metavar="STEPS",
        parse=read_steps,
        help="With --trace: steps, such as forward passes, that are summed into one window.",
    ),
    TaskOption(
        key="form",
        flag="--form",
        choices=FORMS,
        help="What programs return: DeepSeek's triple (the default), or phy2log only.",
    ),
    TaskOption(
        key="dispatch",
        flag="--dispatch",
        choices=RULES,
        help="How tokens reach the replicas of an expert: evenly (the default), or as SGLang (static dispatch) or vLLM "
        "(hashed token numbers) send them.",
    ),
    TaskOption(
        key="tokens_per_rank",
        flag="--tokens-per-rank",
        metavar="TOKENS",
        parse=read_tokens,
        help=f"With --dispatch vllm_hash: tokens of a rank in a forward pass. Default: {TOKENS_PER_RANK}.",
    ),
)
