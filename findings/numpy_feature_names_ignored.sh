#!/usr/bin/env bash
# Software  numpy 2.4.6 and, for comparison, 2.3.5
# Guess     NPY_DISABLE_CPU_FEATURES="AVX512F AVX2" makes numpy do without these instructions, as it did for years; a
#           name that numpy does not know would be an error, or at least be said.
# Seen      numpy 2.4 knows the levels X86_V3 (AVX2) and X86_V4 (AVX-512) instead of single features. For the old names
#           it raises an ImportWarning, which Python hides unless told otherwise, and goes on with all instructions.
#           Levels do not include each other: without X86_V3 it still finds X86_V4.
# Output    numpy 2.3.5  disabled: nothing  found: ... AVX F16C FMA3 AVX2 AVX512F AVX512CD AVX512_SKX ...
#           numpy 2.3.5  disabled: AVX2     found: ... AVX F16C FMA3 AVX512F AVX512CD AVX512_SKX ...
#           numpy 2.4.6  disabled: nothing  found: X86_V3 X86_V4 AVX512_ICL
#           numpy 2.4.6  disabled: AVX2     found: X86_V3 X86_V4 AVX512_ICL
#           numpy 2.4.6  disabled: X86_V3   found: X86_V4 AVX512_ICL
#           numpy 2.4.6  disabled: AVX2     with python -W error: ImportWarning: During parsing environment variable: ...
# Matters   "The solver gives the same plan without AVX-512" is a check that passes for nothing with the names that
#           documents and scripts use. Disable X86_V4 and every AVX512_... that numpy finds, and look in
#           `numpy.show_config("dicts")` whether it is so. (The first line is shortened; yours may hold fewer names.)
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
for version in 2.3.5 2.4.6; do
    python3 -m venv "$version"
    "$version/bin/pip" install -q --disable-pip-version-check "numpy==$version"
done

cat > probe.py <<'PY'
import numpy

print(*numpy.show_config("dicts")["SIMD Extensions"]["found"])
PY
if [[ $(2.4.6/bin/python probe.py) != X86_V3* ]]; then
    echo "this needs an x86 processor with AVX2" >&2
    exit 2
fi

seen() { # version, names to disable
    found=$(NPY_DISABLE_CPU_FEATURES=$2 "$1/bin/python" probe.py 2> said)
    printf 'numpy %s  disabled: %-8s found: %s\n' "$1" "${2:-nothing}" "$found"
    [[ ! -s said ]] || { echo "a warning was shown"; cat said; exit 1; }
}
seen 2.3.5 ""; all_of_23=$found
seen 2.3.5 AVX2; [[ " $all_of_23 " == *" AVX2 "* && " $found " != *" AVX2 "* ]]
seen 2.4.6 ""; all_of_24=$found
seen 2.4.6 AVX2; [[ $found == "$all_of_24" ]]
seen 2.4.6 X86_V3; [[ " $found " != *" X86_V3 "* ]]
if NPY_DISABLE_CPU_FEATURES=AVX2 2.4.6/bin/python -W error probe.py > said 2>&1; then exit 1; fi
sed -n 's/^ImportWarning.*/numpy 2.4.6  disabled: AVX2     with python -W error: &/p' said
grep -q "You cannot disable CPU features (AVX2)" said
