"""The sizes of an EPLB case.

Owns: which sizes are valid together, the six standard cases, and how a case is named.
Does not know: loads, plans, scores, where options come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

from evaluator.types import WorkloadError

MAX_LAYERS = 1024
MAX_REPLICAS = 16384


@dataclass(frozen=True, slots=True, kw_only=True)
class EplbCase:
    """`replicas` slots on `gpus` GPUs of `nodes` nodes, for `experts` experts in `groups` groups, in each of `layers`.

    An empty name becomes one generated from the sizes, such as `58x256-r288-g8-n4-gpu32`. Raises WorkloadError for
    sizes that are invalid or do not divide.
    """

    name: str = ""
    layers: int
    experts: int
    replicas: int
    groups: int
    nodes: int
    gpus: int

    def __post_init__(self) -> None:
        for size, value in self.sizes.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise WorkloadError(
                    f"{self._where}: expected {size} to be a whole number of at least 1, found {value!r}"
                )
        if self.layers > MAX_LAYERS:
            raise WorkloadError(f"{self._where}: expected at most {MAX_LAYERS} layers, found {self.layers}")
        if self.replicas > MAX_REPLICAS:
            raise WorkloadError(f"{self._where}: expected at most {MAX_REPLICAS} replicas, found {self.replicas}")
        if self.replicas < self.experts:
            raise WorkloadError(
                f"{self._where}: expected at least as many replicas as experts ({self.experts}), found {self.replicas}"
            )
        self._divides("replicas", "gpus")
        self._divides("gpus", "nodes")
        self._divides("experts", "groups")
        if not self.name:
            object.__setattr__(self, "name", self.generated_name)

    def _divides(self, whole: str, part: str) -> None:
        have, by = self.sizes[whole], self.sizes[part]
        if have % by:
            raise WorkloadError(f"{self._where}: expected {whole} to be a multiple of {part} ({by}), found {have}")

    @property
    def _where(self) -> str:
        return f"case {self.name}" if self.name else "case"

    @property
    def generated_name(self) -> str:
        return f"{self.layers}x{self.experts}-r{self.replicas}-g{self.groups}-n{self.nodes}-gpu{self.gpus}"

    @property
    def sizes(self) -> Mapping[str, int]:
        """The six integers that a solver receives, by name."""
        return {name: getattr(self, name) for name in SIZE_NAMES}

    def with_layers(self, layers: int) -> EplbCase:
        """The same case with another number of layers; a generated name follows the sizes."""
        return replace(self, layers=layers, name="" if self.name == self.generated_name else self.name)


SIZE_NAMES = tuple(f.name for f in fields(EplbCase) if f.name != "name")


def placement_blocks(sizes: Mapping[str, int]) -> int:
    """The number of blocks of consecutive expert ids that the placement rule distinguishes: the number of groups under
    the hierarchy (groups a multiple of nodes), else 1, because placement is then global.
    """
    return sizes["groups"] if sizes["groups"] % sizes["nodes"] == 0 else 1


def is_hierarchical(sizes: Mapping[str, int]) -> bool:
    """Whether the hierarchy constrains plans: more than one node, and the groups divide evenly among them."""
    return sizes["nodes"] > 1 and sizes["groups"] % sizes["nodes"] == 0


def _standard(name: str, replicas: int, groups: int, nodes: int, gpus: int) -> EplbCase:
    return EplbCase(name=name, layers=58, experts=256, replicas=replicas, groups=groups, nodes=nodes, gpus=gpus)


STANDARD_CASES: Mapping[str, EplbCase] = MappingProxyType(
    {
        case.name: case
        for case in (
            _standard("hier-ep32", 288, 8, 4, 32),
            _standard("global-ep32", 288, 1, 1, 32),
            _standard("global-ep72", 288, 1, 1, 72),
            _standard("global-ep144", 288, 1, 1, 144),
            _standard("hier-ep32-tight", 256, 8, 4, 32),
            _standard("global-ep32-tight", 256, 1, 1, 32),
        )
    }
)
