"""By which rule of dispatch each engine sends tokens to the replicas of a placement that it reads from a file.

Owns: which rule that is, and what people are told of it. Does not know: the rules themselves, files, loads.

Read in these engines (no GPU was there to run them):

- SGLang 0.5.23, `handle_eplb_and_dispatch`: an initial placement or EPLB sets `static` where there is an all-to-all
  backend, and `dynamic` without one: token t of a pass goes to replica t mod count, which is even for many
  tokens. Several nodes need a backend to be fast, and a plan for `static` shares as evenly under `dynamic`, so `static`
  is assumed: the other error is the costly one.
- vLLM 0.32.0: a hash of the token's number in the pass.
- TensorRT-LLM, `moeComputeRouteDevice`: in turn, from a position that depends on the rank: even for many tokens.
- vllm-ascend, `generate_log2phy_map`: rank r sends to replica r mod count, which is even where the count divides the
  GPUs.
"""

from __future__ import annotations

from collections.abc import Mapping

from evaluator.tasks.eplb.dispatch import Dispatch, Rule
from evaluator.tasks.eplb.placement_formats import Format

OF_ENGINE: Mapping[Format, Rule] = {
    "sglang": "sglang_static",
    "vllm": "vllm_hash",
    "trtllm": "even",
    "ascend": "even",
    "json": "even",
}


def dispatch_of(engine: Format, rule: Rule | None = None, tokens_per_rank: int | None = None) -> Dispatch:
    """The dispatch of a placement that the engine reads at its start, by its own rule unless one is given.

    Raises WorkloadError.
    """
    rule = rule or OF_ENGINE[engine]
    return Dispatch(rule=rule, tokens_per_rank=tokens_per_rank, at_start=rule == "sglang_static")


def told(dispatch: Dispatch, nodes: int) -> str:
    """What the balance is of, in a sentence for people; "" for an even split."""
    where = "1 node" if nodes == 1 else f"{nodes} nodes"
    if dispatch.rule == "sglang_static":
        return (
            f"balance is of what SGLang's static dispatch sends on {where} (--nodes), which it sets with an all-to-all "
            "backend; without one the split is even: --dispatch even"
        )
    if dispatch.rule == "vllm_hash":
        return f"balance is of where vLLM's hash sends the {dispatch.tokens} tokens of a rank (--tokens-per-rank)"
    return ""
