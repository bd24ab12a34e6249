"""Which levels of processor are imitated, from what numpy finds."""

from __future__ import annotations

import pytest

from evaluator.cpu_levels import levels_below

NEW = ("X86_V3", "X86_V4", "AVX512_ICL")
OLD = ("SSE41", "AVX", "FMA3", "AVX2", "AVX512F", "AVX512_SKX")


@pytest.mark.parametrize(
    ("found", "machine", "disabled"),
    [
        (NEW, "x86_64", {"AVX2": "X86_V4 AVX512_ICL", "baseline": "X86_V3 X86_V4 AVX512_ICL"}),
        (OLD, "x86_64", {"AVX2": "AVX512F AVX512_SKX", "baseline": " ".join(OLD)}),
        (("X86_V3",), "x86_64", {"baseline": "X86_V3"}),
        (("ASIMDHP", "SVE"), "aarch64", {"baseline": "ASIMDHP SVE"}),
        ((), "aarch64", {}),
    ],
)
def test_levels_leave_out_what_is_above(found: tuple[str, ...], machine: str, disabled: dict[str, str]) -> None:
    levels = {level.name: level.environment for level in levels_below(found, machine)}
    assert {name: environment["NPY_DISABLE_CPU_FEATURES"] for name, environment in levels.items()} == disabled
    for name, environment in levels.items():
        assert environment["ATEN_CPU_CAPABILITY"] == {"AVX2": "avx2", "baseline": "default"}[name]
        assert environment["NUMBA_CPU_FEATURES"] == ""
        assert ("OPENBLAS_CORETYPE" in environment) == (machine == "x86_64")
