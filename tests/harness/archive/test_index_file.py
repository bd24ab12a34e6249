"""The index file beside the repository: with it, without it or with a damaged one, the archive reads the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from evaluator.types import Interval
from harness.archive import Archive
from harness.archive.index_file import FILE, IndexFile
from harness.types import Attempt, Confirmation, Proposal, Turn, Usage
from tests.harness.archive.archives import family, new, raw, refused, seed_attempt
from tests.harness.builders import duel, scored
from tests.harness.qualities import SECRET, judged


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """A run whose attempts are all packed, so that they may come from the index."""
    archive = new(tmp_path / "run")
    made = family(archive)
    turns = (Turn(text="one", model="m", usage=Usage(input_tokens=3), usd=0.5, tries=2), Turn(text="two", model="m"))
    proposal = Proposal(
        kind="patch", parents=(made[1].id,), reply="two", proposer="llm", model="m", usd=0.5, tokens=3, turns=turns
    )
    certain = Interval(median=0.002, low=0.001, high=0.003)
    fought = dataclasses.replace(duel(1.2, level=0.99), gain=certain, certain_gain=certain, secret="ef" * 16)
    champion = Confirmation(against=made[0].id, duel=fought)
    archive.append(
        Attempt(
            number=5,
            proposal=proposal,
            candidate=raw(5, made[1].id).candidate,
            verdict=judged(scored(0.7, 3.0, hardware="another processor")),
            confirmations=(champion, Confirmation(against=made[1].id, failure="it failed")),
            syntax_hash="ab" * 20,
        )
    )
    archive.maintain()
    archive.close()
    return archive


def facts(archive: Archive) -> str:
    """Everything an archive reports about its attempts, as text."""
    rows = []
    for one in archive.archived:
        entry, known = one.entry, archive.known(one.entry.program_id)
        if entry.scored is not None:
            score = entry.scored.score
            score = dataclasses.replace(score, cases=tuple(score.cases), metrics=dict(score.metrics))
            entry = dataclasses.replace(entry, verdict=dataclasses.replace(entry.scored, score=score))
        rows.append((dataclasses.replace(entry, turns=tuple(entry.turns)), one.git_parents, known and known.number))
    return repr((rows, archive.damage, archive.next_number, archive.booked))


def truth(path: Path) -> str:
    with Archive.open(path, cached=False) as archive:
        return facts(archive)


def test_an_archive_read_from_its_index_is_the_same(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = truth(archive.path)

    def refuse(*_: object) -> None:
        raise AssertionError("an attempt was read from the repository")

    with monkeypatch.context() as patched:
        patched.setattr("harness.archive.commits._read_attempt", refuse)
        again = Archive.open(archive.path)
    assert facts(again) == expected
    assert len(again.entries) == 6 and again.booked.calls == 3
    last = again.entries[-1]
    assert last.scored is not None and last.scored.score.gain is not None and last.scored.score.secret == SECRET
    assert "secret='efef" in expected and "pass_quality=0.7" in expected


def _flip(data: bytes) -> bytes:
    at = len(data) * 2 // 3
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _forge(data: bytes) -> bytes:
    """Lines whose check sums hold, of wrong values."""
    head, *lines = data.splitlines(keepends=True)
    import zlib

    bad = [b"[]", b"3", b'["environment","x",{}]', b"[" * 10_000, b"[[1],2,3,4,5,6,7,8,9,0,1]", b'["environment"]']
    return head + b"".join(b"%08x %s\n" % (zlib.crc32(one), one) for one in bad) + b"".join(lines[:2])


DAMAGE = {
    "missing": None,
    "empty": lambda data: b"",
    "cut in a line": lambda data: data[:-20],
    "cut in the head": lambda data: data[:10],
    "another version": lambda data: data.replace(b"index 3", b"index 2", 1),
    "another run": lambda data: data.replace(data.split(b"\n")[0][-40:], b"0" * 40, 1),
    "a flipped bit": _flip,
    "zeros": lambda data: b"\0" * len(data),
    "lines twice": lambda data: data + data,
    "one line gone": lambda data: b"".join(data.splitlines(keepends=True)[:3] + data.splitlines(keepends=True)[4:]),
    "forged": _forge,
    "noise": lambda data: bytes(range(256)) * 40,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_index_changes_nothing_and_is_rebuilt(archive: Archive, name: str) -> None:
    expected, path = truth(archive.path), archive.path / FILE
    damage, data = DAMAGE[name], path.read_bytes()
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(data))
    with Archive.open(archive.path) as again:
        assert facts(again) == expected
        added = again.append(refused(again, 6, again.entries[1].id))
        again.maintain()
    with Archive.open(archive.path) as again:
        assert again.entries[-1] == added
        rows = list(IndexFile(archive.path, again.root_id, again._details).read())
        assert {row.archived.entry.number for row in rows} == set(range(7)), "every attempt is in the index file"
        assert facts(again) == truth(archive.path)


def test_a_stale_line_of_the_index_is_ignored(archive: Archive) -> None:
    """A run whose attempt was replaced: the line is whole, but no ref names its commit any more."""
    data = (archive.path / FILE).read_bytes()
    other = new(archive.path.parent / "other")
    seed = other.append(seed_attempt(other))
    mine = other.append(refused(other, 1, seed.id))
    other.maintain()
    other.close()
    (other.path / FILE).write_bytes(data.replace(archive.root_id.encode(), other.root_id.encode(), 1))
    assert Archive.open(other.path).entries == (seed, mine)


def test_an_archive_opens_if_its_index_cannot_be_written(archive: Archive) -> None:
    expected = truth(archive.path)
    (archive.path / FILE).unlink()
    (archive.path / FILE).mkdir()
    with Archive.open(archive.path) as again:
        assert facts(again) == expected
        again.append(refused(again, 6, again.entries[1].id))


def test_two_writers_each_append_their_own_attempts(archive: Archive) -> None:
    one, other = Archive.open(archive.path), Archive.open(archive.path)
    for number in range(6, 12, 2):
        one.append(refused(one, number, one.entries[1].id, reply=f"one {number}"))
        other.append(refused(other, number, one.entries[1].id, reply=f"other {number}"))
    one.maintain()
    numbers = [row.archived.entry.number for row in IndexFile(archive.path, one.root_id, one._details).read()]
    assert sorted(numbers) == list(range(12))
    assert facts(Archive.open(archive.path)) == truth(archive.path)
