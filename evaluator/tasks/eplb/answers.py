"""Validating a solver's EPLB answer: `phy2log` is the plan, and the other arrays must agree with it.

Owns: what a valid answer is, in both forms, and the texts that say what is wrong. Does not know: loads, scores.

Shapes: L layers, E experts, R replicas (slots), X the width of log2phy. Arrays may arrive in any dtype and shape. The
triple is what DeepSeek's EPLB returns: slot r is on GPU r // (R / GPUs), and the GPUs of a node are consecutive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb.cases import is_hierarchical
from evaluator.tasks.eplb.metrics import Ints, expert_counts
from evaluator.types import Answer, Array, InvalidAnswer

Form = Literal["triple", "phy2log"]
FORMS: tuple[Form, ...] = get_args(Form)

_RETURNS = {
    "triple": "three arrays (phy2log, log2phy, logcnt)",
    "phy2log": "phy2log alone, one array",
}
_ARRAYS = {1: "one array", 3: "three arrays"}


def answer_bytes(sizes: Mapping[str, int]) -> int:
    """The size in bytes of the largest valid answer, with 8 bytes per entry and the widest log2phy (X = R - E + 1).

    It fits a triple in both forms, so that an answer in the wrong form arrives and gets a clear rejection.
    """
    layers, experts, replicas = sizes["layers"], sizes["experts"], sizes["replicas"]
    return 8 * layers * (replicas + experts * (replicas - experts + 1) + experts)


def read_answer(answer: Answer, sizes: Mapping[str, int], form: Form) -> Ints:
    """The valid `phy2log` of an answer, int64 `[L, R]`, as a read-only copy. Raises InvalidAnswer."""
    expected = 3 if form == "triple" else 1
    if len(answer) != expected:
        count = _ARRAYS.get(len(answer), f"{len(answer)} arrays")
        raise InvalidAnswer("form", f"expected {_RETURNS[form]}, found {count}: this run's task option is form: {form}")
    phy2log_LR = _read_phy2log(answer[0], sizes)
    counts_LE = expert_counts(phy2log_LR, sizes["experts"])
    _check_every_expert(counts_LE)
    if is_hierarchical(sizes):
        _check_hierarchy(phy2log_LR, sizes)
    if form == "triple":
        _check_logcnt(answer[2], counts_LE)
        _check_log2phy(answer[1], phy2log_LR, counts_LE)
    return phy2log_LR


def _whole_numbers(name: str, array: Array) -> None:
    if array.dtype.kind not in "iu":
        raise InvalidAnswer("dtype", f"{name}: expected an integer dtype, found {array.dtype}")


def _read_phy2log(array: Array, sizes: Mapping[str, int]) -> Ints:
    _whole_numbers("phy2log", array)
    shape = (sizes["layers"], sizes["replicas"])
    if array.shape != shape:
        expected = f"the shape [layers, replicas] = {_text(shape)}"
        raise InvalidAnswer("shape", f"phy2log: expected {expected}, found {_text(array.shape)}")
    plan_LR = array.astype(np.int64)
    # Unsigned numbers beyond int64 become negative here, which is out of range too.
    if plan_LR.min() < 0 or plan_LR.max() >= sizes["experts"]:
        layer, slot = _first((plan_LR < 0) | (plan_LR >= sizes["experts"]))
        raise InvalidAnswer(
            "range",
            f"phy2log: expected experts 0 to {sizes['experts'] - 1}, found {array[layer, slot]} "
            f"at layer {layer}, slot {slot}",
        )
    plan_LR.setflags(write=False)
    return plan_LR


def _check_every_expert(counts_LE: Ints) -> None:
    if counts_LE.min() < 1:
        layer, expert = _first(counts_LE == 0)
        raise InvalidAnswer(
            "missing_expert",
            f"phy2log: expected every expert in at least one slot, found expert {expert} of layer {layer} in no slot",
        )


def _check_hierarchy(phy2log_LR: Ints, sizes: Mapping[str, int]) -> None:
    """Check that all replicas of a group's experts are on one node, with the same number of groups on each node."""
    layers, replicas = phy2log_LR.shape
    groups, nodes = sizes["groups"], sizes["nodes"]
    group_LR = phy2log_LR // (sizes["experts"] // groups)
    node_R = np.arange(replicas) // (replicas // nodes)
    on_LGN = np.zeros((layers, groups, nodes), dtype=bool)
    on_LGN[np.arange(layers)[:, None], group_LR, node_R] = True
    nodes_LG = on_LGN.sum(axis=2)
    if nodes_LG.max() > 1:
        layer, group = _first(nodes_LG > 1)
        on_nodes = ", ".join(map(str, np.flatnonzero(on_LGN[layer, group])))
        raise InvalidAnswer(
            "hierarchy",
            f"phy2log: expected all replicas of a group's experts on one node, found group {group} of layer {layer} "
            f"on nodes {on_nodes}",
        )
    groups_LN = on_LGN.sum(axis=1)
    if (groups_LN != groups // nodes).any():
        layer, node = _first(groups_LN != groups // nodes)
        raise InvalidAnswer(
            "hierarchy",
            f"phy2log: expected {groups // nodes} groups on each node, found {groups_LN[layer, node]} on node {node} "
            f"of layer {layer}",
        )


def _check_logcnt(array: Array, counts_LE: Ints) -> None:
    _whole_numbers("logcnt", array)
    if array.shape != counts_LE.shape:
        raise InvalidAnswer(
            "shape",
            f"logcnt: expected the shape [layers, experts] = {_text(counts_LE.shape)}, found {_text(array.shape)}",
        )
    wrong = array != counts_LE
    if wrong.any():
        layer, expert = _first(wrong)
        raise InvalidAnswer(
            "logcnt",
            f"logcnt: expected {counts_LE[layer, expert]}, the number of slots of expert {expert} of layer {layer} in "
            f"phy2log, found {array[layer, expert]}",
        )


def _check_log2phy(array: Array, phy2log_LR: Ints, counts_LE: Ints) -> None:
    """Check that log2phy[l, e] lists exactly the slots of expert e of layer l first, and -1 in all other entries."""
    _whole_numbers("log2phy", array)
    (layers, replicas), experts = phy2log_LR.shape, counts_LE.shape[1]
    narrowest, widest = int(counts_LE.max()), replicas - experts + 1
    if array.shape[:2] != counts_LE.shape or array.ndim != 3 or not narrowest <= array.shape[2] <= widest:
        raise InvalidAnswer(
            "shape",
            f"log2phy: expected the shape [layers, experts, X] = [{layers}, {experts}, X] with X from {narrowest} "
            f"(the largest count) to {widest}, found {_text(array.shape)}",
        )
    width = array.shape[2]
    count_F = counts_LE.ravel()
    starts_F = np.cumsum(count_F) - count_F
    rank_S = np.arange(layers * replicas) - np.repeat(starts_F, count_F)
    flat = np.ascontiguousarray(array).reshape(-1)
    slot_S = flat[np.repeat(np.arange(count_F.size) * width, count_F) + rank_S].astype(np.int64)
    expert_S = np.repeat(np.arange(count_F.size), count_F)
    layer_S = expert_S // experts
    inside_S = (slot_S >= 0) & (slot_S < replicas)
    holds_S = inside_S & (phy2log_LR[layer_S, np.where(inside_S, slot_S, 0)] == expert_S % experts)
    if not holds_S.all():
        raise _wrong_list(int(expert_S[_first(~holds_S)[0]]), array, phy2log_LR, counts_LE)
    seen = np.zeros(layers * replicas, dtype=bool)
    seen[layer_S * replicas + slot_S] = True
    if not seen.all():
        layer, slot = divmod(_first(~seen)[0], replicas)
        raise _wrong_list(layer * experts + int(phy2log_LR[layer, slot]), array, phy2log_LR, counts_LE)
    # All slots are in their places, so any further entry other than -1 is wrong.
    if np.count_nonzero(flat != -1) != layers * replicas:
        extra = (array != -1) & (np.arange(width) >= counts_LE[:, :, None])
        layer, expert, _ = _first(extra)
        raise _wrong_list(layer * experts + expert, array, phy2log_LR, counts_LE)


def _wrong_list(key: int, array: Array, phy2log_LR: Ints, counts_LE: Ints) -> InvalidAnswer:
    layer, expert = divmod(key, counts_LE.shape[1])
    slots = np.flatnonzero(phy2log_LR[layer] == expert)
    return InvalidAnswer(
        "log2phy",
        f"log2phy: expected the slots of expert {expert} of layer {layer}, {_text(slots)} in any order, then -1, "
        f"found {_text(array[layer, expert])}",
    )


def _first(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def _text(numbers: Any) -> str:
    shown = ", ".join(str(number) for number in numbers[:12])
    return f"[{shown}, ...]" if len(numbers) > 12 else f"[{shown}]"
