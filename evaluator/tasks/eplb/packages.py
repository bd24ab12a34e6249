"""The engines that a packaged EPLB solver plugs into, and the files of a package for each.

Owns: which shipped file stands where in a package, and how its reader switches it on. Does not know: solvers, scores,
how a package is written. What these files say of vLLM and SGLang was read in the wheels of the versions named.
"""

from __future__ import annotations

from evaluator.task_protocol import Engine

_FOLDER = "programs/eplb/package"
_COMMON = {name: f"{_FOLDER}/{name}" for name in ("guard.py", "selftest.py")}

_PLUGGED_IN = """\
- An exception or an invalid answer of the solver is logged as a warning, and the engine's own policy plans.
- A plan is taken only if its balance (mean GPU load / largest) on the loads it was made from is better than that of
  the plan in force by at least $min_gain; otherwise the plan in force stays. The number is `min_gain` in the settings.
- Experts that stay on a GPU keep their slots.
"""
_ALONE = """\
- An invalid answer of the solver is an exception. `guard.decide` logs it instead, as it does an exception of the
  solver, and returns None; and it keeps a plan in force where the new one is not better by at least $min_gain.
- With `old_phy2log`, the plan in force, experts that stay on a GPU keep their slots.
"""

ENGINES = (
    Engine(
        name="vllm",
        files={**_COMMON, "vllm_policy.py": f"{_FOLDER}/vllm_policy.py"},
        protects=_PLUGGED_IN,
        entry_points={"vllm.general_plugins": "vllm_policy:register"},
        threaded=True,
        how="""\
vLLM loads it by itself, in each of its processes: the package is a plugin of the group `vllm.general_plugins`. If you
set `VLLM_PLUGINS`, add `$name` to it. Then start the server with EPLB on and its policy left at `default`, whose place
the packaged one takes:

    vllm serve MODEL --enable-expert-parallel --enable-eplb

Every rank says `EPLB plans with the packaged solver` in its log. Written for vLLM 0.32.
""",
    ),
    Engine(
        name="sglang",
        files={**_COMMON, "sglang_hook.py": f"{_FOLDER}/sglang_hook.py"},
        protects=_PLUGGED_IN,
        entry_points={"sglang.srt.plugins": "sglang_hook:register"},
        how="""\
SGLang loads it by itself, in each of its processes: the package is a plugin of the group `sglang.srt.plugins`. If you
set `SGLANG_PLUGINS`, add `$name` to it. Then start the server with EPLB on:

    python -m sglang.launch_server --model-path MODEL --ep-size N --enable-eplb

`--eplb-algorithm` still decides whether placement is hierarchical (`deepseek_hierarchical`, or `auto` where the nodes
divide the groups) or global; `elasticity_aware` keeps SGLang's own. Every rank says `EPLB plans with the packaged
solver` in its log. Written for SGLang 0.5.23.
""",
    ),
    Engine(
        name="plain",
        files={**_COMMON, "plain.py": f"{_FOLDER}/plain.py"},
        protects=_ALONE,
        how="""\
It is a function:

    from $module.plain import rebalance_experts
    phy2log, log2phy, logcnt = rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus)
""",
    ),
)
