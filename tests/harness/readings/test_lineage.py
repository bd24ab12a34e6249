"""The chain of patches to a program: the gain of each step, and the chain as files that give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import patch
from harness.readings.lineage import Gain, Lineage, change_of_quality, gain, larger_half, lineage
from harness.readings.patch_series import patch_series
from harness.types import Confirmation, Entry, HarnessError, Kind, Patch
from tests.harness.builders import PROGRAM, REJECTED, duel, entry, scored
from tests.harness.qualities import judged


def finder(*entries: Entry) -> Mapping[str, Entry]:
    return {one.id: one for one in entries}


def test_a_gain_has_points_and_speed_only_if_certain() -> None:
    parent = entry(1, scored(0.90, 2.0, noise=0.05))
    assert gain(entry(2, scored(0.91, 2.1, noise=0.05)), parent) == Gain(points=pytest.approx(1.0))
    assert gain(entry(2, scored(0.90, 4.0, noise=0.05)), parent) == Gain(times=2.0)
    assert gain(entry(2, scored(0.90, 1.0, noise=0.05)), parent) == Gain(times=0.5)
    assert gain(entry(2, REJECTED), parent) is None and gain(parent, entry(2, REJECTED)) is None
    assert gain(parent, None) is None


def test_a_change_of_quality_has_an_interval_where_both_have_one() -> None:
    child, parent = (
        entry(n, judged(scored(0.5, 1.0), gain=g, scatter=0.001, seed=n)) for n, g in ((2, 0.03), (1, 0.01))
    )
    found = change_of_quality(child, parent)
    assert found is not None and found.low < 0.02 < found.high
    assert child.scored is not None and parent.scored is not None
    halves = [larger_half(each.scored.score.quality_interval) for each in (child, parent) if each.scored]
    assert larger_half(found) == pytest.approx(math.hypot(*halves))
    old = change_of_quality(entry(2, scored(0.6, 1.0)), entry(1, scored(0.5, 1.0)))
    assert old is not None and old.low == old.high == pytest.approx(0.1)
    assert change_of_quality(entry(2, REJECTED), parent) is change_of_quality(parent, None) is None


def test_across_machines_quality_is_compared_and_run_time_is_not() -> None:
    here, there = entry(1, scored(0.9, 2.0)), entry(2, scored(0.8, 9.0, hardware="another processor"))
    found = gain(there, here)
    assert found is not None and found.times is None and found.points == pytest.approx(-10)
    assert len(found.not_compared) == 1 and "another processor" in found.not_compared[0]


@pytest.mark.parametrize(("ratio", "noise", "times"), [(1.2, 0.01, 1.2), (1.01, 0.5, None), (0.5, 0.01, 0.5)])
def test_a_duel_overrules_the_intervals(ratio: float, noise: float, times: float | None) -> None:
    parent = entry(1, scored(0.9, 2.0))
    fought = Confirmation(against=parent.id, duel=duel(ratio, noise))
    child = replace(entry(2, scored(0.9, 3.0)), confirmations=(fought,))
    assert gain(child, parent) == Gain(times=times)
    assert gain(parent, child) == Gain(times=None if times is None else 1 / times)


def test_a_chain_follows_first_parents_and_names_the_others() -> None:
    seed = entry(0, scored(0.5, 1.0))
    one, two = entry(1, scored(0.6, 1.0)), entry(2, scored(0.5, 2.0))
    both = entry(3, scored(0.6, 2.0), kind="crossover", parents=("e1", "e2"))
    last = replace(entry(4, scored(0.7, 4.0), parents=("e3", "lost")), usd=0.5, tokens=7)
    line = lineage(last, finder(seed, one, two, both, last).get, "root")
    assert [step.entry.number for step in line.steps] == [0, 1, 3, 4]
    assert [step.merged for step in line.steps] == [(), (), (two,), (None,)]
    assert line.gain == Gain(points=pytest.approx(20), times=4.0) and (line.usd, line.tokens) == (0.5, 7)
    assert lineage(seed, finder(seed).get, "root").steps[0].parent is None


def test_a_chain_with_a_missing_attempt_is_an_error_that_names_it() -> None:
    orphan = entry(5, scored(0.6, 1.0), parents=("gone",))
    with pytest.raises(HarnessError, match="attempt 5 was made from gone"):
        lineage(orphan, finder(orphan).get, "root")
    with pytest.raises(HarnessError, match="attempt 5 was made from nothing"):
        lineage(replace(orphan, parents=()), finder(orphan).get, "root")


class Chain:
    """Attempts, each made from the one before, with their programs and replies."""

    def __init__(self, seed: str) -> None:
        self.entries = [entry(0, scored(0.5, 1.0))]
        self.sources = {"e0": seed}
        self.replies = {"e0": ""}

    def add(self, source: str, reply: str, *, name: str = "step", kind: Kind = "patch", also: str = "") -> None:
        number = len(self.entries)
        parents = (f"e{number - 1}", *([also] if also else []))
        self.entries.append(replace(entry(number, scored(0.6, 1.0), kind=kind, parents=parents), name=name))
        self.sources[f"e{number}"], self.replies[f"e{number}"] = source, reply

    @property
    def line(self) -> Lineage:
        return lineage(self.entries[-1], finder(*self.entries).get, "root")

    def replayed(self) -> tuple[bytes, list[str], list[bool]]:
        """What `packsmith replay` makes of the files, their names, and which are as they came."""
        series = patch_series(self.line, self.sources.__getitem__, self.replies.__getitem__)
        text = series.seed.decode()
        for file in series.patches:
            text = patch.apply_reply(file.text.decode("utf-8", "surrogateescape"), text).source
        return text.encode(), [file.name for file in series.patches], [file.stored for file in series.patches]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("final", [True, False], ids=["final newline", "no final newline"])
def test_a_series_of_every_kind_of_reply_gives_the_same_bytes(end: str, final: bool) -> None:
    program = PROGRAM.replace("\n", end)
    chain = Chain(program if final else program.removesuffix(end))

    def step(reply: str, **values: str) -> None:
        kind: Kind = "rewrite" if "```" in reply else "patch"
        made = patch.apply_reply(reply, chain.sources[f"e{len(chain.entries) - 1}"], allow_rewrite=True).source
        chain.add(made, reply, kind=kind, **values)

    block = "<<<<<<< SEARCH\n{}\n=======\n{}\n>>>>>>> REPLACE\n"
    step(f"Prose first.\n<NAME>\na/../b\n</NAME>\n{block.format('ROUNDS = 4', 'ROUNDS = 6')}", name="a/../b \x1b[31m")
    whole = chain.sources["e1"].replace("\r\n", "\n").replace("SLACK = 0.5", "SLACK = 0.25").rstrip()
    step(f"```python\n{whole}\n```\n", name="</NAME>")
    step(block.format("SLACK = 0.25", "SLACK = 0.125\nMORE = 1"), also="e0", name="")
    chain.add(chain.sources["e3"], "no patch in here", name="refused")
    step(block.format("    first = items[3]", "    first = items[2]") + "\ud800", name="half a pair")
    found, names, stored = chain.replayed()
    assert found == chain.sources["e5"].encode()
    assert (found.count(b"\r\n"), found.endswith(b"\n")) == (found.count(b"\n") if end == "\r\n" else 0, final)
    assert names == ["0001-a-b-31m.patch", "0002-name.patch", "0003-patch.patch", "0004-half-a-pair.patch"]
    assert stored == [True, False, True, True]


def test_a_change_that_no_patch_can_make_is_refused_with_its_attempt() -> None:
    chain = Chain(PROGRAM)
    chain.add(PROGRAM.replace("LIMIT = 7", "LIMIT = 8"), "whatever")
    with pytest.raises(HarnessError, match=r"no patch makes the program of attempt 1 from that of attempt 0.*outside"):
        chain.replayed()


LINES = st.lists(st.sampled_from(["a = 1", "b = 2", "", "    c()", "=======", "# d", "x\ty"]), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    programs=st.lists(LINES, min_size=1, max_size=5),
    end=st.sampled_from(["\n", "\r\n"]),
    final=st.booleans(),
    kept=st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_any_series_gives_the_same_bytes_or_is_refused(
    programs: Sequence[Sequence[str]], end: str, final: bool, kept: Sequence[bool]
) -> None:
    """Whatever the programs: files that give the last one, or an error; never files that give another."""
    texts = [end.join(["top = 0", *lines, "bottom = 9"]) + (end if final else "") for lines in programs]
    chain = Chain(texts[0])
    for before, after, keep in zip(texts, texts[1:], kept, strict=False):
        try:
            made: Patch | None = patch.diff(before, after) if keep else None
        except patch.PatchError:
            made = None
        chain.add(after, patch.render(made) if made else "nonsense")
    try:
        found, _, _ = chain.replayed()
    except HarnessError:
        return
    assert found == texts[-1].encode()
