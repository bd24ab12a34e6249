"""What placements are worth on recorded loads, as figures for machines and for people.

Owns: which figures there are, and their words. Does not know: files, programs, engines, how a rule of dispatch shares
load.

Shapes: W windows, L layers with experts, E experts, R slots, M GPUs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.task_protocol import Appraisal, Grid
from evaluator.tasks.eplb.bounds import largest_load_bound
from evaluator.tasks.eplb.cases import is_hierarchical
from evaluator.tasks.eplb.dispatch import EVEN, Dispatch
from evaluator.tasks.eplb.layouts import Layout
from evaluator.tasks.eplb.metrics import Floats, Ints, on_gpus, ratio
from evaluator.tasks.eplb.model_config import Model

WORST_LAYERS = 5
SHOWN_WINDOWS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where placements are judged: the recorded loads `[W, L, E]`, the sizes of a case (without its replicas, which
    placements have), the layers, the model, if it is known, and how tokens are sent to replicas.
    """

    loads: Floats
    sizes: Mapping[str, int]
    layout: Layout
    model: Model | None = None
    dispatch: Dispatch = EVEN

    @property
    def gpus(self) -> int:
        return self.sizes["gpus"]

    def ceilings(self, replicas: int) -> Floats:
        """The largest GPU load that no placement can go below, for the last windows: `[up to SHOWN_WINDOWS, L]`."""
        loads = self.loads[-SHOWN_WINDOWS:]
        sizes = {**self.sizes, "replicas": replicas}
        dividers = self.dispatch.dividers(replicas - loads.shape[2] + 1, self.gpus)
        return largest_load_bound(loads.reshape(-1, loads.shape[2]), sizes, dividers).reshape(loads.shape[:2])

    @property
    def record(self) -> dict[str, Any]:
        """The rule of dispatch as JSON values."""
        hashed = self.dispatch.rule == "vllm_hash"
        tokens = self.dispatch.tokens if hashed else None
        return {"rule": self.dispatch.rule, "nodes": self.sizes["nodes"], "tokens_per_rank": tokens}


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A placement `[L, R]`, and its name in tables."""

    name: str
    slots: Ints


def _held(slots_LR: Ints, experts: int, gpus: int) -> NDArray[np.bool_]:
    """Which GPU holds which experts: bool `[L, M, E]`."""
    layers, replicas = slots_LR.shape
    held_LME = np.zeros((layers, gpus, experts), dtype=bool)
    held_LME[np.arange(layers)[:, None], np.arange(replicas) // (replicas // gpus), slots_LR] = True
    return held_LME


def doubled(slots_LR: Ints, experts: int, gpus: int) -> int:
    """How many slots hold an expert that another slot of the same GPU and layer holds already: memory without use."""
    return int(slots_LR.size - _held(slots_LR, experts, gpus).sum())


def fetched(old_LR: Ints, new_LR: Ints, experts: int, gpus: int, nodes: int) -> NDArray[np.int64]:
    """The experts that each GPU must fetch, and those of them that no GPU of its node held: int64 `[2, M]`. The two
    placements may differ in slots.
    """
    old_LME = _held(old_LR, experts, gpus)
    fresh_LME = _held(new_LR, experts, gpus) & ~old_LME
    on_node_LME = old_LME.reshape(len(old_LME), nodes, -1, experts).any(axis=2).repeat(gpus // nodes, axis=1)
    across_LME = fresh_LME & ~on_node_LME
    return np.stack([fresh_LME.sum(axis=(0, 2)), across_LME.sum(axis=(0, 2))])


def appraise(
    site: Site, placed: Named, base: Named | None, *, earlier_LR: Ints | None = None, by_window: bool = False
) -> Appraisal:
    """What a placement is worth, beside `base`, the one that it replaces. `earlier_LR` is one that its program made
    without the newest window, which it is scored on. `by_window` also shows every window.
    """
    named = [placed] if base is None else [base, placed]
    found = _Balances.of(site, named, earlier_LR)
    even = found if site.dispatch.rule == EVEN.rule else _Balances.of(replace(site, dispatch=EVEN), named, earlier_LR)
    worth, ceilings = found.worths[placed.name], found.ceilings
    grids = [_balance_grid(site, found)]
    if found.rows != even.rows:
        grids.append(Grid(title="If replicas shared evenly", headings=grids[0].headings, rows=even.rows))
    if by_window and len(site.loads) > 1:
        grids.append(_window_grid(found.worths, ceilings))
    layers = [
        (number, *(each.layers[at] for each in found.worths.values()), found.layer_ceilings[at])
        for at, number in enumerate(site.layout.numbers)
    ]
    newest = ", on the newest window" * (len(site.loads) > 1)
    grids.append(_layer_grid(tuple(found.worths), layers, f"Worst layers{newest}"))
    moves, doubles, memory = _moves(site, placed, base), _doubled(site, placed, base), _memory(site, placed)
    return Appraisal(
        record={
            "windows": len(site.loads),
            "dispatch": site.record,
            "balance": found.record(placed, base),
            "balance_even": even.record(placed, base),
            "by_window": worth.by_window,
            "layers": [
                {"layer": row[0], "placement": row[-2], "from": None if base is None else row[1], "ceiling": row[-1]}
                for row in layers
            ],
            "moves": moves.record,
            "doubled": doubles.record,
            "memory": memory.record,
        },
        grids=tuple(grids),
        facts=tuple((name, fact.text) for name, fact in (("moves", moves), ("doubled", doubles), ("memory", memory))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worth:
    """The mean and the largest GPU load of a placement, `[W, L]`, and the balances that follow."""

    mean_WL: Floats
    max_WL: Floats

    @classmethod
    def of(cls, site: Site, slots_LR: Ints) -> _Worth:
        experts, nodes = site.layout.experts, site.sizes["nodes"]
        carried = site.dispatch.carrier(slots_LR, experts, site.gpus, nodes)
        loads_WLM = np.stack([on_gpus(carried(load_LE), site.gpus) for load_LE in site.loads])
        return cls(mean_WL=loads_WLM.mean(axis=2), max_WL=loads_WLM.max(axis=2))

    @property
    def by_window(self) -> list[float]:
        return _ratios(self.mean_WL, self.max_WL)

    @property
    def newest(self) -> float:
        return self.by_window[-1]

    @property
    def layers(self) -> list[float]:
        """The balance of each layer on the newest window."""
        return [ratio(mean, largest) for mean, largest in zip(self.mean_WL[-1], self.max_WL[-1], strict=True)]

    @property
    def record(self) -> dict[str, float]:
        return {
            "newest": self.newest,
            "all": ratio(self.mean_WL.sum(), self.max_WL.sum()),
            "worst_window": min(self.by_window),
        }


def _ratios(mean_WL: Floats, max_WL: Floats) -> list[float]:
    return [ratio(mean.sum(), largest.sum()) for mean, largest in zip(mean_WL, max_WL, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Balances:
    """The worth of each placement by its name, the balance of the one planned earlier, and the ceilings: of the last
    windows, and of each layer on the newest.
    """

    worths: Mapping[str, _Worth]
    earlier: float | None
    ceilings: Sequence[float]
    layer_ceilings: Sequence[float]

    @classmethod
    def of(cls, site: Site, named: Sequence[Named], earlier_LR: Ints | None) -> _Balances:
        """The last of `named` decides how many replicas the ceilings are for."""
        worths = {each.name: _Worth.of(site, each.slots) for each in named}
        ceiling_WL = site.ceilings(named[-1].slots.shape[1])
        mean_WL = worths[named[-1].name].mean_WL[-len(ceiling_WL) :]
        return cls(
            worths=worths,
            earlier=None if earlier_LR is None else _Worth.of(site, earlier_LR).newest,
            ceilings=_ratios(mean_WL, ceiling_WL),
            layer_ceilings=[ratio(mean, most) for mean, most in zip(mean_WL[-1], ceiling_WL[-1], strict=True)],
        )

    def record(self, placed: Named, base: Named | None) -> dict[str, Any]:
        return {
            "placement": self.worths[placed.name].record,
            "from": None if base is None else self.worths[base.name].record,
            "planned_a_window_earlier": self.earlier,
            "ceiling": self.ceilings[-1],
        }

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The same in words; of a single window, one figure a row."""
        rows: list[tuple[str, ...]] = [
            (name, *(f"{value:.4f}" for value in worth.record.values())) for name, worth in self.worths.items()
        ]
        if self.earlier is not None:
            rows.append(("planned a window earlier", f"{self.earlier:.4f}", "", ""))
        rows.append(("ceiling", f"{self.ceilings[-1]:.4f}", "", ""))
        single = all(len(worth.mean_WL) == 1 for worth in self.worths.values())
        return tuple(row[:2] if single else row for row in rows)


