"""The CPU levels below its own that this machine can imitate: what an older processor would make libraries choose.

Owns: the environment variables by which numpy, torch, OpenBLAS and numba are held to a level. Does not know: programs,
processes.

Libraries pick code by what the processor can do, and code for another level may order equal values differently or add
in another order. The variables must stand in the environment before a library is imported.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuLevel:
    """A level by its name, and the environment that imitates it."""

    name: str
    environment: Mapping[str, str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "environment", MappingProxyType(dict(self.environment)))


def cpu_levels() -> tuple[CpuLevel, ...]:
    """The levels below the machine's own, highest first; () where numpy knows nothing above its baseline here."""
    return levels_below(tuple(np.show_config(mode="dicts")["SIMD Extensions"]["found"]), platform.machine())


def levels_below(found: tuple[str, ...], machine: str) -> tuple[CpuLevel, ...]:
    """The levels below a machine on which numpy finds these features above its baseline.

    numpy names features (AVX2, AVX512F) up to version 2.3, and levels (X86_V3, X86_V4) from 2.4 on. It ignores names
    that it does not know, and none includes another, so all that are above a level are named.
    """
    x86 = machine in ("x86_64", "AMD64")
    beyond_avx2 = tuple(name for name in found if name.startswith("AVX512") or name == "X86_V4")
    levels = []
    if x86 and beyond_avx2 and beyond_avx2 != found:
        others = {"NUMBA_CPU_NAME": "haswell", "OPENBLAS_CORETYPE": "Haswell"}
        levels.append(_level("AVX2", beyond_avx2, "avx2", others))
    if found:
        blas = {"OPENBLAS_CORETYPE": "Nehalem"} if x86 else {}
        levels.append(_level("baseline", found, "default", {"NUMBA_CPU_NAME": "generic", **blas}))
    return tuple(levels)


def _level(name: str, without: tuple[str, ...], torch: str, others: Mapping[str, str]) -> CpuLevel:
    """A level without these of numpy's features, and with this level of torch's kernels."""
    variables = {"NPY_DISABLE_CPU_FEATURES": " ".join(without), "ATEN_CPU_CAPABILITY": torch, "NUMBA_CPU_FEATURES": ""}
    return CpuLevel(name=name, environment={**variables, **others})
