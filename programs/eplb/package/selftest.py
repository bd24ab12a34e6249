"""The package's own test: `python -m PACKAGE.selftest`, or with pytest.

It needs numpy and torch, and no engine: the real solver answers, and a failing one is put in its place where that is
tested.
"""

import hashlib
import logging
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from . import guard

SHAPES = ((8, 64, 80, 8, 4, 16), (8, 64, 72, 1, 1, 8), (3, 24, 24, 3, 2, 4))
"""Layers, experts, replicas, groups, nodes, GPUs: on nodes, anywhere, and groups that the nodes do not divide."""


def loads(layers, experts, seed=0):
    """Whole numbers, so with ties, as engines count tokens."""
    drawn = np.random.default_rng(seed).lognormal(3, 0.8, (layers, experts))
    return torch.from_numpy(np.rint(drawn).astype(np.int64))


@contextmanager
def answering(answer):
    """Another solver in the place of the packaged one; yields the warnings that are logged meanwhile."""
    warnings = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())
    own, guard.solver.rebalance_experts = guard.solver.rebalance_experts, answer
    guard.log.addHandler(handler)
    try:
        yield warnings
    finally:
        guard.solver.rebalance_experts = own
        guard.log.removeHandler(handler)


def dealt(layers, experts, replicas):
    """A valid plan that knows no loads: the experts in turn."""
    return (torch.arange(replicas) % experts).repeat(layers, 1)


def test_the_solver_is_the_one_that_was_packaged():
    source = Path(guard.solver.__file__).read_bytes()
    assert hashlib.sha256(source).hexdigest() == guard.PROVENANCE["solver"]["sha256"]


def test_plans_are_valid_and_whole():
    for layers, experts, *sizes in SHAPES:
        plan = guard.decide(loads(layers, experts), *sizes)
        assert plan is not None and plan.dtype == torch.int64 and plan.shape == (layers, sizes[0])
        assert all(len(set(row)) == experts for row in plan.tolist())
        phy2log, log2phy, logcnt = guard.triple(plan, experts)
        assert int(logcnt.sum()) == phy2log.numel() == int((log2phy >= 0).sum())


def test_a_process_of_its_own_gives_the_same_plan():
    layers, experts, *sizes = SHAPES[0]
    code = (
        f"import hashlib; from {__package__} import guard, selftest; "
        f"plan = guard.decide(selftest.loads({layers}, {experts}), *{sizes}); "
        "print(hashlib.sha256(plan.numpy().tobytes()).hexdigest())"
    )
    folder = str(Path(__file__).resolve().parents[1])
    code = f"import sys; sys.path.insert(0, {folder!r}); {code}"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    mine = guard.decide(loads(layers, experts), *sizes).numpy().tobytes()
    assert said.split()[-1] == hashlib.sha256(mine).hexdigest()


def test_an_exception_leaves_the_plan_to_the_engine():
    def fails(*args, **kwargs):
        raise RuntimeError("no room left")

    with answering(fails) as warnings:
        assert guard.decide(loads(3, 24), 24, 1, 1, 4) is None
    assert "no room left" in warnings[0]


def test_an_invalid_answer_leaves_the_plan_to_the_engine():
    layers, experts, replicas = 3, 24, 32
    good = dealt(layers, experts, replicas)
    answers = {
        "no slot": good.clamp(max=experts - 2),
        "out of range": good + 1,
        "shape": good[:, 1:],
        "whole numbers": good.float(),
        "more than one node": good,
    }
    for words, answer in answers.items():
        with answering(lambda *args, answer=answer, **kwargs: answer) as warnings:
            assert guard.decide(loads(layers, experts), replicas, 4, 2, 4) is None
        assert words in warnings[0], (words, warnings)


def test_a_plan_that_is_not_better_is_not_taken():
    layers, experts, *sizes = SHAPES[1]
    weight = loads(layers, experts)
    best = guard.decide(weight, *sizes)
    worse = dealt(layers, experts, sizes[0])
    with answering(lambda *args, **kwargs: worse):
        assert torch.equal(guard.decide(weight, *sizes, in_force=best), best)
        assert torch.equal(guard.decide(weight, *sizes, in_force=best - 1), worse), "that one was not valid"
    assert torch.equal(guard.decide(weight * 0, *sizes, in_force=worse), worse)


def test_experts_that_stay_on_a_gpu_keep_their_slots():
    layers, experts, *sizes = SHAPES[1]
    capacity = sizes[0] // sizes[3]
    load = loads(layers, experts).float()
    old = dealt(layers, experts, sizes[0]).view(layers, -1, capacity).flip(2).flatten(1)
    plan, _ = guard.planned(load, *sizes, in_force=old)
    for layer in range(layers):
        for begin in range(0, sizes[0], capacity):
            before, now = (row[layer][begin : begin + capacity].tolist() for row in (old, torch.from_numpy(plan)))
            for expert in set(before) & set(now):
                assert before.index(expert) in [at for at, there in enumerate(now) if there == expert]


def test_static_dispatch_is_weighed_by_what_each_rank_sends():
    # Four ranks on two nodes, two slots each. Expert 0 is on ranks 0, 1 and 2, expert 1 twice on rank 3.
    row, count = np.array([0, 2, 0, 3, 0, 4, 1, 1]), np.array([3.0, 2.0, 1.0, 1.0, 1.0])
    ranks = guard.ranks_of(row, 4, 2, count)
    assert ranks.tolist() == [1, 4, 1, 4, 2, 4, 2.5, 1.5], "rank 3 sends to rank 2; ranks 0 to 2 draw"


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"passed: {name}")
