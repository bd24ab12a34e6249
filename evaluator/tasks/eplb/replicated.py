"""The slots of experts with several replicas, in the order in which engines list them.

Owns: which slots these are, and their order. Does not know: how tokens are sent to them. Pure.

Shapes: L layers, E experts, R replicas (slots), X experts of a layer with several replicas, S their slots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluator.tasks.eplb.metrics import Ints, expert_counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicated:
    """The slots of experts with several replicas: by layer, expert and slot.

    `slot_S`: the slot within its layer. `place_S`: the slot, counted on over all layers. `expert_S`: which of the X
    experts it is a replica of. `first_X`: the place of the expert's first slot among S. `count_X`: its number of
    replicas.
    """

    slot_S: Ints
    place_S: Ints
    expert_S: Ints
    first_X: Ints
    count_X: Ints

    @classmethod
    def of(cls, phy2log_LR: Ints, experts: int) -> Replicated:
        layers, slots = phy2log_LR.shape
        count_LE = expert_counts(phy2log_LR, experts)
        several_LR = np.take_along_axis(count_LE > 1, phy2log_LR, axis=1)
        # Layer, expert and slot in the bits of one number: sorting these is much faster than sorting experts stably.
        slot_bits, expert_bits = (slots - 1).bit_length(), (experts - 1).bit_length()
        first_L1 = np.arange(layers)[:, None] << expert_bits
        number_LR = ((phy2log_LR + first_L1) << slot_bits) + np.arange(slots)
        number_S = np.sort(number_LR[several_LR])
        key_S = number_S >> slot_bits
        first_X = np.flatnonzero(changes(key_S))
        count_X = np.diff(first_X, append=len(key_S))
        slot_S = number_S & ((1 << slot_bits) - 1)
        return cls(
            slot_S=slot_S,
            place_S=slot_S + (key_S >> expert_bits) * slots,
            expert_S=np.repeat(np.arange(len(first_X)), count_X),
            first_X=first_X,
            count_X=count_X,
        )


def changes(key_S: Ints) -> NDArray[np.bool_]:
    """Where a run of equal keys begins; keys are not negative."""
    begins_S: NDArray[np.bool_] = np.diff(key_S, prepend=-1) != 0
    return begins_S