def _balance_grid(site: Site, found: _Balances) -> Grid:
    count, rule = len(site.loads), site.dispatch.rule
    under = "" if rule == "even" else f" under {rule}"
    note = "the ceiling is for placements that keep a group of experts on one node"
    return Grid(
        title=f"Balance{under}: mean GPU load / largest GPU load",
        headings=("", *(("newest\nwindow", f"all {count}\nwindows", "worst\nwindow") if count > 1 else ("balance",))),
        rows=found.rows,
        note=note if is_hierarchical(site.sizes) else "",
    )


def _window_grid(worths: Mapping[str, _Worth], ceilings: Sequence[float]) -> Grid:
    count = len(next(iter(worths.values())).mean_WL)
    first = max(0, count - SHOWN_WINDOWS)
    rows = [
        (str(at), *(f"{worth.by_window[at]:.4f}" for worth in worths.values()), f"{ceilings[at - count]:.4f}")
        for at in range(first, count)
    ]
    return Grid(
        title="Balance by window",
        headings=("window", *worths, "ceiling"),
        rows=tuple(rows),
        note=f"windows before {first} are not shown" if first else "",
    )


def _layer_grid(names: tuple[str, ...], layers: Sequence[tuple[float, ...]], title: str) -> Grid:
    worst = sorted(layers, key=lambda row: row[-2])[:WORST_LAYERS]
    return Grid(
        title=title,
        headings=("layer", *names, "ceiling"),
        rows=tuple((str(row[0]), *(f"{value:.4f}" for value in row[1:])) for row in worst),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fact:
    """A figure as JSON values and as words; no words where there is nothing to say."""

    record: Mapping[str, Any] | None = None
    text: str = ""


def _moves(site: Site, placed: Named, base: Named | None) -> _Fact:
    if base is None:
        return _Fact()
    moved, crossed = fetched(base.slots, placed.slots, site.layout.experts, site.gpus, site.sizes["nodes"])
    count, slots = int(moved.sum()), placed.slots.size
    record: dict[str, Any] = {"experts": count, "across_nodes": int(crossed.sum()), "slots": slots}
    text = f"{count:,} of {slots:,} slots get an expert that their GPU did not hold"
    if site.sizes["nodes"] > 1:
        text += f", {crossed.sum():,} of them from another node"
    size = site.model.expert_bytes if site.model is not None else None
    record["bytes"] = None if size is None else round(count * size)
    if size is not None:
        text += f": {_bytes(count * size)}, at most {_bytes(moved.max() * size)} to one GPU"
    return _Fact(record=record, text=text)


def _doubled(site: Site, placed: Named, base: Named | None) -> _Fact:
    counts = [doubled(each.slots, site.layout.experts, site.gpus) for each in (placed, base) if each is not None]
    redundant = placed.slots.size - len(placed.slots) * site.layout.experts
    text = f"{counts[0]:,} of {redundant:,} redundant slots hold an expert that is on the same GPU already"
    record = {"placement": counts[0], "from": None if base is None else counts[1], "redundant_slots": redundant}
    return _Fact(record=record, text=text + ("" if base is None else f" (before: {counts[1]:,})"))


def _memory(site: Site, placed: Named) -> _Fact:
    layers, replicas = placed.slots.shape
    a_gpu = layers * (replicas - site.layout.experts) / site.gpus
    if site.model is None or site.model.expert_bytes is None:
        why = "the model's config.json (--model) is not given" if site.model is None else site.model.precision
        return _Fact(text=f"redundant slots: {a_gpu:,.0f} experts a GPU; how large one is is not known: {why}")
    size = site.model.expert_bytes
    return _Fact(
        record={"redundant_bytes_a_gpu": round(a_gpu * size), "expert_bytes": round(size)},
        text=f"redundant slots take {_bytes(a_gpu * size)} a GPU: {a_gpu:,.0f} experts of {_bytes(size)} in "
        f"{site.model.precision}",
    )


def _bytes(count: float) -> str:
    """A number of bytes in the unit that leaves one to three digits before the point: `2.55 GB`."""
    units = ("bytes", "kB", "MB", "GB", "TB")
    at = min(len(units) - 1, max(0, int(np.log10(max(count, 1.0)) // 3)))
    return f"{count / 1000**at:.3g} {units[at]}"
