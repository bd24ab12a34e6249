#!/usr/bin/env bash
# Software  torch 2.13.0 on CPU
# Guess     Where values tie, `x.topk(k).indices` is some fixed order of the tied items of which k says how many to
#           take: topk(2) is the beginning of topk(3), and both are the beginning of a stable sort downwards, since
#           argmax takes the first of equals too.
# Seen      The order depends on k and on how long x is, and a smaller k does not give the beginning of a larger:
#           from eight equal loads topk(4) takes 6 5 4 7 and topk(5) takes 4 7 6 5 2. Among 256 loads of which
#           eight tie at the top, topk(3) takes 0 1 2 and topk(4) takes 1 3 0 2. argmax is always the first.
# Output    8 equal loads                    argmax 0  stable sort 0 1 2 3 4
#             topk(1) 6  topk(2) 6 5  topk(3) 6 5 4  topk(4) 6 5 4 7  topk(5) 4 7 6 5 2
#           8 equal loads, 248 experts idle  argmax 0  stable sort 0 1 2 3 4
#             topk(1) 0  topk(2) 0 1  topk(3) 0 1 2  topk(4) 1 3 0 2  topk(5) 7 5 6 1 0
# Matters   Loads are whole token counts and idle experts all count 0, so ties are everywhere. "Try the top 8 in
#           place of the top 4" does not only widen a search: it also changes which of the equals come first, and a
#           gain or loss may be that. Likewise `topk` for `sort()[:k]` is no pure speed-up. Break ties in the key,
#           or sort with stable=True.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check torch==2.13.0

cat > probe.py <<'PY'
import torch


def look(what, loads):
    sort = loads.sort(dim=-1, descending=True, stable=True).indices[:5].tolist()
    tops = [loads.topk(k).indices.tolist() for k in range(1, 6)]
    print(f"{what:32s} argmax {loads.argmax().item()}  stable sort", *sort)
    print("   " + "  ".join(f"topk({len(top)}) " + " ".join(map(str, top)) for top in tops))
    assert loads.argmax() == 0 and sort == [0, 1, 2, 3, 4], "argmax and a stable sort take the first of equals"
    return tops


short = look("8 equal loads", torch.full((8,), 7.0))
long = look("8 equal loads, 248 experts idle", torch.cat([torch.full((8,), 7.0), torch.zeros(248)]))
assert short[4][:4] != short[3], "topk(4) is not the beginning of topk(5)"
assert long[3][:3] != long[2], "topk(3) is not the beginning of topk(4)"
assert short[0] != [0], "topk(1) is not argmax"
assert sorted(long[2]) != sorted(short[2]), "how many idle experts follow decides which of the equals are taken"
PY
venv/bin/python -W ignore probe.py
