"""Found solvers are what their runs say: attempt N of a kept run, byte for byte, by patches kept beside it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from harness.patch import apply_reply
from harness.readings.verify import verify
from harness.runs.opened import opened
from tests.benchmarks import found

ROOT = Path(__file__).resolve().parents[1]
FOUND = ROOT / "programs" / "eplb" / "found"
ATTEMPTS = {"even": 42, "static": 3, "turns": 10}
"""Which attempt of its run each shipped solver is."""
SEEDS = {
    "even": ROOT / "programs/eplb/vectorised_greedy.py",
    "static": FOUND / "even/best.py",
    "turns": FOUND / "even/best.py",
}
MOST_BYTES = 5_000_000


@pytest.mark.parametrize("kind", ATTEMPTS)
class TestKept:
    def test_best_is_that_attempt_of_a_run_that_verifies(self, kind: str, tmp_path: Path) -> None:
        bundle, run = FOUND / kind / "run.bundle", tmp_path / "run"
        assert bundle.stat().st_size <= MOST_BYTES
        subprocess.run(["git", "clone", "--quiet", "--mirror", bundle, run], check=True, capture_output=True)
        with opened(run) as kept:
            report = verify(kept.archive)
            assert report.ok and report.checked == len(kept.archive.entries)
            attempt = kept.attempt(ATTEMPTS[kind])
            assert kept.archive.source(attempt.id).encode() == (FOUND / kind / "best.py").read_bytes()
            assert kept.archive.source(kept.archive.root_id).encode() == SEEDS[kind].read_bytes()

    def test_the_patches_make_it_of_the_seed(self, kind: str) -> None:
        program = SEEDS[kind].read_text()
        patches = sorted((FOUND / kind / "lineage").glob("*.patch"))
        assert patches
        for patch in patches:
            program = apply_reply(patch.read_text(), program).source
        assert program == (FOUND / kind / "best.py").read_text()

    def test_the_page_names_the_attempt(self, kind: str) -> None:
        page = (FOUND / "README.md").read_text()
        assert re.search(rf"\| `{kind}/best.py` \| {ATTEMPTS[kind]} of \d+ \|", page)


class TestBenchmark:
    def test_what_is_doubled(self) -> None:
        plan_LR = np.array([[0, 0, 1, 2], [0, 1, 0, 1], [3, 3, 3, 3]])
        assert found.doubled(plan_LR, 2) == 1 + 0 + 2
        assert found.doubled(plan_LR, 4) == 0

    def test_which_targets_are_missed(self) -> None:
        met = {"balance": 0.9, "times_vllm": None, "doubled": 0.0, "ms": 1.0, "lost": 0.001}
        assert found.missed("turns-hier-ep32", met) == []
        assert found.missed("turns-hier-ep32", {**met, "lost": 0.004}) == ["lost 0.004 against 0.003"]
        assert found.missed("hier-ep32", {**met, "balance": 0.8}) == ["balance 0.8 against 0.8612"]
        assert found.missed("static-288", {**met, "balance": 1.0, "ms": 5.5}) == ["ms 5.5 against 5"]

    def test_a_file_that_is_no_wheel(self, tmp_path: Path) -> None:
        (tmp_path / "a.whl").write_text("no")
        with pytest.raises(SystemExit, match=r"a\.whl: expected a wheel of vLLM"):
            found.unpack(tmp_path / "a.whl", tmp_path)

    def test_draws_are_relabelled_and_repeat(self) -> None:
        load_LE = np.arange(24.0).reshape(3, 8)
        first, again = (list(found.draws(load_LE, 4, 2)) for _ in range(2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first[0], first[1])
        for drawn_LE in first:
            assert sorted(map(tuple, np.sort(drawn_LE, axis=1))) == sorted(map(tuple, load_LE))
