"""The sizes of a case of balanced packing, and the kind of its weights.

Owns: which sizes are valid together, the standard cases, and how a case is named.
Does not know: how weights are drawn, plans, scores, where options come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from evaluator.tasks.balanced_packing.weights import WEIGHTS
from evaluator.types import WorkloadError

MAX_ROWS, MAX_ITEMS = 4096, 16384
MAX_WEIGHTS = 2**22
"""In one case: a call then takes at most 16 MiB, and an answer 64."""
SIZE_NAMES = ("rows", "items", "packs")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingCase:
    """`rows` independent instances of `items` weights each, for `packs` packs of equally many items.

    `weights` is a key of `WEIGHTS`. An empty name becomes one made of the sizes, such as `64x128-p16-uniform`. Raises
    WorkloadError for sizes that are invalid or do not divide.
    """

    name: str = ""
    rows: int
    items: int
    packs: int
    weights: str

    def __post_init__(self) -> None:
        where = f"case {self.name}" if self.name else "case"
        for size, value in self.sizes.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise WorkloadError(f"{where}: expected {size} to be a whole number of at least 1, found {value!r}")
        for size, most in (("rows", MAX_ROWS), ("items", MAX_ITEMS)):
            if self.sizes[size] > most:
                raise WorkloadError(f"{where}: expected at most {most} {size}, found {self.sizes[size]}")
        if self.rows * self.items > MAX_WEIGHTS:
            raise WorkloadError(
                f"{where}: expected at most {MAX_WEIGHTS} weights, found {self.rows} rows of {self.items}"
            )
        if self.items % self.packs:
            raise WorkloadError(
                f"{where}: expected items to be a multiple of packs ({self.packs}), found {self.items}: "
                "every pack holds equally many"
            )
        if self.weights not in WEIGHTS:
            raise WorkloadError(f"{where}: expected weights of {', '.join(WEIGHTS)}, found {self.weights!r}")
        if not self.name:
            object.__setattr__(self, "name", f"{self.rows}x{self.items}-p{self.packs}-{self.weights}")

    def held_out(self, split: str) -> PackingCase:
        """The case of a held-out split in place of this one: packs of one more item each (`gate`), or half as many
        packs (`final`); one more where there are fewer than four.
        """
        held = self.items // self.packs
        packs = self.packs if split == "gate" else self.packs // 2 if self.packs >= 4 else self.packs + 1
        items = packs * (held + 1) if split == "gate" else packs * held
        name = f"{self.name}-{split}"
        try:
            return replace(self, name=name, items=items, packs=packs)
        except WorkloadError:  # the largest size there is
            return replace(self, name=name)

    @property
    def sizes(self) -> Mapping[str, int]:
        return {name: getattr(self, name) for name in SIZE_NAMES}


def _standard(weights: str, rows: int, items: int, packs: int) -> PackingCase:
    return PackingCase(name=f"{weights}-{items}x{packs}", rows=rows, items=items, packs=packs, weights=weights)


STANDARD_CASES: Mapping[str, PackingCase] = MappingProxyType(
    {
        case.name: case
        for case in (
            _standard("loads", 58, 256, 32),
            _standard("loads", 64, 64, 16),
            _standard("uniform", 64, 128, 16),
            _standard("normal", 64, 100, 20),
            _standard("skewed", 64, 150, 25),
            _standard("ties", 64, 96, 16),
            _standard("planted", 64, 60, 20),
            _standard("narrow", 64, 16, 4),
        )
    }
)
