"""Sizes and loads that are held out from a search: those of the splits `gate` and `final`.

Owns: how they differ from the cases of a search. Does not know: how loads are made, plans, scores.

A held-out case keeps what its case is about (the hierarchy, how many slots an expert has on average, its dispatch) and
has other sizes, half as many layers or fewer, loads of another skew that drift otherwise, or recorded loads of other
files. So a program that is made for the very sizes or loads of a search shows there that it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from evaluator.tasks.eplb.cases import EplbCase
from evaluator.types import WorkloadError


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How generated loads of a split differ: `layers` is the share of the layers, `drift` and `skew` are factors."""

    layers: float
    drift: float
    skew: float


SHIFTS: Mapping[str, Shift] = MappingProxyType(
    {"gate": Shift(layers=0.5, drift=1.6, skew=0.88), "final": Shift(layers=0.35, drift=0.6, skew=1.12)}
)
"""By split. Fewer layers make calls cheap: a gate is measured for every program that would become the best."""


def held_out(case: EplbCase, split: str, *, experts_fixed: bool = False) -> EplbCase:
    """The case of a split in place of one of the search. `gate` has one more slot on each GPU. `final` has half as many
    experts, slots and GPUs; two more slots on each GPU where they cannot be halved or the experts are those of
    recorded loads.
    """
    layers = case.layers if experts_fixed else max(1, round(case.layers * SHIFTS[split].layers))
    name = f"{case.name}-{split}"
    if split == "final" and not experts_fixed and case.replicas % 2 == case.experts % 2 == case.gpus % 2 == 0:
        try:
            halves = {size: case.sizes[size] // 2 for size in ("experts", "replicas", "gpus")}
            return replace(case, name=name, layers=layers, **halves)
        except WorkloadError:  # groups or nodes do not divide them
            pass
    more = case.gpus * (1 if split == "gate" else 2)
    try:
        return replace(case, name=name, layers=layers, replicas=case.replicas + more)
    except WorkloadError:  # the largest size there is
        return replace(case, name=name, layers=layers)
